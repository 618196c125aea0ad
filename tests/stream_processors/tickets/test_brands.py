"""Several brands: each ticket keeps the one that it came to, and speaks under its address, name and signature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec, events, survey_link
from schemas.facts import (
    AcknowledgementFact,
    ClockFact,
    ClockShare,
    ContactFact,
    InvitationFact,
    Outbound,
    PaneFact,
    ResolutionFact,
    SurveyFact,
    TagFact,
    TicketClocks,
    TicketFact,
)
from schemas.service_metrics import ServiceMetric
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.versions import RulesetHistory, RulesetVersion
from stream_processors.tickets import older_states, opening
from stream_processors.tickets.opening import MOST_TICKETS
from stream_processors.tickets.state import Customer, Ticket, customer_key
from tests.support.gauge_partition import played
from tests.support.tickets.story import Story, at
from tests.support.tickets.survey_story import DUE, SIGNING, sent, solved

SID = "HX" + "0" * 32
TWO = f"""
default: acme
brands:
  acme:
    name: Acme Tea
    mail_domain: acme.example
    signatures: {{en: "Your Acme Tea team"}}
    numbers: ["+442071838750", "whatsapp:+442071838751"]
    whatsapp:
      reply:
        en: {{content_sid: {SID}, variables: {{1: "Dear {{name}}", 2: "{{text}}", 3: "{{brand}} {{ticket}}"}}}}
  zen:
    name: Zen Kettles
    mail_domain: zen.example
    mailbox: care
    numbers: ["whatsapp:+4930123456"]
    templates: templates/zen
    help_centre: https://help.zen.example/
    survey_url: https://zen.example/feedback
    signatures: {{ja: "{{brand}}\\n{{agent}}"}}
