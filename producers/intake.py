"""Takes raw inputs to their receipts: normalises and publishes each; dead-letters what cannot be normalised.

The one place where the outcome of a normaliser is turned into a Kafka record, for every source that is no endpoint.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import structlog

from producers.publisher import Publisher, Receipt
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused, Unavailable
from schemas.events import Event

__all__ = ["Intake", "Take", "defect"]

#: Makes events of an input, now or when its dead letter is replayed: all that it may know are these two. It reads no
#: clock; it may store attachments. Raises `Refused`, and `Unavailable` when the store does not answer.
Take = Callable[[bytes, InputContext], Sequence[Event]]

log = structlog.get_logger("producers.intake")


class Intake:
    """Takes inputs of one producer. `producer` is the normaliser's CHANNEL, which its dead letters name.

    source, imported, headers  of every input, as `InputContext` says
    """

    def __init__(
        self,
        publisher: Publisher,
        producer: str,
        normalise: Callable[[bytes, InputContext], Event],
        *,
        source: str = "",
        imported: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.publisher, self.producer, self._normalise = publisher, producer, normalise
        self._source, self._imported, self._headers = source, imported, headers or {}
        self._clock = publisher.settings.pipeline_clock

    def take(
        self, raw: bytes, *, origin: str, kept_at: str = "", refused: Refused | None = None, total_bytes: int = 0
    ) -> Future[Receipt]:
        """Hands one input over; the future ends in its receipt or in `Unavailable`.

        origin       where it came from, for people: a path, `file:line`
        kept_at      where the source keeps the input if it becomes a dead letter
        refused      already known to be no event (too large to read)
        total_bytes  its whole length when `raw` is only the first part
        """
        trace = ""
        given = InputContext(self._clock.now(), self._source, self._imported, self._headers)
        if refused is None:
            try:
                event = self._normalise(raw, given)
            except Refused as error:
                refused = error
            except Unavailable as error:  # a store beside Kafka does not answer; the source keeps the input
                failed: Future[Receipt] = Future()
                failed.set_exception(error)
                return failed
            except Exception as error:  # a defect of ours must not lose the input nor stop its neighbours
                log.exception("normaliser_failed", producer=self.producer, origin=origin)
                refused, trace = defect(error), traceback.format_exc()
            else:
                return self.publisher.submit(
                    event, raw=raw, given=given, producer=self.producer, origin=origin, kept_at=kept_at
                )
        return self.publisher.submit_dead_letter(
            raw,
            refused,
            given=given,
            channel=self.producer,
            producer=self.producer,
            origin=origin,
            kept_at=kept_at,
            traceback=trace,
            total_bytes=total_bytes or len(raw),
        )


def defect(error: Exception) -> Refused:
    """Returns the refusal of an input that met a mistake of ours."""
    return Refused("defect", f"{type(error).__name__}: {error}")
