"""The policies file: which policy fits, what it promises, what only says thanks, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.errors import ConfigurationError
from stream_processors.rules import ruleset, teams_file
from stream_processors.rules.policies import Policies, Policy, due_at
from stream_processors.rules.ruleset import SHIPPED

HEAD = "time_zone: Europe/London\nreopen: {window: 7d, thanks: [thanks]}\n"
GOOD = (
    HEAD
    + """\
policies:
  - name: vip-chat
    when: {channel: [chat, phone], tier: vip}
    targets: {first_response: 60s}
  - name: cards
    when: {tags: payment.card_declined}
    targets: {first_response: 10m}
  - name: payment
    when: {tags: [payment]}
    targets: {first_response: 20m}
  - name: returns-ja
    when: {team: returns, language: ja}
    targets: {first_response: 30m}
  - name: urgent
    when: {priority: urgent}
    targets: {first_response: 1h}
    margin: 10m
  - name: rest
    targets: {first_response: 1.5h, full_resolution: 2d}
    margin: 30s
"""
)


def load(tmp_path: Path, text: str) -> Policies:
    path = tmp_path / "policies.yaml"
    path.write_text(text, "utf-8")
    return Policies.load(path, teams_file.load(SHIPPED / "teams.yaml"))


@pytest.fixture(scope="module")
def shipped() -> Policies:
    calendars = Calendars.load(SHIPPED / "calendars.yaml")
    return Policies.load(SHIPPED / "policies.yaml", teams_file.load(SHIPPED / "teams.yaml"), calendars)


def match(policies: Policies, **wanted: object) -> Policy:
    known = {"channel": "email", "priority": "normal", "tags": (), "tier": "", "team": "support", "language": "en"}
    return policies.match(**(known | wanted))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({}, "rest"),
        ({"channel": "chat"}, "rest"),
        ({"channel": "chat", "tier": "vip"}, "vip-chat"),
        ({"channel": "phone", "tier": "vip", "priority": "urgent"}, "vip-chat"),
        ({"tags": ("payment.card_declined",)}, "cards"),
        ({"tags": ("product.broken", "payment.card_declined")}, "cards"),
        ({"tags": ("payment.refund_late",)}, "payment"),
        ({"tags": ("payments.other",)}, "rest"),
        ({"team": "returns", "language": "ja"}, "returns-ja"),
        ({"team": "returns", "language": "en"}, "rest"),
        ({"priority": "urgent"}, "urgent"),
    ],
)
def test_the_first_policy_whose_conditions_all_hold_is_in_force(
    wanted: dict[str, object], name: str, tmp_path: Path
) -> None:
    policies = load(tmp_path, GOOD)
    assert match(policies, **wanted).name == name
    assert match(policies, **wanted).name == name  # and again, remembered


def test_durations_are_seconds(tmp_path: Path) -> None:
    assert match(load(tmp_path, GOOD)).targets == {"first_response": 5400.0, "full_resolution": 172800.0}


def test_the_promise_is_the_target_and_a_margin(tmp_path: Path) -> None:
    policies = load(tmp_path, GOOD)
    assert match(policies, priority="urgent").promised_at(1_000_000) == (1 + 3600 + 600) * 1_000_000
    assert match(policies, tags=("payment.x",)).promised_at(0) == 1200 * 1_000_000  # no margin given


def test_without_a_target_nothing_is_promised(tmp_path: Path) -> None:
    assert match(load(tmp_path, HEAD + "policies:\n  - {name: none, targets: {}}\n")).promised_at(5) is None


@pytest.mark.parametrize(
    ("channel", "seconds"),
    [
        ("chat", 120),
        ("phone", 120),
        ("voicemail", 3600),
        ("social", 3600),
        ("sms", 3600),
        ("email", 86400),
        ("form", 86400),
        ("in_person", 600),
    ],
)
def test_the_shipped_first_response_targets_are_the_fields_own(channel: str, seconds: int, shipped: Policies) -> None:
    """Of a message that comes on a working day at ten: a mail within 24 hours is one within a working day."""
    policy, tuesday = match(shipped, channel=channel), 1_795_514_400 * MICROS
    assert due_at(tuesday, policy.targets["first_response"], policy.calendar) == tuesday + seconds * MICROS


def test_every_shipped_promise_is_later_than_its_target(shipped: Policies) -> None:
    assert all(policy.margin_seconds > 0 for policy in shipped.policies)


@pytest.mark.parametrize(
    "text",
    [
        "Thanks",
        "thank you very much!",
        "Ok, great. Thanks a lot for your help :)",
        "Cheers",
        "THX!!!",
        "谢谢",
        "好的，谢谢您的帮助！",
        "非常感谢",
        "謝謝你們",
        "ありがとうございます。",
        "ご対応いただきありがとうございました",
        "了解しました、ありがとうございます",
        "Thanks 谢谢",
    ],
)
def test_thanks_in_our_languages_is_recognised(text: str, shipped: Policies) -> None:
    assert shipped.thanks.only(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "ok",
        "great",
        "Thanks, but it is still broken",
        "No thanks",
        "Thanks. When will it arrive?",
        "谢谢，但是还没收到",
        "ありがとう。でも届きません",
        "thanks " * 20,
        "Thanksgiving",
    ],
)
def test_what_says_more_or_less_than_thanks_is_not(text: str, shipped: Policies) -> None:
    assert not shipped.thanks.only(text)


def test_a_name_may_stand_beside_the_thanks(shipped: Policies) -> None:
    assert shipped.thanks.only("Thanks Mei, Ann", "mei", "Ann")
    assert not shipped.thanks.only("Thanks Mei")
    assert not shipped.thanks.only("Mei", "mei")


LAST = "  - {name: rest, targets: {}}\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "holds no policies"),
        (HEAD + "policies: []\n", 3, "holds no policies"),
        (HEAD.replace("Europe/London", "Mars/Base") + "policies:\n" + LAST, 1, "'Mars/Base' is not a time zone"),
        (HEAD.replace("Europe/London", "../etc") + "policies:\n" + LAST, 1, "'../etc' is not a time zone"),
        (HEAD.replace("time_zone: Europe/London\n", "") + "policies:\n" + LAST, 1, "None is not a time zone"),
        (HEAD.replace("7d", "7 weeks") + "policies:\n" + LAST, 2, "'7 weeks' is not a duration"),
        ("time_zone: UTC\npolicies:\n" + LAST, 1, "`reopen` is missing"),
        (HEAD + "policies:\n  - {targets: {}}\n", 4, "a policy needs a name"),
        (HEAD + "policies:\n  - {name: rest}\n", 4, "policy 'rest' has no targets"),
        (HEAD + "policies:\n  - {name: rest, targets: {firstresponse: 1h}}\n", 4, "'firstresponse' is not known here"),
        (HEAD + "policies:\n  - {name: rest, targets: {first_response: 0s}}\n", 4, "'0s' is not a duration"),
        (
            HEAD + "policies:\n  - {name: rest, targets: {first_response: 3661d}}\n",
            4,
            "'3661d' is longer than ten years",
        ),
        (HEAD + "policies:\n  - {name: rest, targets: {first_response: 60}}\n", 4, "60 is not a duration"),
        (HEAD + "policies:\n  - {name: a, when: {channel: fax}, targets: {}}\n" + LAST, 4, "'fax' is not a channel"),
        (HEAD + "policies:\n  - {name: a, when: {team: x}, targets: {}}\n" + LAST, 4, "'x' is not a team"),
        (HEAD + "policies:\n  - {name: a, when: {priority: 1}, targets: {}}\n" + LAST, 4, "1 is not a priority"),
        (
            HEAD + "policies:\n  - {name: a, when: {channel: []}, targets: {}}\n" + LAST,
            4,
            "is an empty list: the policy could never fit",
        ),
        (HEAD + "policies:\n  - {name: a, when: {moon: full}, targets: {}}\n" + LAST, 4, "'moon' is not known here"),
        (HEAD + "policies:\n  - {name: a, when: {tier: vip}, targets: {}}\n", 4, "the last policy has conditions"),
        (HEAD + "policies:\n  - {name: a, targets: {}}\n" + LAST, 4, "nothing after 'a' can ever fit"),
        (
            HEAD + "policies:\n  - {name: rest, when: {tier: vip}, targets: {}}\n" + LAST,
            5,
            "the policy 'rest' is there twice",
        ),
        (HEAD + "policies:\n" + LAST + "extra: 1\n", 5, "'extra' is not known here"),
    ],
)
def test_a_mistake_is_refused_with_its_line(text: str, line: int, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, text)
    assert refused.value.problem == problem
    assert refused.value.where == f"{tmp_path / 'policies.yaml'}:{line}"


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("payment.card_declined", ""),
        ("payment", ""),  # and everything below it
        ("payments", "'payments' is not a tag, nor above one"),
        ("payment.card", "'payment.card' is not a tag, nor above one"),
        ("", "'' is not a tag, nor above one"),
    ],
)
def test_a_policy_for_an_unknown_tag_is_refused(tag: str, problem: str) -> None:
    files = ruleset.read_files(SHIPPED)
    policy = f"policies:\n  - {{name: cards, when: {{tags: [{tag!r}]}}, targets: {{first_response: 1h}}}}"
    text = files["policies.yaml"].decode()
    line = text[: text.index("\npolicies:")].count("\n") + 3
    files["policies.yaml"] = text.replace("\npolicies:", f"\n{policy}").encode()
    if not problem:
        assert ruleset.of_files(files, "support.example").policies.policies[0].name == "cards"
        return
    with pytest.raises(ConfigurationError) as refused:
        ruleset.of_files(files, "support.example")
    assert (refused.value.problem, refused.value.where) == (problem, f"policies.yaml:{line}")


def test_a_policy_with_a_calendar_promises_working_time(tmp_path: Path) -> None:
    (tmp_path / "calendars.yaml").write_text(
        'calendars: [{name: office, time_zone: Europe/London, hours: {mon-fri: "09:00-18:00"}}]'
    )
    (tmp_path / "policies.yaml").write_text(
        "time_zone: Europe/London\nreopen: {window: 7d}\n"
        "policies:\n  - {name: mail, targets: {first_response: 4h}, margin: 1h, calendar: office}\n"
    )
    calendars = Calendars.load(tmp_path / "calendars.yaml")
    [policy] = Policies.load(tmp_path / "policies.yaml", teams_file.load(SHIPPED / "teams.yaml"), calendars).policies
    friday = int(datetime(2026, 11, 20, 16, tzinfo=UTC).timestamp()) * MICROS
    # Friday 16:00 + 5 working hours: 2 h on Friday, then Monday 09:00 + 3 h
    assert policy.promised_at(friday) == int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * MICROS


def test_measures_may_be_working_time_beside_calendar_targets(tmp_path: Path) -> None:
    """Friday 17:00 and 24 h is Saturday 17:00; which office measures it is part of what the version stands for."""
    versions = set()
    for until in ("18:00", "17:00"):
        (tmp_path / "calendars.yaml").write_text(
            f'calendars: [{{name: office, time_zone: Europe/London, hours: {{mon-fri: "09:00-{until}"}}}}]'
        )
        (tmp_path / "policies.yaml").write_text(
            "time_zone: Europe/London\nreopen: {window: 7d}\n"
            "policies:\n  - {name: mail, targets: {first_response: 24h}, measured_in: office}\n"
        )
        calendars = Calendars.load(tmp_path / "calendars.yaml")
        policies = Policies.load(tmp_path / "policies.yaml", teams_file.load(SHIPPED / "teams.yaml"), calendars)
        [policy] = policies.policies
        assert (policy.calendar, policy.measured_in) == (None, calendars["office"])
        assert policy.promised_at(0) == 24 * 3600 * 1_000_000
        versions.add(policy.version)
    assert len(versions) == 2


@pytest.mark.parametrize("key", ["calendar", "measured_in"])
@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        ('{mon: "09:00-18:00"}', "'nowhere' is not a calendar"),
        ("{mon: []}", "the calendar 'x' never opens: no target"),
        ("always, to: 2027-12-31", "the calendar 'x' never opens after 2027-12-31: no target"),
        ("always, from: 2030-01-01, to: 2030-12-31", "the calendar 'x' never opens after 2030-12-31: no target"),
    ],
)
def test_a_policy_names_a_calendar_that_exists_and_opens(tmp_path: Path, hours: str, problem: str, key: str) -> None:
    name = "nowhere" if "nowhere" in problem else "x"
    (tmp_path / "calendars.yaml").write_text(f"calendars: [{{name: x, time_zone: UTC, hours: {hours}}}]")
    (tmp_path / "policies.yaml").write_text(
        "time_zone: UTC\nreopen: {window: 7d}\n"
        f"policies:\n  - name: mail\n    targets: {{first_response: 4h}}\n    {key}: {name}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        Policies.load(
            tmp_path / "policies.yaml",
            teams_file.load(SHIPPED / "teams.yaml"),
            Calendars.load(tmp_path / "calendars.yaml"),
        )
    assert "policies.yaml:6" in str(caught.value) and problem in str(caught.value)


def test_a_target_of_more_working_time_than_there_is_within_reach_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calendars.yaml").write_text('calendars: [{name: x, time_zone: UTC, hours: {mon: "09:00-10:00"}}]')
    (tmp_path / "policies.yaml").write_text(
        "time_zone: UTC\nreopen: {window: 7d}\n"
        "policies:\n  - name: mail\n    calendar: x\n    targets: {first_response: 4h, full_resolution: 30d}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        Policies.load(
            tmp_path / "policies.yaml",
            teams_file.load(SHIPPED / "teams.yaml"),
            Calendars.load(tmp_path / "calendars.yaml"),
        )
    # 720 hours at one a week are 14 years
    assert "policies.yaml:6: could never be due: x" in str(caught.value)


def test_every_clock_may_have_a_target_and_every_policy_its_own_warnings(tmp_path: Path) -> None:
    policies = load(
        tmp_path,
        HEAD
        + """\
