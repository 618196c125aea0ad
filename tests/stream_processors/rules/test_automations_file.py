"""automations.yaml: what is refused, with which line and advice; and that what ships does nothing by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigurationError
from stream_processors.rules import automations_file, ruleset
from stream_processors.rules.automations import ACTIONS, TRIGGERS, Automations, filled
from stream_processors.rules.roster import Member, Roster
from stream_processors.rules.ruleset import Rules
from tests.support.each import each

RULES = ruleset.load()
KNOWN = automations_file.Known(RULES.teams, RULES.taxonomy, RULES.policies, RULES.roster, RULES.brands, RULES.guards)
HIGH = "[{set_priority: high}]"


def read(text: str, known: automations_file.Known = KNOWN, answers: str = "") -> Automations:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "automations.yaml"
        path.write_text(text, "utf-8")
        if answers:
            (path.parent / automations_file.ANSWERS).write_text(answers, "utf-8")
        return automations_file.load(path, known)


def rule(when: str = "{opened: true}", then: str = HIGH, more: str = "") -> str:
    return f"automations:\n  - name: it\n    when: {when}\n    then: {then}\n{more}"


#: What is written, the line of the mistake, and what must be said of it.
REFUSED = {
    "another trigger": (rule("{tagged: x}"), 3, "did you mean tag?"),
    "two triggers": (rule("{opened: true, tier: vip}"), 3, "has one trigger"),
    "no trigger": ("automations:\n  - name: it\n    then: [{survey: true}]", 2, "has one trigger"),
    "a tag that there is not": (rule("{tag: delivery.carier_delay}"), 3, "did you mean delivery.carrier_delay?"),
    "a group that there is not": (rule("{tag: delivry.*}"), 3, "is not a tag"),
    "a team that there is not": (rule(then="[{transfer: delivry}]"), 4, "did you mean delivery?"),
    "a priority that there is not": (rule(then="[{set_priority: higher}]"), 4, "did you mean high?"),
    "the tag that it waits for": (
        rule("{tag: delivery.*}", "[{add_tag: delivery.carrier_delay}]"),
        4,
        "that it waits for",
    ),
    "a percentage of no policy": (rule("{at_risk: 60}"), 3, "warns at 50, 75, 90"),
    "no percentage at all": (rule("{at_risk: {percent: []}}"), 3, "warns at []"),
    "a clock that there is not": (rule("{at_risk: {percent: 75, clock: first_reply}}"), 3, "is not a clock"),
    "a time without a unit": (rule("{in_status: {status: pending, for: 48}}"), 3, "write for example 90s"),
    "a closed ticket": (rule("{in_status: {status: closed, for: 1d}}"), 3, "closed ticket"),
    "a score of ten": (rule("{score: {at_least: 9}}"), 3, "score of 1 to 5"),
    "no score at all": (rule("{score: {at_least: 4, at_most: 2}}"), 3, "no score is both"),
    "a mailbox of ours": (rule(then="[{notify: {mail: help@support.example}}]"), 4, "would open a ticket"),
    "no address": (rule(then="[{notify: {mail: lead}}]"), 4, "not a mail address"),
    "two addresses in one": (rule(then="[{notify: {mail: 'a@b.example, c@d.example'}}]"), 4, "not a mail address"),
    "nobody to notify": (rule(then="[{notify: {text: hello}}]"), 4, "notifies nobody"),
    "a placeholder that there is not": (rule(then="[{notify: {chat: a, text: '{phone}'}}]"), 4, "use ticket, rule"),
    "a brace alone": (rule(then="[{notify: {chat: a, text: 'a { b'}}]"), 4, "brace"),
    "a change because of a spike": (rule("{spike: any}"), 4, "only notify"),
    "a condition on a spike": (
        rule("{spike: any}", "[{notify: {chat: a}}]", "    if: {tier: vip}"),
        5,
        "has no conditions",
    ),
    "a ticket of a spike": (rule("{spike: any}", "[{notify: {chat: a, text: '{ticket}'}}]"), 4, "is not known"),
    "a priority twice": (rule(then="[{set_priority: high}, {set_priority: low}]"), 4, "set_priority twice"),
    "nothing to do": (rule(then="[]"), 4, "does nothing"),
    "another action": (rule(then="[{close: true}]"), 4, "is not an action"),
    "a condition that there is not": (rule(more="    if: {agent: mei}"), 5, "'agent' is not known here"),
    "a text for no English": (rule(then="[{answer: {ja: やあ}}]"), 4, "English"),
    "an answer that there is not": (rule(then="[{answer: hello}]"), 4, "put answers.yaml beside"),
    "a name twice": (rule() + "  - {name: it, when: {opened: true}, then: [{survey: true}]}", 5, "another rule"),
    "a name with a space": (rule().replace("it\n", "my rule\n"), 2, "cannot name a rule"),
    "a mistake in a rule that is off": (rule("{tag: x}", more="    enabled: false"), 3, "is not a tag"),
    "a limit of none": (rule(more="    per_hour: 0"), 5, "from 1 to 1000"),
    "no mapping": ("- a", 1, "must be a mapping"),
    "nothing": ("", 1, "automations: []"),
}


@each("text, line, said", REFUSED.values())
def test_a_mistake_is_refused_with_its_line_and_what_to_write(text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read(text)
    assert f"automations.yaml:{line}:" in str(refused.value)
    assert said in str(refused.value)


ANSWER = """
facts: {return_days: 30}
gaps: {date: {en: day}}
answers:
  hello: {tags: [service.praise], title: {en: Hello}, text: {en: "Hello. You have {return_days} days."}}
  later: {tags: [service.praise], title: {en: Later}, text: {en: "By {date}."}}
