"""evaluate: how labelled files are read, scored and printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.errors import ConfigurationError
from stream_processors.__main__ import cli
from stream_processors.rules import ruleset
from stream_processors.tagging.evaluate import read_labelled
from stream_processors.tagging.scores import Labelled, confusions, score, tag_scores

TAXONOMY = ruleset.load().taxonomy
HEAD = "text,language,label,accepted_tags\n"


def labelled(tmp_path: Path, row: str) -> list[Labelled]:
    path = tmp_path / "labelled.csv"
    path.write_text(HEAD + row + "\n", "utf-8")
    return read_labelled(path, TAXONOMY)


def a(text: str, *accepted: str) -> Labelled:
    return Labelled(text, "en", {tag: tag for tag in accepted})


@pytest.mark.parametrize(
    ("row", "accepted"),
    [
        ("hi,en,x,orders.cancel orders.change_items", {"orders.cancel", "orders.change_items", "orders.cannot_cancel"}),
        ("hi,en,greeting|NONE,", set()),
        ("hi,en,x,", set()),
        ("hi,en,x|GAP:press,", {"business.press"}),
        ("hi,en,x|GAP:press,business.wholesale", {"business.press", "business.wholesale", "business.partnership", "pricing.haggle"}),
    ],
)  # fmt: skip
def test_labels_say_which_tags_are_accepted(tmp_path: Path, row: str, accepted: set[str]) -> None:
    [found] = labelled(tmp_path, row)
    assert set(found.accepted) >= accepted
    assert bool(found.accepted) == bool(accepted)


def test_a_tag_that_was_split_off_counts_as_its_former_slug(tmp_path: Path) -> None:
    [found] = labelled(tmp_path, "hi,en,x,site.broken")
    assert found.accepted["site.app_crash"] == found.reason == "site.broken"


@pytest.mark.parametrize("row", ["hi,en,x|SKIP,site.broken", "hi,en,x|GAP:unheard_of,"])
def test_what_no_tag_can_be_right_for_is_left_out(tmp_path: Path, row: str) -> None:
    assert labelled(tmp_path, row) == []


def test_scores_count_misses_wrong_tags_and_false_ones() -> None:
    results = [
        (a("right", "x", "y"), ["z", "y"]),
        (a("missed", "x"), []),
        (a("wrong", "y"), ["z"]),
        (a("none"), ["x"]),
        (a("none"), []),
    ]
    assert tag_scores(results, 3) == {"x": (0, 1, 1), "y": (1, 0, 1), "z": (0, 2, 0)}
    found = score(results, 3)
    assert (found.messages, found.none_messages, found.false) == (3, 2, 0.5)
    assert (found.untagged, found.precision, found.recall) == pytest.approx((1 / 3, 1 / 4, 1 / 3))
    assert found.macro_f1 == pytest.approx((0 + 2 / 3) / 2)
    assert score(results, 1).recall == 0
    assert confusions(results, 3)[0] == ("(none)", "x", 1)


def test_the_command_prints_scores_tags_and_confusions(tmp_path: Path) -> None:
    path = tmp_path / "labelled.csv"
    path.write_text(HEAD + "please cancel my order,en,x,orders.cancel\nwhatever,en,x,orders.cancel\n", "utf-8")
    printed = CliRunner().invoke(cli, ["evaluate", str(path)])
    assert printed.exit_code == 0, printed.output
    assert "50.0%" in printed.output
    assert "orders.cancel" in printed.output
    assert "(untagged)" in printed.output


@pytest.mark.parametrize("content", ["text,language\nhi,en\n", ""])
def test_a_file_without_a_column_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labelled.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match="has no column"):
        read_labelled(path, TAXONOMY)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_labelled(tmp_path / "none.csv", TAXONOMY)
