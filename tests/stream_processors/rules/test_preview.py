"""`python -m stream_processors preview` and `incident`, as somebody uses them who has never done so."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner

from schemas.errors import ConfigurationError
from schemas.published import IncidentChanged
from stream_processors.__main__ import cli
from stream_processors.rules.incident_cli import listing, texts_of
from stream_processors.rules.ruleset import SHIPPED

RUNNER = CliRunner()


def run(*arguments: str) -> tuple[int, str]:
    result = RUNNER.invoke(cli, ["preview", *arguments])
    return result.exit_code, result.output + result.stderr


def test_one_acknowledgement_is_shown_as_it_goes_out() -> None:
    code, shown = run("--locale", "ja", "--situation", "damaged_packaging", "--channel", "sms")
    assert code == 0
    assert shown.startswith("佐藤 花様、お荷物の破損お詫びします。")
    assert "of 70 characters of one SMS" in shown and "===" not in shown


def test_what_is_mistyped_is_answered_with_what_there_is() -> None:
    wrong = [
        (("--situation", "damaged_packging"), "did you mean damaged_packaging?"),
        (("--locale", "jp"), "one of en, zh-Hans, zh-Hant, ja"),
        (("--channel", "fax"), "one of email, "),
        (("--brand", "acme"), "there are no brands"),
        (("--config", "/nowhere/at/all"), "is not a directory"),
        (("--html", "/nowhere/at/all.html"), "cannot be written"),
    ]
    found = [(arguments, *run(*arguments)) for arguments, _ in wrong]
    assert [each for each, (_, told) in zip(found, wrong, strict=True) if each[1] != 2 or told not in each[2]] == []


def test_everything_is_written_as_one_page_and_gaps_are_listed(tmp_path: Path) -> None:
    page, config = tmp_path / "all.html", Path(copytree(SHIPPED, tmp_path / "config"))
    (config / "templates" / "ja" / "vip.txt").unlink()
    code, shown = run("--situation", "vip", "--html", str(page), "--config", str(config))
    assert (code, shown.strip()) == (0, f"20 acknowledgements are in {page}")
    assert page.read_text("utf-8").count("no email.vip in ja") == 1
    code, shown = run("--missing", "--config", str(config))
    assert code == 0 and "ja: no email.vip" in shown and "zh-Hant > zh-Hans > en" in shown
    (config / "templates" / "en" / "vip.txt").write_text("{% extends channel %}\n{{ nmae }}", "utf-8")
    code, shown = run("--config", str(config))
    assert code == 2 and f"{config}/templates/en/vip.txt:2: unknown variable 'nmae'" in shown


def test_texts_of_an_incident_are_given_by_language() -> None:
    assert texts_of(["en=Cards fail: a=b.", " ja = 障害 "]) == {"en": "Cards fail: a=b.", "ja": "障害"}
    for wrong in ([], ["Cards fail."], ["ja=障害"], ["en=x", "fr=y"], ["en="]):
        with pytest.raises(ConfigurationError, match="--text"):
            texts_of(wrong)


def test_incidents_that_go_on_are_listed_with_whom_they_are_told() -> None:
    begun = IncidentChanged(
        incident="cards", effective_from=2, append_by=0, texts={"en": "A.", "ja": "B."}, published_by="me"
    )
    over = [
        IncidentChanged(incident="site", effective_from=at, append_by=0, texts=texts)
        for at, texts in ((1, {"en": "C."}), (3, {}))
    ]
    shown = listing([over[1], begun, over[0]])
    assert "cards" in shown and "en: A." in shown and "ja: B." in shown and "all" in shown and "site" not in shown
    assert listing(over) == "No incident goes on."
