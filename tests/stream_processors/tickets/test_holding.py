"""Work by hand: assign, take, give back, priority, follow; and what comes too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas import events
from schemas.events import RoutingUpdate
from schemas.facts import AssignmentFact, ContactFact, FollowerNotice, FollowUpFact
from stream_processors.rules.roster import Member, Roster
from stream_processors.rules.routing_policy import RoutingPolicy
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.teams import RoutingRule, Teams
from stream_processors.rules.versions import ALWAYS, RulesetHistory, RulesetVersion
from stream_processors.tickets.holding import KEPT_FOLLOWERS
from tests.support.tickets.story import Story, at


def give(story: Story, at: float, agent: str, to: str = "", **changes: Any) -> None:
    story.about(events.AssignmentChanged, at, agent_id=agent, to_agent=to, **changes)


def follow(story: Story, at: float, agent: str, *, on: bool = True) -> None:
    story.about(events.FollowChanged, at, agent_id=agent, on=on)


def notices(story: Story) -> list[tuple[str, str]]:
    return [(fact.agent_id, fact.outcome) for fact in story.all(FollowerNotice)]


def refused(story: Story) -> list[str]:
    return [reason for _, reason in story.refused()]


def test_a_ticket_is_taken_given_on_and_given_back(story: Story) -> None:
    story.message(0, "Hello")
    give(story, 10, "mei", "mei")
    give(story, 20, "mei", "tom")
    give(story, 30, "tom")
    facts = [(fact.agent_id, fact.reason) for fact in story.all(AssignmentFact)]
    assert facts == [("mei", "taken"), ("tom", "by_hand"), ("", "given_back")]
    assert story.routing() == ["queue support", "busy support mei", "busy support tom", "idle support", "queue support"]
    assert story.last(RoutingUpdate).preferred_agent == ""  # not back to whom it was given back by
    assert [fact.detail for fact in story.all(ContactFact)[1:]] == ["mei", "tom", ""]
    assert (story.ticket().assignee, story.ticket().assignees) == ("", ("mei", "tom"))


def test_who_transferred_a_ticket_away_is_not_preferred_for_it(story: Story) -> None:
    story.message(0, "Hello")
    give(story, 10, "mei", "mei")
    story.transfer(20, "returns")  # by mei
    assert story.last(RoutingUpdate).preferred_agent == ""  # mei may be in both teams
    give(story, 30, "mei", "mei")
    story.transfer(40, "returns")
    assert story.last(RoutingUpdate).preferred_agent == ""


def test_of_two_agents_who_take_a_ticket_the_second_is_refused(story: Story) -> None:
    story.message(0, "Hello")
    give(story, 10, "mei", "mei")
    give(story, 10, "tom", "tom")
    assert (story.ticket().assignee, refused(story)) == ("mei", ["stale_assignment"])
    give(story, 20, "tom", "tom", from_agent="mei")
    assert story.ticket().assignee == "tom"
    give(story, 30, "boss", "mei", from_agent="mei")
    assert (story.ticket().assignee, refused(story)) == ("tom", ["stale_assignment"] * 2)


def test_what_cannot_be_done_by_hand_is_refused_with_its_reason(story: Story) -> None:
    story.message(0, "Hello")
    story.about(events.PriorityChanged, 5, agent_id="mei", priority="huge")
    story.about(events.AssignmentChanged, 6, number=7, agent_id="mei", to_agent="mei")
    for number in range(KEPT_FOLLOWERS + 1):
        follow(story, 7 + number, f"agent-{number}")
    story.status(50, "solved", agent_id="mei")
    give(story, 60, "mei", "mei")
    story.about(events.PriorityChanged, 61, agent_id="mei", priority="high")
    story.status(70, "closed", agent_id="mei")
    follow(story, 80, "new")
    reasons = ["bad_priority", "unknown_ticket", "too_many_followers", "finished_ticket", "finished_ticket"]
    assert refused(story) == [*reasons, "closed_ticket"]


def test_a_strict_roster_admits_nobody_else(rules: Rules) -> None:
    roster = Roster({"mei": Member("mei", "Mei", ("support",))}, strict=True)
    story = Story(replace(rules, roster=roster))
    story.message(0, "Hello")
    give(story, 10, "boss", "nobody")
    story.transfer(20, "returns", to_agent="nobody")
    assert refused(story) == ["unknown_agent", "unknown_agent"]
    give(story, 30, "boss", "mei")
    assert story.ticket().assignee == "mei"


def test_a_priority_that_a_person_set_stays(story: Story) -> None:
    story.message(0, "Hello", priority="high")
    story.about(events.PriorityChanged, 5, agent_id="mei", priority="low")
    story.more(10, "This is urgent, I am furious!")
    assert story.ticket().priority == "low"
    assert [update.priority for update in story.all(RoutingUpdate)] == ["high", "low"]
    assert len({update.ref for update in story.all(RoutingUpdate)}) == 1  # only its place in the queue changed


def test_followers_are_told_what_becomes_of_a_ticket(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    follow(story, 20, "tom")
    story.transfer(30, "returns", to_agent="joe")
    assert story.ticket().routing.followers == ("tom", "mei")  # who had it follows it
    story.solve(40, agent_id="joe")
    assert notices(story) == [("tom", "solved"), ("mei", "solved")]
    story.status(50, "closed")
    follow(story, 55, "tom", on=False)
    assert len(notices(story)) == 2  # closing a solved ticket is no news


def test_followers_hear_of_a_reopening_but_not_of_their_own_doing(story: Story) -> None:
    story.message(0, "Hello")
    follow(story, 5, "mei")
    follow(story, 5, "tom")
    story.solve(40, agent_id="mei")
    story.more(50, "It broke again.")
    assert notices(story) == [("tom", "solved"), ("mei", "reopened"), ("tom", "reopened")]
    assert story.all(FollowerNotice)[1].episode == 2


# -- what comes too late (ADR 47) -------------------------------------------------------------------------------------


def ref(story: Story) -> str:
    return story.last(RoutingUpdate).ref


def test_an_answer_from_before_a_move_there_and_back_comes_too_late(story: Story) -> None:
    story.message(0, "Hello")
    before = ref(story)
    story.transfer(10, "returns")
    story.transfer(20, "support")
    story.assign(21, "mei", answers=before)
    assert (story.ticket().assignee, story.all(AssignmentFact)[-1].reason) == ("", "")
    assert story.routing()[-1] == "queue support"  # told again, for the router thinks that mei has it
    story.assign(22, "tom", answers=ref(story))
    assert story.ticket().assignee == "tom"


def test_a_give_back_of_the_router_does_not_undo_a_later_hand(story: Story) -> None:
    story.message(0, "Hello")
    give(story, 5, "mei", "mei")
    before = ref(story)
    give(story, 10, "boss", "joe")
    story.assign(11, "", answers=before, reason="agent_offline")
    assert story.ticket().assignee == "joe"
    assert story.routing()[-1] == "busy support joe"


def test_answers_to_the_newest_ref_count_one_after_the_other(story: Story) -> None:
    story.message(0, "Hello")
    newest = ref(story)
    for seconds, agent in ((10, "mei"), (20, ""), (30, "tom")):
        story.assign(seconds, agent, answers=newest)
    assert story.ticket().assignee == "tom"
    assert story.routing() == ["queue support"]


def overflow(story: Story, at: float, to: str = "support", **changes: Any) -> None:
    fields = {"team": "returns", "to_team": to, "source": "routing", "reason": "waited"}
    story.about(events.Overflowed, at, **fields | changes)


@pytest.fixture
def waiting(tell: Callable[..., Story]) -> Story:
    story = tell()
    story.message(0, "Hello")
    story.transfer(5, "returns")
    return story


def test_a_ticket_that_waited_too_long_goes_to_the_fallback(waiting: Story) -> None:
    update = waiting.last(RoutingUpdate)
    assert update.fallback == "support"
    overflow(waiting, 100, answers=update.ref, queued_at=update.occurred_at)
    fact = waiting.last(AssignmentFact)
    assert (fact.team, fact.agent_id, fact.reason, fact.wait_seconds) == ("support", "", "overflow", 95.0)
    assert waiting.routing()[-2:] == ["done returns", "queue support"]
    assert waiting.last(RoutingUpdate).fallback == ""  # there is no other
    assert (waiting.ticket().team, waiting.ticket_fact().team_rule) == ("support", "overflow")
    assert waiting.ticket().counts.transfers == 1  # nobody transferred it
    waiting.more(200, "My card was charged twice")
    assert waiting.ticket().team == "support"  # no rule takes it from there


def test_what_overflowed_does_not_come_back_around_in_a_circle(rules: Rules) -> None:
    teams = {**rules.teams.teams}
    for team, to in (("returns", "delivery"), ("delivery", "returns")):
        teams[team] = replace(teams[team], fallback=to)
    story = Story(replace(rules, teams=replace(rules.teams, teams=teams)))
    story.message(0, "Hello")
    story.transfer(5, "returns")
    assert story.last(RoutingUpdate).fallback == "delivery"
    overflow(story, 100, "delivery", answers=ref(story))
    assert (story.ticket().team, story.last(RoutingUpdate).fallback) == ("delivery", "")
    story.transfer(200, "returns")
    assert story.last(RoutingUpdate).fallback == "delivery"  # a person moved it


def test_an_overflow_of_a_team_that_is_gone_goes_where_the_rules_of_now_say(rules: Rules) -> None:
    teams = {slug: team for slug, team in rules.teams.teams.items() if slug != "returns"}
    later = RulesetVersion(at(50), replace(rules, teams=replace(rules.teams, teams=teams)))
    story = Story(RulesetHistory(RulesetVersion(ALWAYS, rules), later))
    story.message(0, "Hello")
    story.transfer(5, "returns")
    overflow(story, 100, "nowhere", answers=ref(story))
    assert story.ticket().team == rules.teams.fallback


def test_an_overflow_that_comes_too_late_changes_nothing(waiting: Story) -> None:
    before = ref(waiting)
    waiting.assign(10, "mei", team="returns", answers=before)
    told = len(waiting.routing())
    overflow(waiting, 100, answers=before)
    overflow(waiting, 110, answers="9.9")
    overflow(waiting, 120, "nowhere", answers=before)
    assert (waiting.ticket().team, waiting.ticket().assignee) == ("returns", "mei")
    assert waiting.routing()[told:] == ["busy returns mei"] * 3


def test_the_follow_up_of_a_low_score_is_taken_by_hand(story: Story) -> None:
    story.message(0, "Hello")
    story.reply(10)
    story.solve(20, agent_id="mei")
    story.survey(4000, csat=1, episode=1)
    assert story.routing()[-1] == "queue support"
    give(story, 4100, "tom", "tom")
    assert (story.ticket().follow_up, story.ticket().assignee, story.ticket().status) == ("tom", "mei", "solved")
    assert [(fact.status, fact.agent_id) for fact in story.all(FollowUpFact)] == [("open", ""), ("assigned", "tom")]
    assert story.routing()[-1] == "busy support tom"
    story.add_note(4200)
    assert (story.last(FollowUpFact).status, story.refused()) == ("done", [])


def test_a_follow_up_that_somebody_has_is_not_taken_unawares(story: Story) -> None:
    story.message(0, "Hello")
    story.reply(10)
    story.solve(20, agent_id="mei")
    story.survey(4000, csat=1, episode=1)
    give(story, 4100, "tom", "tom")
    give(story, 4200, "ann", "ann")
    assert story.ticket().follow_up == "tom"
    assert [reason for _, reason in story.refused()] == ["stale_assignment"]


def test_a_rule_may_ask_what_the_order_of_a_ticket_is_worth(rules: Rules) -> None:
    rich = RoutingRule("rich", {}, "returns", {"tact": 2}, least_value=50000)
    teams = Teams(rules.teams.teams, rules.teams.fallback, "t", (rich,), (50000,), True)
    for amount, number, expected in (
        (60000, "AB-10023", ("returns", "rule:rich", ["tact.2"])),
        (40000, "ab-10023", ("support", "fallback", [])),
        (60000, "AB-10024", ("support", "fallback", [])),
    ):
        story = Story(replace(rules, teams=teams))
        order = {"customer_id": story.customer_id, "order_number": "ab-10023", "amount": amount}
        story.tell(events.OrderPlaced(**story.base(0), **order))
        story.message(10, "Hello", order_number=number)
        told = story.last(RoutingUpdate)
        assert (told.team, story.ticket_fact().team_rule, told.skills) == expected, (amount, number)


def test_the_previous_agent_is_preferred_where_they_work_and_while_it_is_fresh(rules: Rules) -> None:
    team = replace(rules.teams.teams["returns"], routing=RoutingPolicy(affinity={"default": 86_400}))
    teams = replace(rules.teams, teams={**rules.teams.teams, "returns": team}, _remembered={})
    roster = Roster({"mei": Member("mei", "Mei", ("support", "returns"))})
    for days, named, expected in ((0.5, roster, "mei"), (2, roster, ""), (0.5, Roster(), "")):
        story = Story(replace(rules, teams=teams, roster=named))
        story.message(0, "Hello")
        story.assign(10, "mei")
        story.solve(20, agent_id="mei")
        story.message(days * 86_400, "I want to send this back", thread_id="other")
        story.transfer(days * 86_400 + 1, "returns", number=2)
        assert (story.last(RoutingUpdate).team, story.last(RoutingUpdate).preferred_agent) == ("returns", expected), (
            days
        )
