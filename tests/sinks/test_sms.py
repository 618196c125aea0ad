"""SMS and WhatsApp over the REST interface, against a server that answers as the service does."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from schemas import signed_callback
from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Attempt, ServiceUnavailable, TryLater, Undeliverable, adapters
from sinks.delivery.channels import sms
from tests.support.producers.log_reader import free_port
from tests.support.sinks.deployment import delivery_facts, ended
from tests.support.sinks.examples import outbound
from tests.support.sinks.sms_service import Service
from tests.support.timeouts import eventually

MG = "MG" + "0" * 32


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


def settings(service: Service, **more: Any) -> SinkSettings:
    given = {
        "sms_account": "AC1", "sms_token": "secret", "sms_from": "+15550199", "sms_base_url": service.url,
        "sms_timeout_seconds": 30.0, "sms_status_url": "https://hooks.example/v1/sms/status",
    }  # fmt: skip
    return SinkSettings(**given | more)


def using(config: SinkSettings, work: Callable[[sms.Sms], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        adapter = sms.connect(config)
        assert adapter is not None
        try:
            return await work(adapter)
        finally:
            await adapter.close()

    return asyncio.run(run())


def message(**fields: Any) -> Any:
    return outbound(
        **{"channel": "sms", "address": "+819012345678", "text": "受け付けました。", "message_id": ""} | fields
    )


def send(service: Service, *messages: Any, **more: Any) -> list[str]:
    async def work(adapter: sms.Sms) -> list[str]:
        return [await adapter.deliver(each) for each in messages]

    return using(settings(service, **more), work)


def reported_to(begin: str, service: Service) -> str:
    """The address that the first message is reported to: made just now, for its id."""
    given = service.taken[0]["StatusCallback"]
    at = int(re.findall(r"&t=(\d+)&m=", given)[0])
    assert abs(time.time() - at) < 60
    return signed_callback.url(begin[:-1], "OUT1", "secret", at)


# -- what is sent ---------------------------------------------------------------------------------------------------


def test_a_message_is_one_signed_in_request_that_names_our_id_for_the_report(service: Service) -> None:
    assert send(service, message()) == ["SM0"]
    assert service.asked == [
        ("POST", "/2010-04-01/Accounts/AC1/Messages.json", "Basic " + base64.b64encode(b"AC1:secret").decode())
    ]
    assert service.taken == [
        {
            "To": "+819012345678",
            "From": "+15550199",
            "Body": "受け付けました。",
            "StatusCallback": reported_to("https://hooks.example/v1/sms/status?", service),
        }
    ]


def test_whatsapp_goes_from_its_own_number_or_from_the_same(service: Service) -> None:
    send(service, message(address="whatsapp:+819012345678"), sms_whatsapp_from="+15550188")
    send(service, message(address="whatsapp:+819012345678"))
    assert [(each["From"], each["To"]) for each in service.taken] == [
        ("whatsapp:+15550188", "whatsapp:+819012345678"),
        ("whatsapp:+15550199", "whatsapp:+819012345678"),
    ]


def test_a_messaging_service_chooses_the_number_itself(service: Service) -> None:
    send(service, message(), sms_from=MG)
    assert (service.taken[0]["MessagingServiceSid"], "From" in service.taken[0]) == (MG, False)


def test_the_status_address_may_have_a_query_and_may_be_missing(service: Service) -> None:
    send(service, message(), sms_status_url="https://hooks.example/s?a=1")
    send(service, message(), sms_status_url="")
    assert [each.get("StatusCallback") for each in service.taken] == [
        reported_to("https://hooks.example/s?a=1&", service),
        None,
    ]


def test_many_messages_at_once_are_each_sent_once(service: Service) -> None:
    async def work(adapter: sms.Sms) -> None:
        await asyncio.gather(*(adapter.deliver(message(outbound_id=f"O{n}", text=f"{n}")) for n in range(40)))

    using(settings(service), work)
    assert sorted(int(each["Body"]) for each in service.taken) == list(range(40))


@pytest.mark.parametrize(
    "fields", [{"address": "12345"}, {"address": ""}, {"address": "ann@example.org"}, {"text": " \n"}]
)
def test_what_can_go_nowhere_is_not_even_tried(service: Service, fields: dict[str, str]) -> None:
    with pytest.raises(Undeliverable) as refused:
        send(service, message(**fields))
    assert (refused.value.outcome, service.asked) == ("refused", [])


# -- what the service says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((400, {"code": 21610, "message": "unsubscribed recipient"}), Undeliverable),
        ((400, {"code": 21211, "message": "no such number"}), Undeliverable),
        ((400, b"<html>"), Undeliverable),
        ((400, {"code": 21611, "message": "queue overflow"}), TryLater),
        ((401, {"code": 20003, "message": "authenticate"}), ServiceUnavailable),
        ((403, {}), ServiceUnavailable),
        ((403, {"code": 21408, "message": "not to this region"}), Undeliverable),
        ((404, {"code": 20404}), ServiceUnavailable),
        ((404, b""), ServiceUnavailable),
        ((429, {"code": 20429, "message": "too many requests"}), ServiceUnavailable),
        ((500, {}), ServiceUnavailable),
        ((503, b"busy"), ServiceUnavailable),
        ((400, {"code": "21610"}), Undeliverable),
        ((400, []), Undeliverable),
    ],
)  # fmt: skip
def test_what_an_answer_means(service: Service, answer: Any, kind: type[Exception]) -> None:
    service.answers = [answer]
    with pytest.raises(kind) as said:
        send(service, message())
    assert str(answer[0]) in str(said.value)
    if isinstance(said.value, Undeliverable):
        assert (said.value.outcome, said.value.reason) == ("bounced", "sms_permanent")


def test_a_service_that_is_not_there_is_unavailable(service: Service) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServiceUnavailable, match="ConnectError"):
        send(service, message(), sms_base_url=url)


# -- nothing twice --------------------------------------------------------------------------------------------------


def try_repeatedly(service: Service, *attempts: Any, **more: Any) -> list[str]:
    """Tries messages one after the other; returns the answer of each, or `away`."""

    async def work(adapter: sms.Sms) -> list[str]:
        said = []
        for each in attempts:
            try:
                said.append(await adapter.deliver(each))
            except ServiceUnavailable:
                said.append("away")
        return said

    return using(settings(service, **more), work)


@pytest.mark.parametrize("lost", ["taken and lost", "taken and 503"])
def test_a_message_whose_answer_was_lost_is_looked_up_and_not_sent_again(service: Service, lost: str) -> None:
    service.answers = [lost]
    assert try_repeatedly(service, message(), message()) == ["away", "SM0"]
    assert [method for method, *_ in service.asked] == ["POST", "GET"]
    assert len(service.taken) == 1


def test_a_message_that_never_arrived_is_sent_again(service: Service) -> None:
    service.answers = ["lost"]
    assert try_repeatedly(service, message(), message()) == ["away", "SM0"]
    assert [method for method, *_ in service.asked] == ["POST", "GET", "POST"]
    assert len(service.taken) == 1


def test_while_the_list_is_not_answered_nothing_is_sent(service: Service) -> None:
    service.answers = ["taken and lost", "unlisted"]
    assert try_repeatedly(service, message(), message(), message()) == ["away", "away", "SM0"]
    assert len(service.taken) == 1


def test_the_same_words_of_another_message_of_ours_are_not_taken_for_it(service: Service) -> None:
    service.answers = ["taken", "lost"]
    one, two = message(outbound_id="A", text="OK"), message(outbound_id="B", text="OK")
    assert try_repeatedly(service, one, two, two) == ["SM0", "away", "SM1"]
    assert len(service.taken) == 2


def test_the_same_words_of_long_ago_are_not_taken_for_it(service: Service) -> None:
    send(service, message(outbound_id="A", text="OK"))
    service.created, service.answers = time.time() - 3600, ["lost"]
    assert (
        try_repeatedly(service, message(outbound_id="B", text="OK"), message(outbound_id="B", text="OK"))[-1] == "SM1"
    )
    assert len(service.taken) == 2


# -- longer than the service takes ------------------------------------------------------------------------------------

LONG = "First of all, thank you. " * 100  # 2,500 characters


def test_a_text_that_is_too_long_goes_in_numbered_parts_in_order(service: Service) -> None:
    assert send(service, message(text=LONG)) == ["SM0 SM1"]
    bodies = [each["Body"] for each in service.taken]
    assert [body[:30] for body in bodies] == ["(1/2) First of all, thank you.", "(2/2) First of all, thank you."]
    assert all(len(body) <= 1600 and body.endswith("you.") for body in bodies)
    assert " ".join(body[6:] for body in bodies) == LONG.strip()


def test_a_part_that_was_taken_is_not_sent_again_when_the_next_one_fails(service: Service) -> None:
    service.answers = ["taken", (503, {})]
    assert try_repeatedly(service, message(text=LONG), message(text=LONG)) == ["away", "SM0 SM1"]
    assert [each["Body"][:5] for each in service.taken] == ["(1/2)", "(2/2)"]


def test_a_character_that_is_two_to_the_service_counts_as_two(service: Service) -> None:
    smile = "\U0001f642"
    send(service, message(text=smile * 900))  # 1,800 UTF-16 units
    assert [body[:5] for body in (each["Body"] for each in service.taken)] == ["(1/2)", "(2/2)"]
    assert all(len(each["Body"].encode("utf-16-le")) <= 3200 for each in service.taken)
    assert sum(each["Body"].count(smile) for each in service.taken) == 900


# -- what a killed sink may have begun with -----------------------------------------------------------------------------


def restarted(service: Service, *messages: Any, known: frozenset[str] = frozenset(), since: float = 0.0) -> list[str]:
    """What a new process makes of messages that another one may have begun with."""
    earlier = Attempt(round(since * 1e6), known.__contains__)

    async def work(adapter: sms.Sms) -> list[str]:
        return [await adapter.deliver(each, earlier) for each in messages]

    return using(settings(service), work)


def test_parts_that_a_killed_sink_sent_are_found_and_only_the_others_are_sent(service: Service) -> None:
    service.answers = ["taken", (503, {})]
    assert try_repeatedly(service, message(text=LONG)) == ["away"]  # killed here: the second part is not out
    assert restarted(service, message(text=LONG)) == ["SM0 SM1"]
    assert [each["Body"][:5] for each in service.taken] == ["(1/2)", "(2/2)"]
    assert restarted(service, message(text=LONG)) == ["SM0 SM1"]  # and here, before its fact was written
    assert len(service.taken) == 2


def test_the_same_words_in_a_message_that_is_known_to_be_out_are_not_taken_for_it(service: Service) -> None:
    send(service, message(outbound_id="A", text="OK"))
    assert restarted(service, message(outbound_id="B", text="OK"), known=frozenset(("SM0",))) == ["SM1"]
    assert len(service.taken) == 2


def test_the_same_words_from_before_the_message_was_written_are_not_taken_for_it(service: Service) -> None:
    service.created = time.time() - 3600
    send(service, message(outbound_id="A", text="OK"))
    assert restarted(service, message(outbound_id="B", text="OK"), since=time.time()) == ["SM1"]


def test_a_list_of_odd_shape_breaks_nothing(service: Service) -> None:
    service.listed = [None, "x", {"sid": None}, {"sid": "SM9", "body": "OK", "date_created": 7}]
    assert restarted(service, message(text="OK"), since=time.time()) == ["SM0"]


# -- who serves the channel -----------------------------------------------------------------------------------------


def test_without_an_account_sms_go_where_they_went(service: Service) -> None:
    assert "sms" not in adapters(SinkSettings()).channels
    assert type(adapters(SinkSettings()).of("sms")).__name__ == "Outbox"
    found = adapters(settings(service))
    assert type(found.of("sms")).__name__ == "Sms"
    asyncio.run(found.close())


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"sms_token": ""}, "DESKSTREAM_SMS_TOKEN"),
        ({"sms_from": ""}, "DESKSTREAM_SMS_FROM"),
        ({"sms_from": "our+number"}, "DESKSTREAM_SMS_FROM"),
        ({"sms_whatsapp_from": "15@550188"}, "DESKSTREAM_SMS_WHATSAPP_FROM"),
        ({"sms_base_url": "api.example"}, "DESKSTREAM_SMS_BASE_URL"),
    ],
)
def test_half_a_configuration_is_refused_at_the_start(service: Service, wrong: dict[str, str], where: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        sms.connect(settings(service, **wrong))
    assert refused.value.where == where
    assert "secret" not in str(refused.value)


# -- the whole sink ---------------------------------------------------------------------------------------------------


@pytest.mark.stack
def test_the_sink_hands_an_sms_over_once_whatever_became_of_the_answer(
    log: Any, processes: Any, service: Service
) -> None:
    service.answers = ["taken and lost", (400, {"code": 21610, "message": "unsubscribed"})]
    log.write([message(outbound_id="A", customer_tag="AAAAAAAAAAAA", text="one")], partition=1)
    log.write([message(outbound_id="A", customer_tag="AAAAAAAAAAAA", text="one")], partition=1)
    worker = processes.start(
        "delivery", sms_account="AC1", sms_token="secret", sms_from="+15550199", sms_base_url=service.url
    )
    first = eventually(lambda: delivery_facts(log), "the first fact")
    log.write([message(outbound_id="B", customer_tag="AAAAAAAAAAAA", text="two")], partition=1)
    facts = eventually(lambda: len(found := delivery_facts(log)) == 2 and found, "both facts")
    assert ended(worker) == 0, processes.output(worker)
    assert [fact.outcome for _, fact in first] == ["delivered"]
    assert {fact.outbound_id: (fact.outcome, fact.channel) for _, fact in facts} == {
        "A": ("delivered", "sms"),
        "B": ("bounced", "sms"),
    }
    assert [each["Body"] for each in service.taken] == ["one"]


@pytest.mark.stack
def test_a_sink_that_is_killed_between_two_parts_repeats_none(log: Any, processes: Any, service: Service) -> None:
    ours = {"sms_account": "AC1", "sms_token": "secret", "sms_from": "+15550199", "sms_base_url": service.url}
    service.answers = ["taken", "taken and lost", *["unlisted"] * 1000]
    one = message(outbound_id="A", customer_tag="AAAAAAAAAAAA", text=LONG)
    log.write([one], partition=1)
    worker = processes.start("delivery", **ours)
    eventually(lambda: len(service.taken) == 2, "both parts")
    worker.kill()
    worker.wait()
    assert delivery_facts(log) == []
    service.answers = []
    log.write([message(outbound_id="B", customer_tag="AAAAAAAAAAAA", text=LONG)], partition=1)  # the same, and meant so
    worker = processes.start("delivery", **ours)
    facts = eventually(lambda: len(found := delivery_facts(log)) == 2 and found, "both facts")
    assert ended(worker) == 0, processes.output(worker)
    assert [(fact.outbound_id, fact.outcome, fact.detail) for _, fact in facts] == [
        ("A", "delivered", "SM0 SM1"),
        ("B", "delivered", "SM2 SM3"),
    ]
    assert [each["Body"][:5] for each in service.taken] == ["(1/2)", "(2/2)"] * 2


@pytest.mark.parametrize(("url", "verified"), [("https://api.example/", True), ("http://127.0.0.1:1", False)])
def test_certificates_are_verified_wherever_there_are_some(
    url: str, verified: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(sms.httpx, "AsyncClient", lambda **options: made.append(options))
    sms.Sms(SinkSettings(sms_base_url=url, sms_account="AC1", sms_token="token", sms_timeout_seconds=7))
    assert [(each["verify"], each["auth"], each["timeout"], each["trust_env"]) for each in made] == [
        (verified, ("AC1", "token"), 7, False)
    ]
