"""The suggester's loop on a real broker: contact facts in, events out, committed, and unreadable records left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.settings import WorkerSettings
from tests.support.tagging.suggesting import first_suggestion


@pytest.mark.stack
def test_what_a_customer_wrote_becomes_one_event_in_the_log_of_contacts(deployment: Any) -> None:
    settings = deployment.settings(WorkerSettings)
    event = asyncio.run(asyncio.wait_for(first_suggestion(settings, settings), 120))
    assert (event.tag, event.certain, event.ticket_id, event.model) == ("product.smell", True, "AAAAAAAAAAAA-1", "m1")
    assert event.contact_at == 5