"""
ZEN_CHAT = "Zen here! {{ ticket }}{% if promised_short %} {{ promised_short }}{% endif %}"
DAY = 86_400


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    folder = Path(copytree(ruleset.SHIPPED, tmp_path_factory.mktemp("rules") / "config"))
    (folder / "brands.yaml").write_text(TWO, "utf-8")
    (folder / "templates" / "zen").mkdir()
    (folder / "templates" / "zen" / "chat.en.txt").write_text(ZEN_CHAT, "utf-8")
    policies = (folder / "policies.yaml").read_text("utf-8")
    zen = "policies:\n  - name: zen-mail\n    when: {brand: zen, channel: email}\n    targets: {first_response: 10m}\n"
    (folder / "policies.yaml").write_text(policies.replace("policies:\n", zen, 1), "utf-8")
    return ruleset.load(folder)


@pytest.fixture
def story(two: Rules) -> Story:
    return Story(two)


def by_whatsapp(rules: Rules) -> Story:
    return Story(rules, channel="sms", customer_id="tel:+819012345678")


def brands_of(story: Story, kind: type) -> set[str]:
    return {fact.brand for fact in story.all(kind)}


# -- what a ticket is of -----------------------------------------------------------------------------------------------


def test_all_facts_of_a_ticket_name_its_brand(two: Rules) -> None:
    story = Story(two, signing=SIGNING)
    solved(story, brand="zen")
    story.until(DUE)
    story.survey(DUE + 60, csat=5, episode=1)
    for kind in (
        TicketFact, ContactFact, AcknowledgementFact, TagFact, ClockFact, TicketClocks, ClockShare, ResolutionFact,
        InvitationFact, SurveyFact, Outbound, PaneFact,
    ):  # fmt: skip
        assert brands_of(story, kind) == {"zen"}, kind


@pytest.mark.parametrize("brand", ["", "nonsense", "ZEN", "zen ", "\0"])
def test_what_names_no_known_brand_is_the_default_brands(story: Story, brand: str) -> None:
    story.message(0, brand=brand)
    assert story.ticket().brand == story.ticket_fact().brand == story.contact_facts()[-1].brand == "acme"


def test_an_unknown_brand_is_counted(story: Story, two: Rules) -> None:
    story.message(0, brand="nonsense")
    story.message(1, brand="zen")
    story.message(2)
    assert played(story.worker).total(ServiceMetric.BRANDS_UNKNOWN) == 1


def test_without_brands_nothing_differs(rules: Rules) -> None:
    told = []
    for brand in ("", "nonsense"):
        story = Story(rules)
        story.message(0, brand=brand)
        story.reply(60)
        story.solve(120)
        told.append([msgspec.structs.asdict(each) for each in story.all(*OF_A_TICKET)])
    assert told[0] == told[1]
    assert {each["brand"] for each in told[0]} == {""}
    assert story.replies()[-1].sender.endswith("@support.example") and story.replies()[-1].sender_name == ""


OF_A_TICKET = (TicketFact, ContactFact, Outbound, PaneFact, ClockFact, AcknowledgementFact)


# -- who speaks --------------------------------------------------------------------------------------------------------


def test_answers_go_out_under_the_address_and_name_of_the_brand(two: Rules) -> None:
    story = Story(two, signing=SIGNING)
    solved(story, brand="zen")
    story.until(DUE)
    outbound = {each.kind: each for each in story.all(Outbound)}
    assert set(outbound) == {"acknowledgement", "reply", "survey"}
    for each in outbound.values():
        assert each.sender.startswith("care+") and each.sender.endswith("@zen.example"), each.kind
        assert each.sender_name == "Zen Kettles" and each.message_id.endswith("@zen.example>")
    assert outbound["acknowledgement"].headers["X-Loop"] == "care@zen.example"


def test_an_acknowledgement_ends_with_the_signature_of_the_brand(story: Story) -> None:
    story.message(0, brand="acme")
    assert story.last(Outbound).text.endswith("\n\nYour Acme Tea team")
    story.message(1, brand="zen")
    assert story.last(Outbound).text.endswith("Kind regards,\nCustomer Support")
    story.message(2, "荷物が届きません", brand="zen", subject="荷物が届きません")
    assert story.last(Outbound).text.endswith("\n\nZen Kettles")  # without the line that would name a person


def test_help_articles_and_surveys_are_on_the_pages_of_the_brand(two: Rules) -> None:
    for brand, help_host, survey in (
        ("zen", "https://help.zen.example/en/", "https://zen.example/feedback/s/"),
        ("acme", "https://help.support.example/en/", SIGNING.url),
    ):
        story = Story(two, signing=SIGNING)
        solved(
            story,
            brand=brand,
            text="Where is my order? Can I track it?",
            subject="Where is my order?",
            verified="dmarc",
        )
        story.until(DUE)
        acknowledgement, invitation = story.all(Outbound)[0], sent(story)[0]
        assert help_host in acknowledgement.text and survey in invitation.text
        token = invitation.text.partition("/s/")[2].split()[0]
        assert survey_link.read(token, SIGNING.secrets, now=0).brand == brand


def test_a_brand_may_have_templates_of_its_own(two: Rules) -> None:
    for brand, own in (("zen", True), ("acme", False)):
        story = Story(two, channel="chat")
        story.message(0, brand=brand, thread_id="T" * 26)
        assert story.last(Outbound).text.startswith("Zen here!") == own


def test_a_brand_may_have_policies_of_its_own(story: Story) -> None:
    story.message(0, brand="zen")
    story.message(1, brand="acme")
    assert [ticket.sla.policy == "zen-mail" for ticket in story.customer.tickets] == [True, False]


def test_no_address_of_any_brand_is_acknowledged(two: Rules) -> None:
    for address in ("support@acme.example", "x@zen.example", "care@zen.example", "support@support.example"):
        story = Story(two, customer_id=f"email:{address}")
        story.message(0, brand="acme")
        assert story.last(AcknowledgementFact).reason == "own_address"


def test_words_of_sms_are_answered_from_the_number_and_with_the_address_of_the_brand(two: Rules) -> None:
    story = by_whatsapp(two)
    for brand, sender, address in (
        ("acme", "+442071838751", "support@acme.example"),
        ("zen", "+4930123456", "care@zen.example"),
    ):
        story.tell(
            events.ConsentChanged(
                **story.base(0),
                customer_id=story.customer_id,
                address="whatsapp:+819012345678",
                wish="help",
                brand=brand,
            )
        )
        said = story.last(Outbound)
        assert (said.sender, said.brand) == (sender, brand) and address in said.text


# -- threading ---------------------------------------------------------------------------------------------------------


def test_who_writes_to_both_brands_has_tickets_of_each(story: Story) -> None:
    story.message(0, brand="acme", message_id="<1@x>")
    story.message(1, brand="zen", message_id="<2@x>", in_reply_to="<1@x>")
    assert [ticket.brand for ticket in story.customer.tickets] == ["acme", "zen"]
    story.message(2, brand="acme", message_id="<3@x>", in_reply_to="<1@x>")
    assert [ticket.counts.customer_messages for ticket in story.customer.tickets] == [2, 1]


def test_a_token_leads_to_its_ticket_from_any_brand(story: Story) -> None:
    story.message(0, brand="acme")
    story.more(60, brand="zen")
    [ticket] = story.customer.tickets
    assert (ticket.brand, ticket.counts.customer_messages) == ("acme", 2)
    assert story.contact_facts()[-1].brand == "acme"


def test_too_many_tickets_of_one_brand_take_no_message_to_another(story: Story) -> None:
    for number in range(MOST_TICKETS):
        story.message(number, brand="acme")
    story.message(100, brand="zen")
    story.message(101, brand="acme")
    assert (len(story.customer.tickets), story.customer.tickets[-1].brand) == (MOST_TICKETS + 1, "zen")
    assert story.customer.tickets[-1].counts.customer_messages == 1


def test_brands_share_a_limit_of_tickets_and_each_has_one(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_TICKETS", 3)
    monkeypatch.setattr(opening, "MOST_OF_ALL_BRANDS", 4)
    for number, brand in enumerate(("acme", "acme", "acme", "acme", "zen", "zen", "acme")):
        story.message(number, f"Letter {number}", message_id=f"<{number}@example.org>", brand=brand)
    assert [ticket.brand for ticket in story.customer.tickets] == ["acme", "acme", "acme", "zen"]
    assert [ticket.counts.customer_messages for ticket in story.customer.tickets] == [1, 1, 3, 2]


def test_panes_of_two_brands_are_counted_apart(two: Rules) -> None:
    for order in (("acme", "zen"), ("zen", "acme")):
        story = Story(two, channel="social")
        for number, brand in enumerate(order):
            story.message(number, brand=brand, address=brand)
        newest = {fact.brand: fact for fact in story.all(PaneFact) if fact.team}
        assert {brand: fact.tickets_created for brand, fact in newest.items()} == {"acme": 1, "zen": 1}


LIVES = st.lists(
    st.tuples(
        st.sampled_from(["", "acme", "zen", "other"]),
        st.sampled_from(["email", "sms", "chat", "social"]),
        st.integers(0, 3),
        st.sampled_from(["message", "reply", "solve", "call"]),
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=LIVES)
def test_nothing_but_a_token_crosses_brands(two: Rules, life: list[tuple[str, str, int, str]]) -> None:
    story = Story(two)
    for step, (brand, channel, thread, what) in enumerate(life):
        tickets = () if not step or not story.worker.state(customer_key(story.tag)) else story.customer.tickets
        about: dict[str, Any] = {"channel": channel, "brand": brand}
        if what == "message":
            references = {"in_reply_to": f"<{thread}@x>", "message_id": f"<{thread}@x>", "thread_id": f"t{thread}"}
            story.message(step * 60, address=f"a{thread % 2}", **about, **references)
        elif what == "call":
            story.call(step * 60, "voicemail", **about | {"channel": "phone"})
        elif tickets:
            number = tickets[thread % len(tickets)].number
            story.reply(step * 60, number=number) if what == "reply" else story.solve(step * 60, number=number)
    told = {event.event_id: event for event in map(codec.decode, (record.value for record in story.worker.log))}
    wanted: dict[str, set[str]] = {}
    for fact in story.contact_facts():
        if isinstance(event := told[fact.event_id], events.MessageReceived | events.CallEnded):
            wanted.setdefault(fact.ticket_id, set()).add(two.brands.slug_of(event.brand))
    assert all(len(each) == 1 for each in wanted.values())
    state = story.worker.state(customer_key(story.tag))
    of_ticket = {} if state is None else {each.id_at(story.tag): each.brand for each in story.customer.tickets}
    assert all(wanted[name] == {brand} for name, brand in of_ticket.items() if name in wanted)


# -- from before there were brands ---------------------------------------------------------------------------------------


def test_a_ticket_from_before_brands_is_the_default_brands(two: Rules, rules: Rules) -> None:
    story = Story(rules)
    story.message(0, message_id="<1@x>")
    key = customer_key(story.tag)
    story.worker.folder.processor.rules = RulesetHistory(RulesetVersion(0, two))
    story.message(60, brand="acme", message_id="<2@x>", in_reply_to="<1@x>")
    [ticket] = story.customer.tickets
    assert ticket.brand == "" and story.ticket_fact().brand == ""
    story.reply(120)
    assert story.replies()[-1].sender.endswith("@acme.example")
    story.message(180, brand="zen", message_id="<3@x>", in_reply_to="<1@x>")
    assert len(story.customer.tickets) == 2
    assert isinstance(story.worker.state(key), Customer)


def test_a_customer_of_version_7_has_no_brand(two: Rules) -> None:
    story = Story(two)
    story.message(0, brand="zen")
    fields = msgspec.to_builtins(story.customer)
    known_then = Ticket.__struct_fields__.index("brand")
    place = Customer.__struct_fields__.index("tickets")
    fields[place] = [ticket[:known_then] for ticket in fields[place]]
    upgraded = msgspec.convert(Customer.upgrade(7, fields[: Customer.__struct_fields__.index("whatsapp")]), Customer)
    assert [ticket.brand for ticket in upgraded.tickets] == [""] and upgraded.whatsapp == ()
    assert "brand" not in older_states._TICKET


def test_backlog_of_a_ticket_stays_with_the_brand_that_it_had(two: Rules, rules: Rules) -> None:
    story = Story(rules)
    story.message(0)
    story.worker.folder.processor.rules = RulesetHistory(RulesetVersion(0, two))
    story.reply(600)
    story.solve(900)
    newest = {
        (fact.start, fact.channel, fact.team, fact.priority, fact.policy, fact.brand): fact
        for fact in story.all(PaneFact)
    }
    by_brand: dict[str, int] = {}
    for fact in newest.values():
        by_brand[fact.brand] = by_brand.get(fact.brand, 0) + fact.backlog_change
    assert by_brand == {"": 0}


# -- WhatsApp ----------------------------------------------------------------------------------------------------------


def test_the_window_ends_24_hours_after_the_last_whatsapp_message(two: Rules) -> None:
    story = by_whatsapp(two)
    story.message(0, address="whatsapp:+819012345678", brand="acme", customer_name="Ann {text}")
    story.message(3600, address="whatsapp:+819012345678", brand="acme")
    story.message(7200, address="whatsapp:+819012345678", brand="zen")
    story.reply(7300)
    reply = story.replies()[-1]
    assert reply.window_ends_at == at(3600 + DAY) and reply.sender == "+442071838751"
    assert reply.template == SID
    assert reply.template_variables["2"] == "{text}" and "{text}" not in reply.template_variables["1"]
    assert reply.template_variables["3"] == f"Acme Tea {story.ticket_id()}"


def test_a_brand_that_they_never_wrote_to_has_no_window(two: Rules) -> None:
    story = by_whatsapp(two)
    story.message(0, address="whatsapp:+819012345678", brand="acme")
    story.more(60, address="whatsapp:+819012345678", brand="zen")
    story.reply(90)
    assert story.replies()[-1].window_ends_at == at(DAY)
    story.message(100, address="whatsapp:+819012345678", brand="zen")
    story.reply(120, number=2)
    assert (story.replies()[-1].window_ends_at, story.replies()[-1].template) == (at(100 + DAY), "")


def test_a_message_by_sms_opens_no_window(tell: Callable[..., Story]) -> None:
    story = tell(channel="sms", customer_id="tel:+819012345678")
    story.message(0, address="+819012345678")
    story.reply(60)
    assert story.replies()[-1].window_ends_at is None and story.customer.whatsapp == ()


def test_an_erasure_forgets_whatsapp_numbers(two: Rules) -> None:
    story = by_whatsapp(two)
    story.message(0, address="whatsapp:+819012345678")
    story.about(
        events.ErasureRequested, 60, requested_by="dpo"
    ) if "ticket_id" in events.ErasureRequested.__struct_fields__ else story.tell(
        events.ErasureRequested(**story.base(60) | {"channel": ""}, requested_by="dpo")
    )
    assert story.customer.whatsapp == ()
