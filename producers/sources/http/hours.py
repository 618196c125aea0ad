"""Serves `GET /v1/hours`: when each channel is open, and whether it is now."""

from __future__ import annotations

from fastapi import FastAPI

from producers.customers.brands import BrandChooser
from producers.sources.http.told import add_told
from producers.sources.published_hours import PublishedHours
from schemas.settings import ProducerSettings

__all__ = ["add_hours"]

_KEPT_SECONDS = 60
_EXAMPLE = {
    "channels": {
        "form": {
            "open": False,
            "opens_at": "2026-12-29T09:00:00Z",
            "closes_at": None,
            "time_zone": "Europe/London",
            "closed_on": ["2026-12-25", "2026-12-28"],
            "said": {
                "en": {
                    "week": "Mon–Fri 09:00–18:00 (United Kingdom Time)",
                    "now": "We are closed now, and open on Tuesday at 09:00. Closed: Fri 25 December, Mon 28 December.",
                }
            },
        }
    }
}


def add_hours(app: FastAPI, settings: ProducerSettings, brands: BrandChooser) -> PublishedHours:
    """Adds the route, and returns what it and the pages answer from."""
    hours = PublishedHours(settings)
    add_told(
        *(app, settings, brands, "hours", lambda brand: {"channels": hours.told(brand)}),
        kept_seconds=_KEPT_SECONDS,
        summary="When each channel is open, and whether it is now",
        details="Tells when each channel is open, as promises are made; channels without hours are left out.",
        description="the hours",
        example=_EXAMPLE,
    )
    return hours
