"""Serves `GET /v1/hours`: when each channel is open, and whether it is now."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from producers.customers.brands import BrandChooser
from producers.security.ratelimit import RateLimit
from producers.sources.http.requests import Json, TooMany, require_share, too_many
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
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)

    async def answer(request: Request) -> Response:
        """Tells when each channel is open, as promises are made; channels without hours are left out."""
        try:
            require_share(limit, request)
        except TooMany as error:
            return too_many("none", error)
        brand = brands.of_site(request.headers.get("host", ""), request.query_params.get("brand", "")).slug
        return Json({"channels": hours.told(brand)}, headers={"Cache-Control": f"max-age={_KEPT_SECONDS}"})

    content = {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}
    app.add_api_route(
        "/v1/hours",
        answer,
        methods=["GET"],
        summary="When each channel is open, and whether it is now",
        operation_id="hours",
        tags=["customers"],
        responses={200: {"description": "the hours", "content": content}, 429: {"description": "too many"}},
    )
    return hours
