"""Decides whether chat is on offer: business hours, and free places of the agents."""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from producers.channels import chat, form
from producers.channels import chat_protocol as frames
from producers.channels.chat_capacity import ChatCapacity
from producers.channels.chat_hours import Hours
from producers.sources.service_times import ServiceTimes
from schemas import metrics
from schemas.brands import Brand
from schemas.clock import MICROS
from schemas.events import LOCALES
from schemas.opening_hours import said_week

__all__ = ["Offers", "dressed"]

#: A conversation that the router does not know after so long has its place taken no more.
_UNPLACED_MICROS = 60 * MICROS


class Offers:
    """Counts free places, less those of conversations that the router has not heard of yet. Times are micros UTC."""

    def __init__(self, hours: Hours) -> None:
        self.capacity = ChatCapacity()
        self._hours = hours
        self._calendar = hours.calendar() if hours.spans else None
        self._unplaced: OrderedDict[str, int] = OrderedDict()  # thread → since when

    def offer(self, now: int, *, ready: bool) -> frames.Offer:
        """Returns whether a conversation can begin now, and why not. `ready`: the log is read, and Kafka answers."""
        if not self._hours.open_at(now):
            opens = self._hours.opens_at(now)
            return frames.Offer(available=False, reason="closed", opens_at=None if opens is None else opens // 1000)
        if not ready:
            return frames.Offer(available=False, reason="starting")
        if self.free(now) <= 0:
            return frames.Offer(available=False, reason="busy")
        return frames.Offer(available=True)

    def free(self, now: int) -> int:
        """Returns the number of free places."""
        while self._unplaced and now - next(iter(self._unplaced.values())) > _UNPLACED_MICROS:
            self._unplaced.popitem(last=False)
        return self.capacity.free - len(self._unplaced)

    def take_place(self, thread_id: str, now: int) -> None:
        """Counts a conversation that begins, until the router counts it."""
        self._unplaced[thread_id] = now

    def give_back(self, thread_id: str) -> None:
        """Counts a conversation no more: the router knows it, or it ended, or it did not begin."""
        self._unplaced.pop(thread_id, None)

    def show(self, now: int, *, ready: bool) -> None:
        """Tells Prometheus whether chat should be on offer at this hour, and whether it is."""
        metrics.CHAT_OPEN.set(int(self._hours.open_at(now)))
        metrics.CHAT_OFFERED.set(int(self.offer(now, ready=ready).available))

    def timed(self, offer: frames.Offer, now: int, brand: str, service: ServiceTimes) -> frames.Offer:
        """Returns the offer with our hours, those of chat where they are set, and how soon others were answered."""
        channel = chat.CHANNEL if offer.available else form.CHANNEL
        said = {locale: service.said(channel, brand, locale) for locale in LOCALES}
        hours = (
            {locale: said_week(self._calendar, now, locale) for locale in LOCALES}
            if self._calendar
            else {locale: service.hours.said(chat.CHANNEL, brand, locale).week for locale in LOCALES}
        )
        times = {locale: each.reply_time for locale, each in said.items() if each.reply_time}
        return replace(offer, hours={locale: each for locale, each in hours.items() if each}, reply_times=times)


def dressed(offer: frames.Offer, brand: Brand) -> frames.Offer:
    """Returns the offer with the look of the brand whose page it is for; as it is for the nameless one."""
    if not brand.name:
        return offer
    look = brand.look
    colours = {"colour": look.colour, "text_colour": look.text_colour}
    return replace(
        offer,
        brand=brand.name,
        colours={name: colour for name, colour in colours.items() if colour},
        titles=dict(look.title),
        greetings=dict(look.greeting),
    )
