"""The file of webhook subscriptions: what it says, and the mistakes that are refused with their line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas import facts
from schemas.errors import ConfigurationError
from sinks.webhooks import payload
from sinks.webhooks.server import FileWatch
from sinks.webhooks.subscriptions import named, read
from tests.support.sinks.examples import example

GOOD = """\
subscriptions:
  - name: help-desk
    url: https://desk.example/hooks/in
    secret: 0123456789abcdef-x
    facts: [ticket_fact, contact_fact]
    channels: [email, chat]
  - name: lake
    url: https://lake.example/in
    secrets: [a-new-secret-of-lake, an-old-secret-of-lake]
    facts: "*"
    teams: [billing]
    start: now
    enabled: false
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webhooks.yaml"
    path.write_text(text)
    return path


def test_a_file_says_who_hears_what(tmp_path: Path) -> None:
    desk, lake = read(written(tmp_path, GOOD))
    assert (desk.name, desk.group, desk.url) == ("help-desk", "webhooks-help-desk", "https://desk.example/hooks/in")
    assert desk.facts == {facts.TicketFact, facts.ContactFact}
    assert [topic.name for topic in desk.topics] == ["contact-facts", "ticket-facts"]
    assert (desk.secrets, desk.start, desk.enabled) == (("0123456789abcdef-x",), "beginning", True)
    assert lake.secrets == ("a-new-secret-of-lake", "an-old-secret-of-lake")
    assert lake.facts == set(payload.KINDS.values())
    assert (lake.names, lake.start, lake.enabled) == (("*",), "now", False)
    assert "secret-of" not in repr(lake)
    assert named([desk, lake], "lake") is lake


def test_a_subscription_hears_its_facts_of_its_channels_and_teams_only(tmp_path: Path) -> None:
    desk, lake = read(written(tmp_path, GOOD))
    assert desk.wants(example(facts.TicketFact, channel="email"))
    assert not desk.wants(example(facts.TicketFact, channel="sms"))
    assert not desk.wants(example(facts.TagFact, channel="email"))
    assert lake.wants(example(facts.TicketFact, team="billing"))
    assert not lake.wants(example(facts.TicketFact, team="other"))
    assert not lake.wants(example(facts.DeliveryFact)), "which has no team"


TOLD = """\
subscriptions:
  - name: support-chat
    url: https://chat.example/hooks/in
    secret: 0123456789abcdef-x
    facts: [automation_fact]
    targets: [support]
    format: text
"""


