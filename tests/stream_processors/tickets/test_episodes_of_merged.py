"""What was solved goes along when its customer turns out to be somebody else, and nothing of it happens twice."""

from __future__ import annotations

from typing import Any

from schemas.events import SurveyAnswered
from schemas.facts import FollowUpFact, InvitationFact, Outbound, ResolutionFact, SurveyFact
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.memory_worker import MemoryCluster
from tests.support.tickets.story import at
from tests.support.tickets.town import ANN, BOB, CAT, PARTITIONS, Town, first

DAY = 86_400


def town_of(rules: Rules) -> Town:
    """A town whose workers can sign; Ann's ticket was solved after 120 s."""
    town = Town(rules)
    signing = Signing("https://shop.example", ("secret",))
    town.cluster = MemoryCluster(lambda: TicketsProcessor(rules, signing=signing), PARTITIONS)
    town.message(0, ANN, text="My parcel never arrived.")
    town.reply(60, first(ANN))
    town.status(120, first(ANN), "solved")
    return town.settle()


def answer(town: Town, seconds: float, **fields: Any) -> None:
    town.about(SurveyAnswered, seconds, first(ANN), survey_id="s", episode=1, agent_id="mei", **fields)
    town.settle()


def test_who_was_not_asked_before_the_merge_is_not_asked_after_it(rules: Rules) -> None:
    town = town_of(rules)
    town.merge(300, ANN, BOB)
    town.settle().cluster.advance(at(DAY))
    assert [(fact.outcome, fact.reason) for fact in town.facts(InvitationFact)] == [("withheld", "merged")]
    assert [each for each in town.facts(Outbound) if each.kind == "survey"] == []


def test_who_was_asked_before_it_is_not_asked_again(rules: Rules) -> None:
    town = town_of(rules)
    town.cluster.advance(at(720))
    town.merge(800, ANN, BOB)
    town.settle().merge(900, BOB, CAT)
    town.settle().cluster.advance(at(30 * DAY))
    assert [fact.outcome for fact in town.facts(InvitationFact)] == ["sent"]


def test_it_is_decided_once_by_whoever_has_the_ticket_in_a_newer_row(rules: Rules) -> None:
    town = town_of(rules)
    town.merge(300, ANN, BOB)
    town.settle().cluster.advance(at(8 * DAY))
    solved, decided = sorted(town.facts(ResolutionFact), key=lambda fact: fact.version)
    assert (solved.fcr, decided.fcr, decided.decided_at) == (None, True, at(120 + 7 * DAY))
    assert (solved.ticket_id, decided.ticket_id) == (first(ANN), first(ANN))
    assert town.customer(ANN).episodes == ()


def test_an_answer_under_the_old_link_finds_its_episode_and_its_follow_up(rules: Rules) -> None:
    town = town_of(rules)
    town.cluster.advance(at(720))
    town.merge(800, ANN, BOB)
    town.settle()
    answer(town, 1000, csat=1, comment="Bad")
    answer(town, 1100, csat=4)
    rows = [(fact.answer, fact.csat, fact.first_csat, fact.agent_id) for fact in town.facts(SurveyFact)]
    assert rows == [(1, 1, 1, "mei"), (2, 4, 1, "mei")]
    town.reply(1200, first(ANN))
    town.settle()
    assert [fact.status for fact in town.facts(FollowUpFact)] == ["open", "done"]


def test_the_invitations_of_both_count_for_the_cap(rules: Rules) -> None:
    town = town_of(rules)
    town.cluster.advance(at(720))
    town.merge(800, ANN, BOB)
    town.settle()
    town.message(DAY, BOB, text="My card was declined.", channel="sms")
    town.settle()
    town.status(DAY + 60, first(BOB, 2), "solved")
    town.settle().cluster.advance(at(2 * DAY))
    assert sorted((fact.outcome, fact.reason) for fact in town.facts(InvitationFact)) == [
        ("sent", ""),
        ("withheld", "cap"),
    ]
