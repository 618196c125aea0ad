"""Serves what anybody may ask of a brand's desk, such as its hours: JSON that is the same for everybody and kept for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response

from producers.customers.brands import BrandChooser
from producers.security.ratelimit import RateLimit
from producers.sources.http.requests import Json, TooMany, require_share, too_many
from schemas.settings import ProducerSettings

__all__ = ["add_told"]


def add_told(
    app: FastAPI,
    settings: ProducerSettings,
    brands: BrandChooser,
    name: str,
    told: Callable[[str], dict[str, Any]],
    *,
    kept_seconds: float,
    summary: str,
    details: str,
    description: str,
    example: dict[str, Any],
) -> None:
    """Adds `GET /v1/NAME`, which answers what `told` returns for the brand of the site, or of `?brand=`.

    kept_seconds  for how long caches may keep an answer
    summary, details, description, example  for the page of the API: of the route, and of its answer
    """
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)

    async def answer(request: Request) -> Response:
        try:
            require_share(limit, request)
        except TooMany as error:
            return too_many("none", error)
        brand = brands.of_site(request.headers.get("host", ""), request.query_params.get("brand", "")).slug
        return Json(told(brand), headers={"Cache-Control": f"max-age={kept_seconds:.0f}"})

    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    app.add_api_route(
        f"/v1/{name}",
        answer,
        methods=["GET"],
        summary=summary,
        description=details,
        operation_id=name.replace("-", "_"),
        tags=["customers"],
        responses={200: {"description": description, "content": content}, 429: {"description": "too many"}},
    )