at_risk: [50, 75, 90]
policies:
  - {name: own, when: {tier: vip}, at_risk: [80], targets: {answer: 60s, requester_wait: 1h, agent_work: 2h}}
  - {name: none, when: {tier: gold}, at_risk: [], targets: {first_resolution: 3h}}
  - {name: rest, targets: {full_resolution: 4h}}
""",
    )
    assert [policy.at_risk for policy in policies.policies] == [(80,), (), (50, 75, 90)]
    assert policies.policies[0].targets == {"answer": 60.0, "requester_wait": 3600.0, "agent_work": 7200.0}


@pytest.mark.parametrize(
    "value", ["50", "[0]", "[100]", "[75, 50]", "[50, 50]", "[half]", "[true]", "[50.5]", "{a: 1}"]
)
def test_thresholds_that_are_no_rising_percentages_are_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="no rising list of percentages"):
        load(tmp_path, HEAD + f"at_risk: {value}\npolicies:\n  - {{name: rest, targets: {{}}}}\n")


@pytest.mark.parametrize(("value", "at_risk"), [("[1]", (1,)), ("[99]", (99,)), ("[1, 2, 99]", (1, 2, 99)), ("[]", ())])
def test_thresholds_may_be_any_whole_percentage_below_the_target(
    tmp_path: Path, value: str, at_risk: tuple[int, ...]
) -> None:
    policies = load(tmp_path, HEAD + f"at_risk: {value}\npolicies:\n  - {{name: rest, targets: {{}}}}\n")
    assert policies.policies[0].at_risk == at_risk
    own = f"policies:\n  - {{name: rest, at_risk: {value}, targets: {{}}}}\n"
    assert load(tmp_path, HEAD + own).policies[0].at_risk == at_risk


def test_the_shipped_policies_warn_at_half_three_quarters_and_nine_tenths(shipped: Policies) -> None:
    assert {policy.at_risk for policy in shipped.policies} == {(50, 75, 90)}


def test_a_wrong_margin_is_refused_on_its_line(tmp_path: Path) -> None:
    source = GOOD.replace("margin: 30s", "margin: soon", 1)
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, source)
    assert raised.value.where.endswith(f":{source[: source.index('margin: soon')].count(chr(10)) + 1}")
