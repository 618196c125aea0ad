"""Rules that act: what makes each fire, how often, what it does, and why it does not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events
from schemas.facts import AssignmentFact, AutomationFact, ContactFact, InvitationFact, Outbound, TagFact
from schemas.identity import customer_tag
from schemas.service_metrics import ServiceMetric
from stream_processors.rules import ruleset
from stream_processors.rules.surveys import Signing
from stream_processors.rules.versions import ALWAYS, RulesetHistory, RulesetVersion
from stream_processors.tickets.automations.automate import MOST_FIRED
from tests.support.each import each
from tests.support.gauge_partition import played
from tests.support.memory_worker import Crashed
from tests.support.tickets.ruled_story import RuledStory, with_automations
from tests.support.tickets.story import at

HOUR, DAY = 3600, 86400
SHIPPED = ruleset.load()
TAG, OTHER = "delivery.carrier_delay", "service.praise"


def ruled(text: str, **options: object) -> RuledStory:
    return RuledStory(with_automations(SHIPPED, text), **options)


def tell(story: RuledStory, what: str) -> None:
    """`SECONDS verb` one after the other; `until SECONDS` lets time pass."""
    for each_one in what.split("; "):
        first, _, verb = each_one.partition(" ")
        if first == "until":
            story.until(int(verb))
        elif verb.startswith("message"):
            story.message(int(first), "Where is my parcel?", tier=verb.partition(" ")[2])
        elif verb == "more":
            story.more(int(first))
        elif verb == "reply":
            story.reply(int(first))
        elif verb.startswith("tag "):
            story.about(events.TagCorrected, int(first), agent_id="mei", add=[verb[4:]])
        elif verb.startswith("untag "):
            story.about(events.TagCorrected, int(first), agent_id="mei", remove=[verb[6:]])
        elif verb.startswith("score "):
            story.survey(int(first), int(verb[6:]))
        else:
            story.status(int(first), verb)


WEBHOOK = "then: [{notify: {webhook: desk}}]"
#: The rule's trigger and conditions, what happens, and how often it fires.
FIRES = {
    "a ticket opens": ("when: {opened: true}", "0 message; 60 more; 90 reply", 1),
    "it is reopened, each time": (
        "when: {reopened: true}",
        "0 message; 9 solved; 20 more; 30 solved; 40 more",
        2,
    ),
    "a tag is put on": (f"when: {{tag: {TAG}}}", f"0 message; 9 tag {TAG}", 1),
    "another tag is not it": (f"when: {{tag: {TAG}}}", f"0 message; 9 tag {OTHER}", 0),
    "a tag comes again in the episode": (f"when: {{tag: {TAG}}}", f"0 message; 9 tag {TAG}; 10 untag {TAG}; 11 tag {TAG}", 1),
    "a tag comes again in the next episode": (
        f"when: {{tag: {TAG}}}",
        f"0 message; 9 tag {TAG}; 10 untag {TAG}; 20 solved; 30 more; 40 tag {TAG}",
        2,
    ),
    "two tags of the group": (f"when: {{tag: [{TAG}, {OTHER}]}}", f"0 message; 9 tag {TAG}; 10 tag {OTHER}", 1),
    "a tier opens a ticket": ("when: {tier: [vip, gold]}", "0 message vip; 9 more", 1),
    "another tier does not": ("when: {tier: vip}", "0 message silver", 0),
    "each warning of each clock": ("when: {at_risk: {percent: [50, 75], clock: first_response}}", "0 message; until 2592000", 2),
    "no warning after an answer": ("when: {at_risk: {percent: 75, clock: first_response}}", "0 message; 60 reply; until 2592000", 0),
    "a breach": ("when: {breach: first_response}", "0 message; until 2592000", 1),
    "a breach that a late answer takes back is not said again": (
        "when: {breach: first_response}",
        "0 message; until 2592000; 60 reply; 2592100 more",
        1,
    ),
    "a breach of any clock": ("when: {breach: any}", "0 message; until 2592000", 2),
    "a stay": ("when: {in_status: {status: pending, for: 2d}}", "0 message; 9 reply; until 864000", 1),
    "no stay that ended": ("when: {in_status: {status: pending, for: 2d}}", "0 message; 9 reply; 60 more; until 864000", 0),
    "each stay": (
        "when: {in_status: {status: pending, for: 1h}}",
        "0 message; 9 reply; until 8000; 8001 more; 8002 reply; until 20000; 20001 more",
        2,
    ),
    "a status": ("when: {status: solved}", "0 message; 9 solved; 20 more", 1),
    "a status once in an episode": ("when: {status: pending}", "0 message; 9 reply; 20 more; 30 reply", 1),
    "a score": ("when: {score: {at_most: 2}}", "0 message; 9 solved; 60 score 1; 70 score 2", 1),
    "a good score is not low": ("when: {score: {at_most: 2}}", "0 message; 9 solved; 60 score 5", 0),
    "the conditions hold": ("when: {opened: true}\n  if: {channel: email, assigned: false}", "0 message", 1),
    "a condition does not hold": ("when: {opened: true}\n  if: {channel: chat}", "0 message", 0),
    "what must not be": ("when: {opened: true}\n  unless: {channel: [email, chat]}", "0 message", 0),
    "a stay whose conditions come to hold later": (
        f"when: {{in_status: {{status: pending, for: 1h}}}}\n  if: {{tag: {TAG}}}",
        f"0 message; 9 reply; until 8000; 8001 tag {TAG}; 8002 untag {TAG}; 8003 tag {TAG}",
        1,
    ),
}  # fmt: skip


@each("when, what, times", FIRES.values())
def test_a_rule_fires_once_for_each_situation(when: str, what: str, times: int) -> None:
    story = ruled(f"- name: it\n  {when}\n  {WEBHOOK}")
    tell(story, what)
    assert [fact.outcome for fact in story.facts()] == ["done"] * times
    assert story.worker.dead_letters == story.desk.dead_letters == []


def test_history_is_left_alone_and_so_are_its_clocks() -> None:
    story = ruled(f"- name: it\n  when: {{opened: true}}\n  {WEBHOOK}", imported=True)
    story.message(0)
    story.until(90 * DAY)
    assert story.facts() == []


def test_actions_change_the_ticket_as_an_agent_would() -> None:
    then = f"[{{set_priority: high}}, {{add_tag: {OTHER}}}, {{transfer: returns}}]"
    story = ruled(f"- name: hurry\n  when: {{opened: true}}\n  then: {then}")
    story.message(0)
    ticket = story.ticket()
    assert (ticket.priority, ticket.team, ticket.tags) == ("high", "returns", (OTHER,))
    assert not ticket.routing.priority_set  # a person did not say so
    assert ticket.routing.followers == ()  # a rule follows nothing
    assert [fact.author for fact in story.all(ContactFact)[1:]] == ["rule:hurry"] * 3
    assert [fact.origin for fact in story.all(TagFact)] == ["automations"]  # nothing to learn from
    assert story.routing()[-2:] == ["done support", "queue returns"]
    assert played(story.worker).counts[ServiceMetric.AUTOMATIONS, ("hurry", "transfer", "done", "")] == 1


def test_a_rule_assigns_whom_it_names() -> None:
    story = ruled("- name: give\n  when: {opened: true}\n  then: [{assign: tom}]")
    story.message(0)
    assert (story.ticket().assignee, story.ticket().status) == ("tom", "open")
    assert [(fact.agent_id, fact.reason) for fact in story.all(AssignmentFact)] == [("tom", "automation")]


#: The actions, what happens before the rule's situation and with it, and why it is withheld.
WITHHELD = {
    "already so": ("{set_priority: normal}", f"0 message; 60 tag {TAG}", "already_so"),
    "the tag is there": (f"{{add_tag: {OTHER}}}", f"0 message; 9 tag {OTHER}; 60 tag {TAG}", "already_so"),
    "somebody took the tag away": (
        f"{{add_tag: {OTHER}}}",
        f"0 message; 9 tag {OTHER}; 10 untag {OTHER}; 60 tag {TAG}",
        "removed_by_person",
    ),
    "solved": ("{transfer: returns}", f"0 message; 9 solved; 60 tag {TAG}", "finished"),
    "not solved": ("{survey: true}", f"0 message; 60 tag {TAG}", "not_solved"),
    "closed": ("{answer: {en: Hello}}", f"0 message; 9 closed; 60 tag {TAG}", "closed"),
    "nothing to fill it": ("{answer: {en: 'Order {order_number}'}}", f"0 message; 60 tag {TAG}", "incomplete"),
}


@each("then, what, reason", WITHHELD.values())
def test_what_a_rule_cannot_do_says_why(then: str, what: str, reason: str) -> None:
    story = ruled(f"- name: it\n  when: {{tag: {TAG}}}\n  then: [{then}]")
    tell(story, what)
    (fact,) = story.facts()
    assert (fact.outcome, fact.reason, fact.why) == ("withheld", reason, f"tagged {TAG}")
    assert not story.answers()


def test_a_priority_that_a_person_set_stands() -> None:
    story = ruled(f"- name: it\n  when: {{tag: {TAG}}}\n  then: [{{set_priority: urgent}}]")
    story.message(0)
    story.about(events.PriorityChanged, 9, agent_id="mei", priority="low")
    tell(story, f"60 tag {TAG}")
    assert (story.ticket().priority, story.acted()) == ("low", ["it set_priority urgent set_by_person"])


def test_of_two_rules_that_fight_the_first_decides_and_there_is_no_end_to_nothing() -> None:
    story = ruled(
        f"- name: up\n  when: {{tag: {TAG}}}\n  then: [{{set_priority: high}}]\n"
        f"- name: down\n  when: {{tag: {TAG}}}\n  then: [{{set_priority: low}}, {{add_tag: {OTHER}}}]\n"
        f"- name: back\n  when: {{tag: {OTHER}}}\n  then: [{{set_priority: low}}]\n"
    )
    tell(story, f"0 message; 60 tag {TAG}")
    assert story.acted() == [
        "up set_priority high done",
        "down set_priority low decided_before",
        f"down add_tag {OTHER} done",
        "back set_priority low done",
    ]
    assert story.ticket().priority == "low"


def test_a_chain_of_rules_ends_after_three_hops() -> None:
    tags = [tag for tag in SHIPPED.taxonomy.tags if tag.startswith("delivery.")][:6]
    chain = "".join(
        f"- name: r{number}\n  when: {{tag: {tag}}}\n  then: [{{add_tag: {tags[(number + 1) % 6]}}}]\n"
        for number, tag in enumerate(tags)
    )
    story = ruled(chain)
    tell(story, f"0 message; 60 tag {tags[0]}")
    assert [fact.reason or fact.outcome for fact in story.facts()] == ["done", "done", "done", "depth"]
    assert [fact.depth for fact in story.facts()] == [0, 1, 2, 3]


def test_what_came_too_late_is_withheld_and_no_dead_letter() -> None:
    story = RuledStory(
        with_automations(SHIPPED, f"- name: it\n  when: {{tag: {TAG}}}\n  then: [{{set_priority: urgent}}]")
    )
    story.message(0)
    solve = events.StatusChanged(**story.base(61) | {"ticket_id": story.ticket_id(), "status": "solved", "channel": ""})
    tag = events.TagCorrected(
        **story.base(60) | {"ticket_id": story.ticket_id(), "agent_id": "mei", "add": [TAG], "channel": ""}
    )
    story.worker.feed([tag, solve])  # the solve stands in the log before what the rule writes
    story.settle()
    (fact,) = story.facts()
    assert (fact.outcome, fact.reason, fact.action, fact.rule) == ("withheld", "too_late", "set_priority", "it")
    assert story.worker.dead_letters == []
    assert story.ticket().priority != "urgent"


def test_an_answer_goes_to_the_customer_stops_no_clock_and_says_that_it_is_automatic() -> None:
    answer = '{answer: {en: "Hello. Ticket {ticket}.", ja: "受付 {ticket}"}}'
    story = ruled(f"- name: it\n  when: {{tag: {TAG}}}\n  then: [{answer}]")
    tell(story, f"0 message; 60 tag {TAG}")
    (sent,) = story.answers()
    assert (sent.text, sent.address, sent.kind) == (f"Hello. Ticket {story.ticket_id()}.", "ann@example.org", "answer")
    assert sent.headers["Auto-Submitted"] == "auto-replied"
    assert sent.message_id in story.ticket().conversation.message_ids
    assert story.ticket().milestones.first_response_at is None
    assert story.ticket().counts.public_replies == 0
    assert story.facts()[0].text == sent.text


def test_machines_and_whoever_wants_nothing_get_no_answer() -> None:
    story = ruled("- name: it\n  when: {status: pending}\n  then: [{answer: {en: Hello}}]")
    story.message(0, address="no-reply@shop.example")
    story.status(60, "pending")
    assert story.acted() == ["it answer text machine"]


def test_a_rule_asks_for_a_survey_on_a_channel_that_is_not_asked_otherwise() -> None:
    quiet = replace(SHIPPED, surveys=replace(SHIPPED.surveys, channels=frozenset()))
    text = "- name: ask\n  when: {status: solved}\n  then: [{survey: true}]"
    signing = Signing.of("https://shop.example/survey", "s" * 32)
    story = RuledStory(with_automations(quiet, text), signing=signing)
    tell(story, "0 message; 9 reply; 60 solved; until 864000")
    assert story.acted() == ["ask survey done"]
    assert [fact.outcome for fact in story.all(InvitationFact)][-1] == "sent"
    assert [each_one.kind for each_one in story.all(Outbound)].count("survey") == 1


def test_a_merged_ticket_keeps_what_has_fired_and_what_waits() -> None:
    story = ruled(f"- name: it\n  when: {{in_status: {{status: pending, for: 2d}}}}\n  {WEBHOOK}")
    tell(story, "0 message; 9 reply")
    automated = story.ticket().automated
    assert automated is not None and automated.due_at == at(9 + 2 * DAY)
    other = "email:bea@example.org"
    merged = events.CustomersMerged(
        **story.base(60) | {"channel": ""}, from_customer_id=story.customer_id, into_customer_id=other
    )
    story.tell(merged)
    moved = story.all(events.TicketAdopted)
    assert len(moved) == 1 and story.worker.dead_letters == []
    story.until(10 * DAY)
    (fact,) = story.facts()
    assert (fact.ticket_id, fact.customer_tag) == (story.ticket_id(), customer_tag(other))


def test_rules_that_go_leave_no_deadline_behind() -> None:
    text = f"- name: it\n  when: {{in_status: {{status: pending, for: 2d}}}}\n  {WEBHOOK}"
    history = RulesetHistory(RulesetVersion(ALWAYS, with_automations(SHIPPED, text)), RulesetVersion(at(DAY), SHIPPED))
    story = RuledStory(SHIPPED)
    story.worker.processor.rules = history  # type: ignore[attr-defined]
    tell(story, "0 message; 9 reply; until 864000")
    assert story.facts() == []
    assert story.ticket().automated is None or story.ticket().automated.due_at is None


def test_an_episode_takes_so_many_firings_and_no_more() -> None:
    count = MOST_FIRED + 3
    text = "".join(
        f"- name: r{n}\n  when: {{opened: true}}\n  then: [{{notify: {{webhook: desk}}}}]\n" for n in range(count)
    )
    story = ruled(text)
    story.message(0)
    assert [fact.reason for fact in story.facts()].count("too_many") == 3


BUSY = f"""
- name: hurry
  when: {{tag: {TAG}}}
  then: [{{set_priority: high}}, {{add_tag: {OTHER}}}, {{notify: {{mail: lead@shop.example}}}}]
