"""Says what a customer may expect of a channel: its hours, and how soon others were answered there."""

from __future__ import annotations

from typing import NamedTuple

from producers.sources.published_hours import PublishedHours
from producers.sources.reply_times import ReplyTimes

__all__ = ["ServiceTime", "ServiceTimes"]


class ServiceTime(NamedTuple):
    """Holds it in words, each '' where nothing is known.

    reply_time  within which most were answered: `3 hours`
    week        the hours of the week
    now         whether we are there now, and the next days on which we are not
    """

    reply_time: str = ""
    week: str = ""
    now: str = ""


class ServiceTimes:
    """Joins the two sources."""

    def __init__(self, hours: PublishedHours, reply_times: ReplyTimes) -> None:
        self.hours, self.reply_times = hours, reply_times

    def said(self, channel: str, brand: str, locale: str) -> ServiceTime:
        """Returns what is said on a channel of a brand in one of our languages."""
        hours = self.hours.said(channel, brand, locale)
        return ServiceTime(self.reply_times.said(channel, brand, locale), hours.week, hours.notice)
