"""Serves `GET /v1/reply-times`: how soon customers are usually answered, by channel, as measured."""

from __future__ import annotations

from fastapi import FastAPI

from producers.customers.brands import BrandChooser
from producers.sources.http.told import add_told
from producers.sources.reply_times import KEPT_SECONDS, SHARE, ReplyTimes
from schemas.settings import ProducerSettings

__all__ = ["add_reply_times"]

_EXAMPLE = {
    "days": 7.0,
    "share": 0.8,
    "channels": {"form": {"seconds": 14_400, "median_seconds": 5_212, "answers": 231}},
}


def add_reply_times(app: FastAPI, settings: ProducerSettings, brands: BrandChooser) -> ReplyTimes:
    """Adds the route, and returns what it and the pages answer from."""
    reply_times, days = ReplyTimes(settings), settings.reply_times_days
    add_told(
        *(app, settings, brands, "reply-times"),
        lambda brand: {"days": days, "share": SHARE, "channels": reply_times.told(brand)},
        kept_seconds=KEPT_SECONDS,
        summary="How soon customers are usually answered, by channel, as measured",
        details="Tells how soon customers are usually answered, by channel, as measured; channels with too few answers are left out.",
        description="what is known",
        example=_EXAMPLE,
    )
    return reply_times
