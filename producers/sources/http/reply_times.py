"""Serves `GET /v1/reply-times`: how soon customers are usually answered, by channel, as measured."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from producers.customers.brands import BrandChooser
from producers.security.ratelimit import RateLimit
from producers.sources.http.requests import Json, TooMany, require_share, too_many
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
    reply_times = ReplyTimes(settings)
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)

    async def answer(request: Request) -> Response:
        """Tells how soon customers are usually answered, by channel, as measured; channels with too few answers are left out."""
        try:
            require_share(limit, request)
        except TooMany as error:
            return too_many("none", error)
        brand = brands.of_site(request.headers.get("host", ""), request.query_params.get("brand", "")).slug
        told = {"days": settings.reply_times_days, "share": SHARE, "channels": reply_times.told(brand)}
        return Json(told, headers={"Cache-Control": f"max-age={KEPT_SECONDS:.0f}"})

    content = {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}
    app.add_api_route(
        "/v1/reply-times",
        answer,
        methods=["GET"],
        summary="How soon customers are usually answered, by channel, as measured",
        operation_id="reply_times",
        tags=["customers"],
        responses={200: {"description": "what is known", "content": content}, 429: {"description": "too many"}},
    )
    return reply_times