"""


def test_a_prewritten_answer_is_taken_with_its_facts_unless_a_person_must_fill_it_in() -> None:
    (action,) = read(rule(then="[{answer: hello}]"), answers=ANSWER).rules[0].actions
    assert action.texts == {"en": "Hello. You have 30 days."}
    with pytest.raises(ConfigurationError, match="has gaps that a person fills in: date"):
        read(rule(then="[{answer: later}]"), answers=ANSWER)


def test_a_strict_roster_knows_who_can_be_assigned() -> None:
    strict = KNOWN._replace(roster=Roster({"mei": Member("mei", "Mei", ("support",))}, strict=True))
    assert read(rule(then="[{assign: mei}]"), strict).rules
    with pytest.raises(ConfigurationError, match="which is strict"):
        read(rule(then="[{assign: tom}]"), strict)


def test_when_a_team_goes_the_rules_that_name_it_are_refused(tmp_path: Path) -> None:
    files = {**ruleset.read_files(ruleset.SHIPPED)}
    files["automations.yaml"] = rule(then="[{transfer: product}]").encode()
    assert ruleset.of_files(files, "support.example").automations.rules
    without = {name: team for name, team in RULES.teams.teams.items() if name != "product"}
    with pytest.raises(ConfigurationError, match="'product' is not a team"):
        read(files["automations.yaml"].decode(), KNOWN._replace(teams=replace(RULES.teams, teams=without)))


def test_answers_are_published_with_rules_that_name_them_and_with_no_others(tmp_path: Path) -> None:
    for name, content in ruleset.read_files(ruleset.SHIPPED).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert automations_file.ANSWERS not in ruleset.read_files(tmp_path)  # those that ship say what they say themselves
    path = tmp_path / "automations.yaml"
    path.write_text(rule(then="[{answer: how-to-return}]"), "utf-8")
    assert automations_file.ANSWERS in ruleset.read_files(tmp_path)
    path.unlink()
    rules: Rules = ruleset.of_files(ruleset.read_files(tmp_path), "support.example")
    assert rules.automations.rules == ()  # rules of their own do not get examples with our tags


def test_policies_without_warnings_refuse_only_rules_that_are_on() -> None:
    quiet = replace(
        RULES.policies, policies=tuple(replace(each_one, at_risk=()) for each_one in RULES.policies.policies)
    )
    text = rule("{at_risk: 75}", more="    enabled: false")
    assert read(text, KNOWN._replace(policies=quiet)).off
    with pytest.raises(ConfigurationError, match="no policy warns at 75"):
        read(text.replace("false", "true"), KNOWN._replace(policies=quiet))


def test_what_ships_is_valid_and_switched_off() -> None:
    assert RULES.automations.rules == ()
    assert {rule.trigger for rule in RULES.automations.off} == {"at_risk", "breach", "in_status", "score", "spike"}
    assert not RULES.automations.of_tickets


def test_a_value_is_not_read_for_placeholders_again() -> None:
    assert filled("{a} and {b}{c}", {"a": "{b}", "b": "x"}) == "{b} and x"


def _words() -> st.SearchStrategy[object]:
    names = [
        *TRIGGERS,
        *ACTIONS,
        "notify",
        "name",
        "when",
        "then",
        "if",
        "percent",
        "status",
        "for",
        "text",
        "any",
        "3d",
    ]
    leaves = st.one_of(st.sampled_from(names), st.integers(-3, 100), st.booleans(), st.none(), st.text(max_size=3))
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=3),
        max_leaves=6,
    )


@settings(max_examples=150, deadline=None)
@given(when=_words(), then=_words(), condition=_words())
def test_whatever_is_written_is_read_or_refused_with_a_line(when: object, then: object, condition: object) -> None:
    import json

    text = json.dumps({"automations": [{"name": "it", "when": when, "then": then, "if": condition}]})
    try:
        read(text)
    except ConfigurationError as error:
        assert "automations.yaml:" in str(error)
