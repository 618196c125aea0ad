"""The contact form takes 5 submissions a minute from one network address, and 5 that name one e-mail address."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from producers.sources.http.server import create_app
from schemas.metrics import CONTACTS_REFUSED
from schemas.settings import ProducerSettings
from tests.support.producers.signed_site import Log


def refused() -> float:
    return float(CONTACTS_REFUSED.labels("form", "form_limited")._value.get())


def submit(senders: list[str], addresses: list[str], *, accept: str = "*/*") -> tuple[list[httpx.Response], Log]:
    """One submission for each pair, all within the same moment."""
    log = Log()
    app = create_app(ProducerSettings(), log)  # type: ignore[arg-type]

    async def all_of_them() -> list[httpx.Response]:
        answers = []
        for number, (sender, address) in enumerate(zip(senders, addresses, strict=True)):
            transport = httpx.ASGITransport(app, client=(sender, 4711))
            async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
                fields = {"email": address, "message": f"Question {number}"}
                answers.append(await client.post("/v1/form", data=fields, headers={"Accept": accept}))
        return answers

    return asyncio.run(all_of_them()), log


def test_one_client_sends_five_forms_a_minute_to_whomever() -> None:
    """The attack: one machine types a list of strangers' addresses into the form."""
    before = refused()
    answers, log = submit(["203.0.113.7"] * 50, [f"{number}@example.net" for number in range(50)])
    assert [answer.status_code for answer in answers] == [202] * 5 + [429] * 45
    assert len(log.events) == 5
    assert answers[-1].json()["reason"] == "form_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert refused() == before + 45


def test_many_clients_name_one_victim_five_times_a_minute() -> None:
    victims = ["victim@example.net", "VICTIM@example.net"] * 25
    answers, log = submit([f"203.0.113.{number}" for number in range(50)], victims)
    assert [answer.status_code for answer in answers].count(202) == 5
    assert len(log.events) == 5


@pytest.mark.parametrize("network", ["2001:db8:1:2::"])
def test_the_addresses_of_one_ipv6_network_share_their_five(network: str) -> None:
    answers, _ = submit([f"{network}{number:x}" for number in range(1, 21)], [f"{n}@example.net" for n in range(20)])
    assert [answer.status_code for answer in answers].count(202) == 5


def test_everybody_else_is_served_meanwhile() -> None:
    senders = ["203.0.113.7"] * 20 + [f"198.51.100.{number}" for number in range(20)]
    answers, _ = submit(senders, [f"{number}@example.net" for number in range(40)])
    assert [answer.status_code for answer in answers[20:]] == [202] * 20


def test_a_person_sees_the_page_again_with_what_they_typed() -> None:
    answers, _ = submit(["203.0.113.7"] * 6, [f"{number}@example.net" for number in range(6)], accept="text/html")
    assert answers[-1].status_code == 429
    assert "Question 5" in answers[-1].text or "too many messages" in answers[-1].text


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    assert ProducerSettings().form_submissions_per_minute == 5
