"""merge: two customers turn out to be one person, and back again (ADR 0011).

A merge is folded where the customer is who goes up in the other. Every ticket that is not closed is given away: a
`TicketAdopted` carries it to the log of the other customer, and an `Away` stays behind. The customer keeps a `Mark`:
what comes for them later is written on to whoever they are now, what comes for a ticket to whoever has it now.
A ticket keeps its id wherever it goes, so whoever knows one still reaches it, through the log of the customer in it.

Why nothing runs in circles: what one log writes to another arrives in order. So the ticket is there before what is
written after it, and the word of a merge before what is written on because of it. A word of a merge that finds itself
back at the customer before its origin has gone round a circle: the older of the two decisions that meet there ends.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import EVENTS, ConsentChanged, CustomersMerged, CustomersSplit, Event, SurveyAnswered, TicketAdopted
from schemas.identity import customer_tag, event_id, split_ticket_id
from stream_processors.rules.loop_guards import REMEMBERED
from stream_processors.rules.surveys import MOST_INVITATIONS
from stream_processors.runtime.processor import Output
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.context import Turn
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import MOST_OPTED_OUT, Adopted, Away, Customer, Links, Mark, Ticket
from stream_processors.tickets.surveys import invite
from stream_processors.tickets.tag import KEPT_REASONS
from stream_processors.tickets.thread import find

__all__ = ["KINDS", "ended_here", "passed_on", "step"]

#: Tickets that a customer remembers to have given away, or to have seen ended after they came from somebody else.
KEPT_AWAY = 500
#: Names that went up in a customer and are remembered; far more than anybody has.
KEPT_NAMES = 50
_CODEC = StateCodec({b"c": Customer})
_UNKNOWN = Links()


# -- what goes on to somebody else ------------------------------------------------------------------------------------


def passed_on(customer: Customer, event: Event) -> Event | None:
    """The event as it is written to the log of whoever it concerns now; None when that is this customer.

    Only for a customer with links. Nothing is concluded from what is passed on.
    """
    links = customer.links
    assert links is not None, "who was never merged has nothing to pass on"
    kind = type(event)
    if kind in _ABOUT_TICKETS:
        holder = _holder(customer, links, event)
    elif kind in _OF_CUSTOMERS:
        mark = links.mark
        gone = links.gone(reference) if (reference := getattr(event, "ticket_ref", "")) else None
        holder = "" if gone is None else gone.holder
        own = mark is not None and customer_tag(event.customer_id) == event.customer_tag  # type: ignore[attr-defined]
        if mark is not None and own and holder in ("", mark.tag):
            return _addressed(event, mark.tag, customer_id=mark.customer_id)
    else:
        return None
    return _addressed(event, holder) if holder else None


def _holder(customer: Customer, links: Links, event: Any) -> str:
    """The tag of who has the ticket that the event names, '' when it is this customer or nobody."""
    mark = "" if links.mark is None else links.mark.tag
    if event.ticket_id:
        if (gone := links.gone(event.ticket_id)) is not None:
            return gone.holder
        if type(event) is SurveyAnswered or find(customer, event.ticket_id, event.customer_tag) is not None:
            return ""  # a survey about a ticket that ended before the merge counts here
        return mark
    thread = getattr(event, "thread_ref", "")
    if not thread or any(thread in ticket.thread_ids for ticket in customer.tickets):
        return ""
    return next((each.holder for each in reversed(links.away) if each.holder and thread in each.threads), mark)


def _addressed(event: Event, tag: str, **changes: Any) -> Event:
    return replace(event, customer_tag=tag, causation_depth=event.causation_depth + 1, **changes)


# -- merges, splits, adoptions ----------------------------------------------------------------------------------------


def step(turn: Turn) -> Turn:
    """Fold a `CustomersMerged`, `CustomersSplit` or `TicketAdopted`; any other event passes.

    Raises:
        Refused: `same_customer`, `unknown_ticket` for a split with a ticket that this customer does not have.
        StateFromTheFuture: a newer build gave the ticket away.
    """
    event = turn.event
    if isinstance(event, CustomersMerged):
        return _merged(turn, event)
    if isinstance(event, CustomersSplit):
        return _split(turn, event)
    return _adopted(turn, event) if isinstance(event, TicketAdopted) else turn


def _merged(turn: Turn, event: CustomersMerged) -> Turn:
    origin, target = customer_tag(event.from_customer_id), customer_tag(event.into_customer_id)
    if origin == target:
        raise Refused("same_customer", f"{event.from_customer_id!r} and {event.into_customer_id!r} are one already")
    if origin != event.customer_tag:
        return _told_of_merge(turn, event, origin)
    links = turn.customer.links or _UNKNOWN
    if links.mark is not None:  # whoever this customer is by now goes up in the other
        if links.mark.tag == target:
            return turn
        return _send_on(turn, _addressed(event, links.mark.tag, from_customer_id=links.mark.customer_id))
    stamp = links.clock + 1
    names = Links(joined=links.joined) if links.joined else None
    known = replace(turn.customer, tickets=(), episodes=(), seen=(), links=names, offset=-1)
    word = _addressed(
        event, target, event_id=event_id("merged", event.event_id, origin), stamp=stamp, known=_CODEC.dump(b"c", known)
    )
    turn = _with_links(turn, replace(links, mark=Mark(event.into_customer_id, target, stamp), clock=stamp))
    turn = turn.but(outputs=(*turn.outputs, Output(word, target)))
    unfinished = [ticket for ticket in turn.customer.tickets if ticket.status != "closed"]
    return _give(turn, unfinished, event.from_customer_id, event.into_customer_id, event.agent_id)


def _told_of_merge(turn: Turn, event: CustomersMerged, origin: str) -> Turn:
    """The word of a merge, at the customer who is merged into or further on."""
    links = turn.customer.links or _UNKNOWN
    mark = links.mark
    turn = _with_links(turn, replace(links, clock=max(links.clock, event.stamp)))
    if mark is not None and mark.tag != origin:
        return _send_on(turn, _addressed(event, mark.tag, into_customer_id=mark.customer_id))
    if mark is not None:
        if (event.stamp, origin) < (mark.stamp, event.customer_tag):
            return turn  # a circle: the other one ends their mark, when they are told of ours
        turn = _without_mark(turn)
    turn = turn.but(customer=_learned(_called(turn.customer, event.into_customer_id), event.known))
    return _with_names(turn, origin, *_names_in(event.known))


def _split(turn: Turn, event: CustomersSplit) -> Turn:
    source, target = customer_tag(event.customer_id), customer_tag(event.to_customer_id)
    if source == target:
        raise Refused("same_customer", f"{event.customer_id!r} and {event.to_customer_id!r} are one customer")
    links = turn.customer.links or _UNKNOWN
    if source != event.customer_tag:
        return _told_of_split(turn, event, source)
    if links.mark is not None:
        return _send_on(turn, _addressed(event, links.mark.tag, customer_id=links.mark.customer_id))
    chosen = []
    for name in dict.fromkeys(event.ticket_ids):
        ticket = find(turn.customer, name, event.customer_tag)
        if ticket is None:
            raise Refused("unknown_ticket", f"{name!r} is not a ticket of this customer, or it ended long ago")
        chosen.append(ticket)
    stamp = links.clock + 1
    word = _addressed(event, target, event_id=event_id("split", event.event_id, source), stamp=stamp)
    names = tuple(each for each in links.joined if each != target)
    turn = _with_links(turn, replace(links, clock=stamp, joined=names))
    turn = turn.but(outputs=(*turn.outputs, Output(word, target), *_stopped(turn, event, target)))
    return _give(turn, chosen, event.customer_id, event.to_customer_id, event.agent_id)


def _stopped(turn: Turn, event: CustomersSplit, target: str) -> list[Output]:
    """What may not be sent to stays so, whoever the address belongs to; as history, so that nobody is told again."""
    return [
        Output(
            ConsentChanged(
                event_id=event_id("split", event.event_id, "stop", address),
                occurred_at=event.occurred_at,
                received_at=event.received_at,
                customer_tag=target,
                source="tickets",
                imported=True,
                causation_depth=event.causation_depth + 1,
                customer_id=event.to_customer_id,
                address=address,
                wish="stop",
            ),
            target,
        )
        for address in turn.customer.opted_out
    ]


def _told_of_split(turn: Turn, event: CustomersSplit, source: str) -> Turn:
    """Who is named by a split stands on their own, unless a later merge says otherwise."""
    links = turn.customer.links or _UNKNOWN
    mark = links.mark
    turn = _with_links(turn, replace(links, clock=max(links.clock, event.stamp)))
    if mark is not None and (event.stamp, source) > (mark.stamp, event.customer_tag):
        turn = _without_mark(turn)
    return turn.but(customer=_called(turn.customer, event.to_customer_id))


# -- tickets that change hands ----------------------------------------------------------------------------------------


def _give(turn: Turn, tickets: list[Ticket], giver: str, taker: str, agent: str) -> Turn:
    """Write the tickets to the log of `taker`, and remember who has them."""
    if not tickets:
        return turn
    event, customer, target = turn.event, turn.customer, customer_tag(taker)
    outputs, left = [], []
    for ticket in tickets:
        name = ticket.id_at(event.customer_tag)
        moves = 1 if ticket.adopted is None else ticket.adopted.moves + 1
        adopted = TicketAdopted(
            event_id=_adoption_id(name, moves),
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            customer_tag=target,
            channel=ticket.channel,
            source="tickets",
            imported=event.imported,
            causation_depth=event.causation_depth + 1,
            ticket_id=name,
            from_customer_id=giver,
            into_customer_id=taker,
            ticket=_CODEC.dump(b"c", Customer(tickets=(ticket,), episodes=episodes.of_ticket(customer, name))),
            moves=moves,
            version=ticket.version_at(turn.position.offset),
            agent_id=agent,
        )
        outputs.append(Output(adopted, target))
        left.append(Away(name, target, moves, ticket.thread_ids))
    numbers = {ticket.number for ticket in tickets}
    names = {each.ticket_id for each in left}
    customer = replace(
        customer,
        tickets=tuple(each for each in customer.tickets if each.number not in numbers),
        episodes=tuple(each for each in customer.episodes if each.ticket_id not in names),
    )
    return turn.but(customer=_gone(customer, left), outputs=(*turn.outputs, *outputs))


def _adopted(turn: Turn, event: TicketAdopted) -> Turn:
    customer, name = turn.customer, event.ticket_id
    links = customer.links or _UNKNOWN
    gone, held = links.gone(name), find(customer, name, event.customer_tag)
    known = max(gone.moves if gone else 0, held.adopted.moves if held and held.adopted else 0)
    if known >= event.moves:
        return turn.but(forwarded=True)  # written again after a crash: it was here, and may be elsewhere by now
    if links.mark is not None:
        moves, mark = event.moves + 1, links.mark
        onward = _addressed(
            event, mark.tag, event_id=_adoption_id(name, moves), into_customer_id=mark.customer_id, moves=moves
        )
        left = Away(name, mark.tag, moves, _ticket_in(event).thread_ids)
        return _send_on(turn.but(customer=_gone(customer, [left])), onward)
    tag, number = split_ticket_id(name) or ("", 0)
    if tag != event.customer_tag:
        number = customer.next_number
    lift = max(0, event.version + 1 - turn.position.offset)
    ticket = replace(_ticket_in(event), number=number, adopted=Adopted(name, event.moves, lift))
    others = tuple(each for each in customer.tickets if each is not held)
    customer = replace(
        _called(customer, event.into_customer_id),
        tickets=(*others, ticket),
        next_number=max(customer.next_number, number + 1),
        links=replace(links, away=tuple(each for each in links.away if each is not gone)),
    )
    return invite.taken_over(turn.but(customer=customer), _known_in(event).episodes, lift)


def ended_here(customer: Customer, before: tuple[Ticket, ...]) -> Customer:
    """Remember those of the tickets that came from somebody else and are dropped now: a survey may come weeks later."""
    kept = {ticket.number for ticket in customer.tickets}
    dropped = [each for each in before if each.adopted is not None and each.number not in kept]
    return _gone(customer, [Away(each.adopted.ticket_id, "", each.adopted.moves) for each in dropped if each.adopted])


def _ticket_in(event: TicketAdopted) -> Ticket:
    return _known_in(event).tickets[0]


def _known_in(event: TicketAdopted) -> Customer:
    """The ticket, and what may still come of the times that it was solved."""
    known: Customer = _CODEC.load(b"c", event.ticket)
    return known


def _adoption_id(ticket: str, moves: int) -> str:
    return event_id("adopted", ticket, str(moves))


# -- what is known of a customer --------------------------------------------------------------------------------------


def _learned(customer: Customer, known: bytes) -> Customer:
    """What was known of the other one fills the gaps; what they said and heard lately counts for both."""
    if not known:
        return customer
    other: Customer = _CODEC.load(b"c", known)
    reasons = dict(sorted((*other.reasons, *customer.reasons), key=lambda each: each[1]))
    heard = sorted((*customer.acknowledgements, *other.acknowledgements), key=lambda each: each.at)
    lows = [at for at in (customer.last_low_csat_at, other.last_low_csat_at) if at is not None]
    return replace(
        customer,
        name=customer.name or other.name,
        language=customer.language or other.language,
        tier=customer.tier or other.tier,
        reasons=tuple(sorted(reasons.items(), key=lambda each: (each[1], each[0])))[-KEPT_REASONS:],
        acknowledgements=tuple(heard)[-REMEMBERED:],
        last_low_csat_at=max(lows, default=None),
        opted_out=tuple(dict.fromkeys((*customer.opted_out, *other.opted_out)))[-MOST_OPTED_OUT:],
        invited=tuple(sorted({*customer.invited, *other.invited}))[-MOST_INVITATIONS:],
    )


def _names_in(known: bytes) -> tuple[str, ...]:
    """Who had gone up in the other one before."""
    if not known:
        return ()
    other: Customer = _CODEC.load(b"c", known)
    return () if other.links is None else other.links.joined


def _called(customer: Customer, customer_id: str) -> Customer:
    return customer if customer.customer_id else replace(customer, customer_id=customer_id)


# -- links ------------------------------------------------------------------------------------------------------------


def _send_on(turn: Turn, event: Event) -> Turn:
    return turn.but(forwarded=True, outputs=(*turn.outputs, Output(event, event.customer_tag)))


def _with_links(turn: Turn, links: Links) -> Turn:
    return turn.but(customer=replace(turn.customer, links=links))


def _with_names(turn: Turn, *tags: str) -> Turn:
    links = turn.customer.links
    assert links is not None
    names = tuple(dict.fromkeys((*links.joined, *(each for each in tags if each != turn.event.customer_tag))))
    return _with_links(turn, replace(links, joined=names[-KEPT_NAMES:]))


def _without_mark(turn: Turn) -> Turn:
    assert turn.customer.links is not None
    return _with_links(turn, replace(turn.customer.links, mark=None))


def _gone(customer: Customer, left: list[Away]) -> Customer:
    if not left:
        return customer
    links, names = customer.links or _UNKNOWN, {each.ticket_id for each in left}
    away = (*(each for each in links.away if each.ticket_id not in names), *left)[-KEPT_AWAY:]
    return replace(customer, links=replace(links, away=away))


#: Folded by `step`.
KINDS = frozenset((CustomersMerged, CustomersSplit, TicketAdopted))
_ABOUT_TICKETS = frozenset(kind for kind in EVENTS if "ticket_id" in kind.__struct_fields__) - KINDS
_OF_CUSTOMERS = frozenset(kind for kind in EVENTS if "customer_id" in kind.__struct_fields__) - KINDS
