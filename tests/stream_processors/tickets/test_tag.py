"""tag: tags, language, dissatisfaction, priority and order number of a ticket, told as stories."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.events import TagCorrected, TagsCounted, TagSuggested
from schemas.facts import SuggestionFact, TagFact
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import Story, at

DAY = 86_400
DECLINED = "My card was declined."
LATE = "My parcel is late and the tracking has not changed."


def tags(story: Story) -> list[tuple[str, bool, str]]:
    return [(fact.tag, fact.active, fact.origin) for fact in story.all(TagFact)]


# -- tags -----------------------------------------------------------------------------------------------------------


def test_a_tag_is_a_fact_with_its_evidence_and_where_it_belongs(story: Story, rules: Rules) -> None:
    story.message(0, DECLINED)
    fact = story.last(TagFact)
    assert (fact.ticket_id, fact.tag, fact.active, fact.origin) == (
        story.ticket_id(),
        "payment.card_declined",
        True,
        "taxonomy",
    )
    assert (fact.evidence, fact.quadrant, fact.valence, fact.owner_team) == (
        "card was declined",
        "simplify",
        "bad",
        "payments",
    )
    assert (fact.taxonomy_version, fact.channel, fact.at) == (rules.taxonomy.version, "email", at(0))
    assert story.ticket().tags == ("payment.card_declined",)
    assert story.ticket_fact().tagged_with == rules.taxonomy.version


def test_tags_are_the_union_over_the_messages_and_each_is_one_fact(story: Story) -> None:
    story.message(0, DECLINED)
    story.more(60, "And now I was charged twice! My card was declined, I said.")
    assert story.ticket().tags == ("payment.card_declined", "payment.charged_twice")
    assert tags(story) == [("payment.card_declined", True, "taxonomy"), ("payment.charged_twice", True, "taxonomy")]


def test_the_subject_is_read_too(story: Story) -> None:
    story.message(0, "Please see above.", subject="Card declined")
    assert story.ticket().tags == ("payment.card_declined",)


def test_what_an_agent_writes_is_not_tagged(story: Story) -> None:
    story.message(0, "Hello, can you help me?")
    story.reply(60, "Was your card declined?")
    assert story.all(TagFact) == []


def test_the_transcript_of_a_call_is_tagged(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "voicemail", transcript="荷物がまだ届いていません。至急お願いします。")
    ticket = story.ticket()
    assert (ticket.tags, ticket.language, ticket.priority) == (("delivery.carrier_delay",), "ja", "high")


def test_imported_history_is_tagged(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, DECLINED)
    assert story.ticket().tags == ("payment.card_declined",)


def test_the_owner_of_the_first_tag_gets_the_ticket(story: Story) -> None:
    story.message(0, DECLINED)
    assert story.routing() == ["queue payments"]


# -- corrections ----------------------------------------------------------------------------------------------------


def test_a_correction_is_a_fact_of_the_agent(story: Story) -> None:
    story.message(0, DECLINED)
    story.about(TagCorrected, 60, agent_id="mei", add=["payment.charged_twice"], remove=["payment.card_declined"])
    assert story.ticket().tags == ("payment.charged_twice",)
    assert tags(story)[1:] == [("payment.charged_twice", True, "agent"), ("payment.card_declined", False, "agent")]
    fact = story.last(TagFact)
    assert (fact.agent_id, fact.evidence, fact.owner_team) == ("mei", "", "payments")


def test_what_a_person_took_away_is_not_found_again_until_a_person_puts_it_back(story: Story) -> None:
    story.message(0, DECLINED)
    story.about(TagCorrected, 60, agent_id="mei", remove=["payment.card_declined"])
    story.more(120, DECLINED)
    assert story.ticket().tags == ()
    story.about(TagCorrected, 180, agent_id="mei", add=["payment.card_declined"])
    assert (story.ticket().tags, story.ticket().request.tags_removed) == (("payment.card_declined",), ())
    assert [active for _, active, _ in tags(story)] == [True, False, True]


def test_a_correction_that_changes_nothing_is_no_fact(story: Story) -> None:
    story.message(0, DECLINED)
    story.about(TagCorrected, 60, agent_id="mei", add=["payment.card_declined"], remove=["payment.charged_twice"])
    assert len(tags(story)) == 1


@pytest.mark.parametrize(
    ("add", "remove", "reason"),
    [
        (["payment.no_such"], [], "unknown_tag"),
        ([], ["payment.no_such"], "unknown_tag"),
        (["payment.charged_twice"], ["payment.charged_twice"], "contradictory_tags"),
    ],
)
def test_an_impossible_correction_is_refused_and_changes_nothing(
    story: Story, add: list[str], remove: list[str], reason: str
) -> None:
    story.message(0, DECLINED)
    story.about(TagCorrected, 60, agent_id="mei", add=add, remove=remove)
    assert story.refused() == [("tag", reason)]
    assert story.ticket().tags == ("payment.card_declined",)


# -- language -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "hint", "language"),
    [
        ("My card was declined.", "", "en"),
        ("我的卡被拒了，无法付款。", "", "zh-Hans"),
        ("我的卡被拒了，無法付款。", "zh-Hans", "zh-Hant"),
        ("カードが使えません。", "en", "ja"),
        ("10023456", "ja", "ja"),
    ],
)
def test_the_ticket_and_the_customer_have_the_language_of_the_message(
    story: Story, text: str, hint: str, language: str
) -> None:
    story.message(0, text, language=hint)
    assert (story.ticket().language, story.customer.language) == (language, language)


def test_a_short_answer_leaves_the_language(story: Story) -> None:
    story.message(0, "カードが使えません。")
    story.more(60, "OK, Visa 4242")
    assert story.ticket().language == "ja"


def test_a_known_customer_without_words_keeps_their_language(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "voicemail", transcript="荷物がまだ届いていません。")
    story.solve(60)
    story.call(9 * DAY, "missed")
    assert story.ticket(2).language == "ja"


# -- dissatisfaction ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["This is unacceptable.", "太让人失望了", "超爛的服務", "がっかりしました"],
    ids=["en", "zh-Hans", "zh-Hant", "ja"],
)
def test_who_says_that_they_have_had_enough_is_dissatisfied(story: Story, text: str) -> None:
    story.message(0, text)
    assert (story.ticket().request.dissatisfied, story.ticket().priority) == (True, "high")


def test_it_stays_with_the_ticket(story: Story) -> None:
    story.message(0, "This is unacceptable.")
    story.more(60, "Here is my order number, thank you.")
    assert story.ticket().request.dissatisfied


def test_who_comes_back_about_the_same_reason_within_seven_days_is_dissatisfied(story: Story) -> None:
    story.message(0, LATE)
    story.solve(60)
    story.message(7 * DAY - 1, LATE)
    assert [ticket.request.dissatisfied for ticket in story.customer.tickets] == [False, True]


@pytest.mark.parametrize(
    ("again", "seconds"),
    [(LATE, 7 * DAY), ("My card was declined.", DAY), ("Hello, can you help me?", DAY)],
    ids=["after seven days", "another reason", "no reason"],
)
def test_who_comes_back_otherwise_is_not(story: Story, again: str, seconds: int) -> None:
    story.message(0, LATE)
    story.solve(60)
    story.message(seconds, again)
    assert [ticket.request.dissatisfied for ticket in story.customer.tickets] == [False, False]


def test_who_praises_us_twice_is_not(story: Story) -> None:
    story.message(0, "Great service!")
    story.solve(60)
    story.message(DAY, "Great service again!")
    assert [ticket.request.dissatisfied for ticket in story.customer.tickets] == [False, False]


def test_a_second_message_on_the_same_ticket_is_no_repeated_contact(story: Story) -> None:
    story.message(0, LATE)
    story.more(60, LATE)
    assert not story.ticket().request.dissatisfied


def test_a_ticket_reopened_about_its_own_reason_is_a_repeated_contact(story: Story) -> None:
    story.message(0, LATE)
    story.solve(60)
    story.more(DAY, "It has not arrived, and the tracking has not changed.")
    assert (story.ticket().episode, story.ticket().request.dissatisfied) == (2, True)


def test_who_scored_us_low_is_dissatisfied_when_they_come_back(story: Story) -> None:
    story.message(0, "Hello, can you help me?")
    story.solve(60)
    story.survey(120, csat=1)
    story.message(10 * DAY, "Good morning, another question.")
    assert story.ticket(2).request.dissatisfied


# -- priority -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "changes", "priority"),
    [
        ("Hello, can you help me?", {}, "normal"),
        ("Where is my order?", {}, "normal"),
        ("My card was declined.", {}, "high"),
        ("The cream gave me a rash.", {}, "urgent"),
        ("Where is my order? This is urgent.", {}, "high"),
        ("This is unacceptable.", {}, "high"),
        ("This is unacceptable.", {"public": True}, "urgent"),
        ("Hello, can you help me?", {"tier": "vip"}, "high"),
        ("Hello, can you help me?", {"priority": "urgent"}, "urgent"),
        ("Great service!", {"priority": "low"}, "low"),
    ],
)
def test_the_priority_rises_with_what_the_message_tells(
    story: Story, text: str, changes: dict[str, object], priority: str
) -> None:
    story.message(0, text, **changes)
    assert story.ticket().priority == priority


def test_the_priority_never_falls(story: Story) -> None:
    story.message(0, "The cream gave me a rash.")
    story.more(60, "By the way, where is my order?")
    story.about(TagCorrected, 120, agent_id="mei", remove=["product.safety"])
    assert story.ticket().priority == "urgent"


# -- order number ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "field", "number"),
    [
        ("About order 10023456: where is it?", "", "10023456"),
        ("Order no. A-20031 please", "", "A-20031"),
        ("my order #5567123", "", "5567123"),
        ("订单号：20260301778", "", "20260301778"),
        ("訂單編號 T20031188", "", "T20031188"),
        ("注文番号：２００３１１７７です", "", "20031177"),
        ("About order 10023456: where is it?", "777777", "777777"),
        ("I ordered 3 mugs in 2025", "", ""),
        ("Call me on 5551234567", "", ""),
    ],
)
def test_the_order_number_comes_from_the_field_or_else_from_the_text(
    story: Story, text: str, field: str, number: str
) -> None:
    story.message(0, text, order_number=field)
    assert story.ticket().request.order_number == number


def test_the_first_order_number_of_a_ticket_stays(story: Story) -> None:
    story.message(0, "Where is it?")
    story.more(60, "It is this one", order_number="A-1")
    story.more(120, "And this one", order_number="A-2")
    assert story.ticket().request.order_number == "A-1"


# -- suggestions -----------------------------------------------------------------------------------------------------


def suggest(story: Story, seconds: float, tag: str, confidence: float, **fields: object) -> None:
    fields = {"contact_id": f"c-{seconds}", "certain": confidence >= 0.9, "model": "m1", "language": "en", **fields}
    story.about(TagSuggested, seconds, tag=tag, confidence=confidence, **fields)


def test_a_certain_suggestion_tags_as_the_first_reason_and_raises_no_priority(story: Story, rules: Rules) -> None:
    story.message(0, "Hello, can you help me?")
    raising = next(tag.slug for tag in rules.taxonomy.tags.values() if tag.priority in ("high", "urgent"))
    suggest(story, 30, "product.smell", 0.91)
    suggest(story, 60, raising, 0.93)
    assert (story.ticket().tags, story.ticket().priority) == ((raising, "product.smell"), "normal")
    fact = story.last(TagFact)
    assert (fact.tag, fact.origin, fact.evidence, fact.active) == (raising, "suggester", "0.93 m1", True)
    found = story.last(SuggestionFact)
    assert (found.outcome, found.contact_id, found.ticket_id) == ("tagged", "c-60", story.ticket_id())


def test_who_comes_back_about_a_reason_that_was_suggested_is_dissatisfied(story: Story) -> None:
    story.message(0, "Hello, can you help me?")
    suggest(story, 30, "payment.card_declined", 0.95)
    story.message(3 * DAY, DECLINED, thread_id="another")
    assert [ticket.request.dissatisfied for ticket in story.customer.tickets] == [False, True]


def test_a_late_suggestion_counts_when_the_customer_wrote(story: Story) -> None:
    """A suggester that catches up after a night finds hundreds in a minute: no tag breaks out by that."""
    story.message(0, "Hello, can you help me?")
    suggest(story, 8 * 3600, "product.smell", 0.95, contact_at=at(0))
    suggest(story, 9 * 3600, "site.slow", 0.95)
    counted = [(each.tags, each.occurred_at, each.received_at) for each in story.all(TagsCounted)]
    late, unknown = at(8 * 3600), at(9 * 3600)
    assert counted == [(["product.smell"], at(0), late), (["site.slow"], unknown, unknown)]


def test_a_suggestion_that_changes_nothing_is_recorded_with_the_reason(story: Story, rules: Rules) -> None:
    story.message(0, DECLINED)
    story.about(TagCorrected, 30, agent_id="mei", add=["orders.cancel"], remove=["orders.cancelled_by_us"])
    tags_before = story.ticket().tags
    cases = [
        ("product.smell", 0.6, "shown"),
        ("orders.cancel", 0.99, "known"),
        ("orders.cancelled_by_us", 0.99, "removed"),
        ("no.such_tag", 0.99, "unknown"),
    ]
    for number, (tag, confidence, outcome) in enumerate(cases):
        suggest(story, 60 + number, tag, confidence)
        assert story.last(SuggestionFact).outcome == outcome
    assert story.ticket().tags == tags_before


def test_a_suggestion_for_a_ticket_that_is_gone_says_nothing(story: Story) -> None:
    story.message(0, DECLINED)
    suggest(story, 60, "product.smell", 0.99, number=7)
    assert story.all(SuggestionFact) == []
    assert story.ticket().tags == ("payment.card_declined",)