- name: thank
  when: {{tag: {OTHER}}}
  then: [{{answer: {{en: Thank you}}}}, {{transfer: returns}}]
- name: wait
  when: {{in_status: {{status: pending, for: 1h}}}}
  then: [{{notify: {{chat: desk}}}}]
"""


@settings(max_examples=25, deadline=None)
@given(crashes=st.lists(st.integers(1, 25), max_size=4), sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_crashes_at_any_point_end_in_the_same_firings(crashes: list[int], sizes: list[int]) -> None:
    calm, story = ruled(BUSY), ruled(BUSY)
    what = f"0 message; 60 tag {TAG}; 70 reply; 7270 more"
    tell(calm, what)
    for written in list(calm.worker.log):
        story.worker.log.append(written)
    for crash in crashes:
        try:
            story.worker.run(sizes, crash_after=crash)
        except Crashed:
            continue
    story.worker.run(sizes)
    assert story.worker.facts() == calm.worker.facts()
    told = story.all(AutomationFact)
    assert {fact.firing_id for fact in told} == {fact.firing_id for fact in calm.all(AutomationFact)}


def test_a_desk_without_rules_keeps_nothing_of_them() -> None:
    story = RuledStory(SHIPPED)
    tell(story, f"0 message; 60 tag {TAG}; 70 reply; until 864000")
    assert (story.ticket().automated, story.facts(), story.mails()) == (None, [], [])
