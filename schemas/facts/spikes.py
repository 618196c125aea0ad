"""Facts of tags that break out of their own rhythm."""

from __future__ import annotations

from schemas.events import Micros
from schemas.facts.base import Fact


class SpikeFact(Fact, frozen=True, kw_only=True):
    """A tag is found on far more contacts than is usual at this hour of the week. Id: `tag, brand, since`.

    It has no customer, so its key is the tag; `version` and `partition` are of `tag-counts`.

    brand           the brand whose contacts were counted; '' for all of them
    since           the contact with which it began
    detected_at     when so much spoke for it that it was said
    ended_at        when nothing spoke for it any more; None while it is on
    count           contacts with this tag since then; `expected` is how many are usual in that time
    usual_per_hour  contacts that are usual in this hour
    dispersion      how far counts scatter anyway: their variance in means
    tickets         the last ten tickets of it
    """

    tag: str
    since: Micros
    detected_at: Micros
    count: int
    expected: float
    ended_at: Micros | None = None
    usual_per_hour: float = 0.0
    dispersion: float = 1.0
    tickets: list[str] = []
    quadrant: str = ""
    valence: str = ""
    owner_team: str = ""
    brand: str = ""