def test_a_chat_hears_what_rules_say_to_it_as_text_and_nothing_else(tmp_path: Path) -> None:
    (chat,) = read(written(tmp_path, TOLD))
    told = {"action": "chat", "target": "support", "outcome": "done", "text": "Ticket T-1 is late"}
    said = example(facts.AutomationFact, **told)
    assert chat.wants(said)
    assert payload.body(said, text_only=chat.text_only) == b'{"text":"Ticket T-1 is late"}'
    others = ({"target": "erp"}, {"outcome": "withheld"}, {"action": "mail"}, {"action": "set_priority"}, {"text": ""})
    assert [change for change in others if chat.wants(example(facts.AutomationFact, **told | change))] == []
    with pytest.raises(ConfigurationError, match=r"webhooks.yaml:7: format: 'xml' is none of fact, text"):
        read(written(tmp_path, TOLD.replace("format: text", "format: xml")))
    with pytest.raises(ConfigurationError, match="only what rules say has a text"):
        read(
            written(
                tmp_path,
                TOLD.replace("[automation_fact]", "[automation_fact, tag_fact]").replace(
                    "    targets: [support]\n", ""
                ),
            )
        )


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("name: help-desk", "name: Help Desk", 2, "'Help Desk' is not lower-case letters"),
        ("name: lake", "name: help-desk", 7, "'help-desk' is there already"),
        ("    secret: 0123", "    secrt: 0123", 4, "'secrt' is not a key (did you mean secret?)"),
        ("secret: 0123456789abcdef-x", "secret: short", 4, "at least 16 characters"),
        ("secret: 0123456789abcdef-x", "secret: 12345678901234567890", 4, "in quotes if it is a number"),
        ("[a-new-secret-of-lake,", "[a-third-secret-of-lake, a-new-secret-of-lake,", 9, "two may be valid"),
        ("ticket_fact,", "ticket,", 5, "'ticket' is not a fact (did you mean ticket_fact?)"),
        ("ticket_fact,", "webhook_delivered,", 5, "'webhook_delivered' is not a fact"),
        ("[ticket_fact, contact_fact]", "[]", 5, "must be a list of facts"),
        ("[email, chat]", "[email, chart]", 6, "'chart' is not a channel (did you mean chat?)"),
        ("ticket_fact,", "delivery_fact, assignment_fact,", 5, "assignment_fact has no channel"),
        ("https://desk", "http://desk", 3, "facts go over https only"),
        ("desk.example", "127.0.0.1", 3, "127.0.0.1 is not a public address"),
        ("desk.example", "[::ffff:10.0.0.1]", 3, "is not a public address"),
        ("desk.example", "localhost", 3, "localhost is not a public address"),
        ("desk.example", "me:word@desk.example", 3, "holds a user or password"),
        ("https://desk.example/hooks/in", "ftp://desk.example", 3, "is not an address"),
        ("https://desk.example/hooks/in", "https://desk.example:port/", 3, "is not an address"),
        ("start: now", "start: later", 12, "'later' is none of beginning, now"),
        ("enabled: false", "enabled: maybe", 13, "must be true or false"),
        ("teams: [billing]", "teams: billing", 11, "must be a list of names"),
        ("    start: now\n", "    start: now\n    start: now\n", 13, "'start' is given twice"),
        ("subscriptions:", "subscribers:", 1, "one key is expected"),
        ("enabled: false", "enabled: [", 14, "is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    assert GOOD.count(old) == 1
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert caught.value.where == f"{path}:{line}"
    assert complaint in str(caught.value)


def test_private_addresses_and_http_are_allowed_by_the_setting(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("https://desk.example", "http://10.0.0.7:8080"))
    assert read(path, allow_private=True)[0].url == "http://10.0.0.7:8080/hooks/in"


def test_without_a_file_or_a_name_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_WEBHOOKS_FILE: it is not set"):
        read(None)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="known: help-desk, lake"):
        named(read(written(tmp_path, GOOD)), "desk")


# -- a file that is being written --------------------------------------------------------------------------------------


def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "webhooks.yaml"
    file.write_text("subscriptions: []")
    watched = FileWatch(file)
    assert not watched.settled(), "nothing has changed"
    for size in (10, 20, 30):  # somebody writes to it while it is looked at
        file.write_text("x" * size)
        assert not watched.settled()
    assert watched.settled(), "it stayed the same from one check to the next"
    assert not watched.settled(), "each change is told once"


def test_a_change_back_to_what_is_in_force_is_no_change(tmp_path: Path) -> None:
    file, other = tmp_path / "webhooks.yaml", tmp_path / "kept.yaml"
    file.write_text("a")
    watched = FileWatch(file)
    file.rename(other)
    assert not watched.settled()
    other.rename(file)
    assert [watched.settled() for _ in range(3)] == [False] * 3


@pytest.mark.parametrize("change", ["size", "time", "another file", "removed"])
def test_a_file_has_changed_by_its_size_its_time_or_another_in_its_place(tmp_path: Path, change: str) -> None:
    file, other = tmp_path / "webhooks.yaml", tmp_path / "other.yaml"
    for path, text in ((file, "a"), (other, "a")):
        path.write_text(text)
        os.utime(path, ns=(1, 1))
    watched = FileWatch(file)
    match change:
        case "size":
            file.write_text("ab")
            os.utime(file, ns=(1, 1))
        case "time":
            os.utime(file, ns=(1, 2))
        case "another file":
            other.replace(file)
        case _:
            file.unlink()
    assert [watched.settled() for _ in range(3)] == [False, True, False]


def test_a_mistake_without_a_remedy_names_none(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("enabled: false", "enabled: maybe"))
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert (caught.value.problem, caught.value.fix) == ("enabled: must be true or false", "")
