"""Sends what a help desk sends to the endpoints of the agents' API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.producers.endpoint_case import Case
from tests.support.producers.signing import signer

TICKET = "ABCDEFGHIJKL-1"
BODIES: dict[str, dict[str, Any]] = {
    "replies": {"ticket_id": TICKET, "agent_id": "mei", "text": "Here it is."},
    "notes": {"ticket_id": TICKET, "agent_id": "mei", "text": "Called twice."},
    "status": {"ticket_id": TICKET, "agent_id": "mei", "status": "solved"},
    "transfers": {"ticket_id": TICKET, "agent_id": "mei", "to_team": "billing"},
    "tags": {"ticket_id": TICKET, "agent_id": "mei", "add": ["delivery.lost_parcel"]},
    "presence": {"agent_id": "mei", "team": "billing", "status": "online"},
    "assignments": {"ticket_id": TICKET, "agent_id": "mei", "to_agent": "tom", "from_agent": "ann"},
    "priority": {"ticket_id": TICKET, "agent_id": "mei", "priority": "high"},
    "followers": {"ticket_id": TICKET, "agent_id": "mei", "on": False},
    "offers": {"ticket_id": TICKET, "agent_id": "mei", "outcome": "declined"},
    "roster": {"agent_id": "mei", "team": "billing", "skills": ["refunds"], "weights": {"chat": 0.5}},
}


def _body(resource: str) -> Callable[[int], bytes]:
    return lambda number: json.dumps(BODIES[resource] | {"id": f"{resource}-{number}"}).encode()


CASES = [
    Case(f"agents-{resource}", _body(resource), signer(f"/v1/agents/{resource}"), timestamped=True)
    for resource in BODIES
]
