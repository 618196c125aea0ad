"""The commands `language-check` and `answers`, and the wording of our own texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.replies import followed, ticket_lookup
from schemas.replies.ticket_lookup import FoundTicket
from stream_processors.__main__ import cli
from stream_processors.replies import own_texts
from stream_processors.replies.answers import unknown_tags
from stream_processors.rules import ruleset
from tests.support.each import each

RUNNER = CliRunner()
LISTS = followed.load().wording


def run(*arguments: str, given: str | bytes = "") -> tuple[int, str]:
    result = RUNNER.invoke(cli, list(arguments), input=given)
    return result.exit_code, result.output


def test_a_reply_on_standard_input_gets_advice_and_exit_code_0() -> None:
    code, told = run("language-check", given="Hello Ann,\nUnfortunately it broke.")
    assert code == 0
    assert '2:1  negative  "Unfortunately"' in told
    assert "1 piece of advice (en)" in told


def test_a_file_is_read_in_the_language_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reply.txt"
    path.write_text("礙難照辦。", "utf-8")
    told = json.loads(run("language-check", str(path), "--language", "zh-TW", "--json")[1])
    assert (told["language"], [each["kind"] for each in told["advice"]]) == ("zh-Hant", ["negative"])


@each(("arguments", "given", "code", "said"), [
    (("language-check",), "", 0, "no text"),
    (("language-check", "-"), "Thank you, it is on its way.", 0, "reads well"),
    (("language-check",), b"\xff\xfe", 2, "not UTF-8"),
    (("language-check", "a", "b"), "", 2, "2 files"),
    (("language-check", "no-such-file"), "", 2, "cannot be read"),
    (("language-check", "--language", "fr"), "x", 2, "one of en, ja"),
    (("language-check", "--own", "no-such-folder"), "", 2, "does not exist"),
    (("answers",), "", 2, "give --ticket"),
    (("answers", "--text", "xyzzy"), "", 0, "No answer fits"),
    (("answers", "--tags", "delivery.lost"), "", 2, "is not a tag"),
    (("answers", "--text", "x", "--brand", "nobody"), "", 2, "is not a brand"),
    (("answers", "--text", "x", "--language", "fr"), "", 2, "one of en, ja"),
    (("answers", "--check", "no-such-folder"), "", 2, "not a directory"),
    (("answers", "--text", "包裹丢了", "--language", "zh"), "", 0, "lost-parcel"),
])  # fmt: skip
def test_commands_say_what_to_do(
    capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], given: str | bytes, code: int, said: str
) -> None:
    exit_code, told = run(*arguments, given=given)
    assert (exit_code, said in told + capfd.readouterr().err) == (code, True), told


def test_answers_for_a_ticket_are_filled_with_what_may_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(url: str, database: str, ticket_id: str) -> FoundTicket:
        return FoundTicket(
            ticket_id, ["orders.cancel"], "en", customer_name="Ann", order_number="10023", verified="dkim"
        )

    monkeypatch.setattr(ticket_lookup, "find", find)
    code, told = run("answers", "--ticket", "abcdefghijkl-1")
    assert code == 0
    assert "1. cancel-order: Cancel an order  [orders.cancel]" in told
    assert "order 10023" in told
    assert "Hello Ann," in told
    assert "\n    I have stopped order 10023" in told


def test_shipped_answers_name_tags_of_the_shipped_taxonomy() -> None:
    tags = ruleset.load().taxonomy.tags
    assert unknown_tags(followed.load().answers, tags, {tag.partition(".")[0] for tag in tags}) == []


def test_an_unknown_tag_of_an_answer_is_named_with_its_line(tmp_path: Path) -> None:
    text = "answers:\n  a:\n    tags: [no.such]\n    title: {en: T}\n    text: {en: Hi}\n"
    (tmp_path / "answers.yaml").write_text(text, "utf-8")
    found = unknown_tags(followed.load(tmp_path).answers, ["orders.cancel"], ["orders"])
    assert found == [("answers.yaml:3: a", "no.such")]


def test_our_own_texts_read_well() -> None:
    assert own_texts.check([ruleset.SHIPPED, followed.SHIPPED], LISTS) == []


def test_advice_on_our_own_texts_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "ja").mkdir()
    files = {
        "ja/email.html": "<style>a{content:'残念ながら'}</style>\n{# 残念ながら #}\n{% if x %}<b>残念ながら</b>{% endif %}",
        "sms.en.txt": "{% if promised %}by {{ promised }}{% else %}as soon as possible{% endif %}\nUnfortunately, {{ name }}",
        "notices.yaml": "help:\n  en:\n    - Fine.\n    - Sadly not.\nother: Sadly not.\nja: |\n  はい。\n  あいにくです。\n",
        "README.txt": "Unfortunately.",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    found = [(str(each.path.relative_to(tmp_path)), each.line) for each in own_texts.check([tmp_path], LISTS)]
    assert found == [("ja/email.html", 3), ("notices.yaml", 4), ("notices.yaml", 8), ("sms.en.txt", 2)]
    assert run("language-check", "--own", str(tmp_path))[0] == 1
