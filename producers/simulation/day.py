"""Plans a day: every contact, order and article view, decided beforehand from a seed.

A day has the shape of a shop's day: quiet nights, a peak before noon and one in the evening, a rush hour after a
newsletter, and an afternoon in which a carrier stands still and its customers write.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from producers.simulation.mail import Mail
from producers.simulation.people import PRODUCTS, Person, customers
from producers.simulation.planned import SOURCE, Planned
from producers.simulation.scenarios import CHASERS, DETAILS, INCIDENT, SCENARIOS
from producers.simulation.writing import SUPPORT, Matter, contact, matter, message_id, retold, spoken
from schemas.clock import from_micros
from schemas.events import ArticleViewed, OrderPlaced
from schemas.identity import canonical_customer_id, customer_tag, event_id

__all__ = ["CHANNEL_SHARES", "DAY", "people_of", "plan_day"]

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
MINUTE = 60 * 1_000_000

#: Contacts by hour of the day (UTC).
PROFILE = (2, 1, 1, 1, 1, 2, 3, 5, 8, 11, 13, 12, 9, 9, 9, 8, 8, 8, 9, 11, 12, 9, 6, 4)
#: The hour of the newsletter, and how many times as many then write.
RUSH_HOUR, RUSH_FACTOR = 10, 1.8
#: The carrier stands still between these hours.
INCIDENT_HOURS = (14, 18)
CHANNEL_SHARES = {"email": 0.38, "chat": 0.22, "form": 0.14, "sms": 0.11, "social": 0.09, "voicemail": 0.06}

_MACHINES, _INCIDENT, _FOLLOW_UPS = 0.03, 0.08, 0.10
_REPEATS = 0.25
_ORDERS, _ARTICLES = 3.0, 1.2

_ARTICLE_IDS = (
    "track-order", "return-an-item", "delivery-costs", "payment-methods", "size-guide", "reset-password",
    "get-an-invoice", "current-offers", "manuals", "delivery-countries",
)  # fmt: skip
_SEARCHES = {
    "en": ("cancel order", "talk to someone", "customs form"),
    "zh-Hans": ("人工客服", "海关", "改地址"),
    "zh-Hant": ("真人客服", "改地址", "超商取貨"),
    "ja": ("電話番号", "関税", "キャンセル"),
}

_OUT_OF_OFFICE = {
    "en": ("Automatic reply: out of office", "I am away until Monday and will read your message then."),
    "zh-Hans": ("自动回复：外出", "我正在休假，周一回来后会查看邮件。"),
    "zh-Hant": ("自動回覆：外出", "我正在休假，週一回來後會查看郵件。"),
    "ja": ("自動応答：不在", "月曜日まで不在です。戻り次第確認いたします。"),
}


def people_of(seed: int, contacts: int) -> list[Person]:
    """Returns the customers of the day with this seed; other seeds have other customers."""
    rng = Random(f"{seed}:people")
    return customers(rng, int(contacts * 0.75) + 20, first=rng.randrange(10**9))


def plan_day(seed: int, contacts: int, start: int, *, mail_domain: str = "support.example") -> list[Planned]:
    """Returns the plan of the 24 hours from `start` (micros UTC), in the order of time.

    `contacts` is how many messages reach us, machines included; orders and article views come on top. The same
    arguments give the same plan.
    """
    rng = Random(f"{seed}:day")
    people = people_of(seed, contacts)
    machines, incident = round(contacts * _MACHINES), round(contacts * _INCIDENT)
    follow_ups = round(contacts * _FOLLOW_UPS)
    writers = _writers(rng, people)
    first: list[tuple[Planned, Person, Matter, str]] = []
    for index in range(contacts - machines - follow_ups):
        late = index < incident
        scenario = _BY_NAME[INCIDENT] if late else rng.choices(SCENARIOS, [each.weight for each in SCENARIOS])[0]
        at = _incident_moment(rng, start) if late else _moment(rng, start)
        person, about = next(writers), matter(rng, scenario)
        channel = rng.choices(list(CHANNEL_SHARES), list(CHANNEL_SHARES.values()))[0]
        first.append(
            (contact(rng, person, about, channel, at, f"s{seed}-c{index}", mail_domain), person, about, channel)
        )
    plan = [planned for planned, *_ in first]
    for index in range(follow_ups):
        plan.append(_follow_up(rng, rng.choice(first), start + DAY, f"s{seed}-f{index}", mail_domain))
    for index in range(machines):
        plan.append(_machine(rng, rng.choice(people), _moment(rng, start), f"s{seed}-m{index}", index, mail_domain))
    plan += [
        _order(rng, rng.choice(people), _moment(rng, start), f"s{seed}-o{n}") for n in range(int(contacts * _ORDERS))
    ]
    plan += [
        _article(rng, rng.choice(people), _moment(rng, start), f"s{seed}-a{n}")
        for n in range(int(contacts * _ARTICLES))
    ]
    return sorted(plan, key=lambda planned: planned[:2])


_BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def _writers(rng: Random, people: list[Person]) -> Iterator[Person]:
    """Yields writers without end: mostly somebody new, sometimes one who wrote before."""
    wrote: list[Person] = []
    fresh = iter(people)
    while True:
        person = None if wrote and rng.random() < _REPEATS else next(fresh, None)
        if person is None:
            person = rng.choice(wrote)
        wrote.append(person)
        yield person


def _moment(rng: Random, start: int) -> int:
    """Draws a moment of the day, by the profile."""
    first = from_micros(start).hour
    hours = [(first + slot) % 24 for slot in range(24)]
    weights = [PROFILE[hour] * (RUSH_FACTOR if hour == RUSH_HOUR else 1.0) for hour in hours]
    slot = rng.choices(range(24), weights)[0]
    return start + slot * HOUR + rng.randrange(HOUR)


def _incident_moment(rng: Random, start: int) -> int:
    """Draws a moment of the incident: it rises quickly and ebbs."""
    begin, end = INCIDENT_HOURS
    offset = (begin - from_micros(start).hour) % 24
    share = min(rng.betavariate(1.6, 3.0), 0.999)
    return min(start + offset * HOUR + int(share * (end - begin) * HOUR), start + DAY - 1)


def _follow_up(rng: Random, before: tuple[Planned, Person, Matter, str], end: int, unique: str, domain: str) -> Planned:
    """Plans a second message about the same matter: a detail minutes later, or an impatient word hours later."""
    planned, person, about, channel = before
    mail = channel in ("email", "form")
    if about.angry or rng.random() < 0.3:
        texts, delay = CHASERS, rng.randrange(3 * HOUR, 7 * HOUR)
    else:
        texts, delay = (
            DETAILS,
            rng.randrange(3 * MINUTE, 40 * MINUTE) if mail else rng.randrange(MINUTE // 4, 2 * MINUTE),
        )
    at, text = min(planned.at + delay, end - 1), rng.choice(texts[person.language])
    if not mail:
        again = f" {retold(rng, person, about, at)}" if texts is CHASERS else ""
        return Planned(at, unique, spoken(person, channel, text + again, at, unique))
    earlier = planned.thing if isinstance(planned.thing, Mail) else None
    written = Mail(
        sender_name=person.name,
        sender=person.email,
        recipient=f"{SUPPORT}@{domain}",
        subject=f"Re: {earlier.subject}" if earlier else text[:60].strip(),
        text=f"{text} ({about.order})\n\n{person.name}",
        message_id=message_id(person, unique),
        language=person.language,
        style=person.style,
        in_reply_to=earlier.message_id if earlier else "",
        quoted=earlier.text if earlier else "",
    )
    return Planned(at, unique, written)


def _machine(rng: Random, person: Person, at: int, unique: str, index: int, domain: str) -> Planned:
    """Plans a mail that no person wrote: out of office, a newsletter, a bounce."""
    subject, text = _OUT_OF_OFFICE[person.language]
    name, sender = person.name, person.email
    headers: tuple[tuple[str, str], ...] = (("Auto-Submitted", "auto-replied"),)
    if index % 3 == 1:
        name, sender, subject = "Weekly Trade News", "news@lists.example", "Twelve offers for your shop"
        text = "Our offers of the week. You receive this because you subscribed."
        headers = (("List-Id", "<news.lists.example>"), ("Precedence", "bulk"))
    elif index % 3 == 2:
        name, sender, subject = (
            "Mail Delivery System",
            "mailer-daemon@post.example",
            "Undelivered mail returned to sender",
        )
        text = "The mail system could not deliver your message. The address is unknown."
        headers = (("Return-Path", "<>"), ("Auto-Submitted", "auto-replied"))
    written = Mail(
        name,
        sender,
        f"{SUPPORT}@{domain}",
        subject,
        text,
        f"<{unique}@machines.example>",
        person.language,
        headers=headers,
    )
    return Planned(at, unique, written)


def _order(rng: Random, person: Person, at: int, unique: str) -> Planned:
    customer, chosen = person.customer_id("email"), rng.sample(range(len(PRODUCTS)), rng.choice((1, 1, 1, 2, 3)))
    order = OrderPlaced(
        event_id=event_id("sim-order", unique),
        occurred_at=at,
        received_at=at,
        customer_tag=customer_tag(customer),
        source=SOURCE,
        customer_id=customer,
        order_number=f"DS{rng.randrange(10**7, 10**8)}",
        amount=sum(PRODUCTS[index][1] for index in chosen),
        currency="GBP",
        products=[PRODUCTS[index][0]["en"] for index in chosen],
    )
    return Planned(at, unique, order)


def _article(rng: Random, person: Person, at: int, unique: str) -> Planned:
    known = rng.random() < 0.5
    customer = person.customer_id("email") if known else canonical_customer_id("web", unique)
    found = rng.random() < 0.85
    view = ArticleViewed(
        event_id=event_id("sim-article", unique),
        occurred_at=at,
        received_at=at,
        customer_tag=customer_tag(customer),
        channel="help_centre",
        source=SOURCE,
        customer_id=customer,
        article_id=rng.choice(_ARTICLE_IDS) if found else "",
        query="" if found else rng.choice(_SEARCHES[person.language]),
        language=person.language,
    )
    return Planned(at, unique, view)
