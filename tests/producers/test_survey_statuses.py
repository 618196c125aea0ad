"""The HTTP status of each refusal of a survey's pages."""

from __future__ import annotations

from producers.sources.http import survey


def test_the_status_of_each_refusal() -> None:
    assert survey._STATUS == {
        "garbled_link": 404,
        "forged_link": 403,
        "expired_link": 410,
        "no_secret_configured": 403,
        "bad_vote": 403,
        "bad_encoding": 400,
        "client_gone": 400,
        "too_large": 413,
        "too_slow": 408,
        "bad_media_type": 415,
        "too_many_bytes": 429,
        "too_many_bytes_in_all": 503,
    }
