"""Prewritten answers: which are found, what fills them, and which files are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies import answers_file, followed
from schemas.replies.answers import AnswerBanks, Query
from schemas.replies.followed import RepliesDirectory
from schemas.replies.ticket_lookup import FoundTicket
from tests.support.each import each

BANKS = followed.load().answers
QUERIES = Path(__file__).parents[2] / "examples" / "answers" / "queries.tsv"
#: The least mean reciprocal rank of the queries, which were written before the bank.
LEAST_RANK = 0.95


def offered(query: Query, most: int = 10, banks: AnswerBanks = BANKS) -> list[str]:
    return [each.id for each in banks.offer(query, most).answers]


def test_the_answer_that_is_looked_for_comes_first() -> None:
    ranks: dict[str, list[float]] = {language: [] for language in LOCALES}
    for line in QUERIES.read_text("utf-8").splitlines():
        language, wanted, text = line.split("\t")
        found = offered(Query(language, text=text))
        ranks[language].append(1 / (1 + found.index(wanted)) if wanted in found else 0.0)
    assert {
        language: sum(all_) / len(all_) for language, all_ in ranks.items() if sum(all_) / len(all_) < LEAST_RANK
    } == {}


def test_the_shipped_bank_says_all_in_all_languages() -> None:
    bank = BANKS.bank("")
    assert len(bank.answers) >= 40
    for answer in bank.answers.values():
        for texts in (answer.title, answer.text, answer.keywords):
            assert set(texts) == set(LOCALES), answer.id
        for language, text in answer.text.items():
            filled = [offer for offer in BANKS.offer(Query(language, answer.tags), 1).answers if offer.id == answer.id]
            assert "{" not in (filled[0].text if filled else text.replace("{", "").replace("}", "")), answer.id


def test_a_tag_outweighs_words_and_the_reason_other_tags() -> None:
    query = Query("en", ("payment.charged_twice", "delivery.lost_parcel"), "my parcel is lost, lost, lost")
    assert offered(query)[:2] == ["charged-twice", "lost-parcel"]


def test_nothing_is_offered_where_nothing_fits() -> None:
    offer = BANKS.offer(Query("en", text="xyzzy"), 3)
    assert (offer.answers, offer.next_issues) == ([], [])
    assert BANKS.offer(Query("fr", ("orders.cancel",)), 3).answers == []


def test_what_is_not_known_becomes_a_gap_that_is_advised_on() -> None:
    known = {"order_number": "10023"}
    filled = BANKS.offer(Query("en", ("orders.cancel",), known=known), 1).answers[0]
    assert "order 10023" in filled.text
    assert "5 working days" in filled.text
    gap = BANKS.offer(Query("ja", ("orders.cancel",)), 1).answers[0]
    assert ("[[注文番号]]" in gap.text, gap.missing) == (True, ["order_number"])
    assert followed.load().wording.kinds(gap.text, "ja") == ["placeholder"]


def test_values_are_put_in_once_and_never_read_again() -> None:
    answer = BANKS.offer(Query("en", ("orders.cancel",), known={"order_number": "{agent} [[x]] {"}), 1).answers[0]
    assert "order {agent} [[x]] {" in answer.text


@each(("verified", "told"), [("none", {"ticket"}), ("", {"ticket"}), ("dkim", {"ticket", "name", "order_number"})])
def test_a_stored_name_is_told_to_a_verified_customer_only(verified: str, told: set[str]) -> None:
    ticket = FoundTicket("A-1", [], "en", customer_name="Ann", order_number="10023", verified=verified)
    assert set(ticket.known) == told
    greeting = BANKS.offer(Query("en", known=ticket.known), 1).greeting
    assert greeting == ("Hello Ann," if verified == "dkim" else "Hello,")


def test_the_line_of_the_reason_comes_before_that_of_any() -> None:
    praise, other = (BANKS.offer(Query("en", (tag,)), 1).closing for tag in ("service.praise", "orders.cancel"))
    assert praise != other
    assert "courier" in BANKS.offer(Query("en", ("delivery.lost_parcel",)), 1).holding


def test_a_reason_names_what_is_asked_next() -> None:
    assert [each.question for each in BANKS.offer(Query("en", ("orders.cancel",)), 1).next_issues] == [
        "When is the money back?"
    ]


FILE = """facts: {days: 30}
gaps: {date: {en: day}}
greetings: [{text: {en: "Hello {name},"}}]
answers:
  back:
    tags: [returns.how_to_return]
    title: {en: Back}
    text:
      en: |
        You have {days} days,
        until {date}.
next_issues: [{after: [returns.how_to_return], question: {en: And?}, paragraph: {en: Yes.}}]
"""


@each(("change", "line", "said"), [
    (("{date}.", "{dat}."), 11, "{dat} is not known"),
    (("{days} days", "{ days } days"), 10, "{ days } is not known"),
    (("{days} days", "{{days}} days"), 10, "stands alone"),
    (("Hello {name}", "Hello {x}"), 3, "{x} is not known"),
    (("facts: {days: 30}", "facts: {name: 30}"), 1, "filled with"),
    (("facts: {days: 30}", "facts: {days: []}"), 1, "a text or a number"),
    (("[returns.how_to_return]\n    title", "[Returns!]\n    title"), 6, "is not a tag"),
    (("title: {en: Back}", "title: {ja: Back}"), 7, "has no title in en"),
    (("title: {en: Back}", "titel: {en: Back}"), 7, "not known here"),
    (("  back:", "  Back!:"), 6, "not a slug"),
    (("after: [returns.how_to_return], ", ""), 12, "tags that it comes after"),
    (("title: {en: Back}", "title: {en: Back, fr: Retour}"), 7, "not known here"),
])  # fmt: skip
def test_an_invalid_bank_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    path = tmp_path / "answers.yaml"
    assert change[0] in FILE
    path.write_text(FILE.replace(*change), "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        answers_file.load(path)
    assert said in str(refused.value)
    assert refused.value.where == f"{path}:{line}"


def test_a_brand_says_it_in_its_own_words_and_has_the_common_ones(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text(FILE, "utf-8")
    own = (
        'facts: {days: 60}\nanswers:\n  hi: {title: {en: Hi}, text: {en: "Tea until {date}"}, tags: [service.praise]}\n'
    )
    (tmp_path / "answers.tea.yaml").write_text(own, "utf-8")
    banks = answers_file.load_all(tmp_path)
    assert "60 days" in banks.offer(Query("en", ("returns.how_to_return",), brand="tea"), 1).answers[0].text
    assert offered(Query("en", ("service.praise",), brand="tea"), banks=banks) == ["hi"]
    assert offered(Query("en", ("service.praise",), brand="other"), banks=banks) == []


def test_a_changed_directory_is_read_again_and_an_invalid_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "LOOK_SECONDS", 0.0)
    path = tmp_path / "answers.yaml"

    def write(text: str, at: int) -> None:
        path.write_text(text, "utf-8")
        os.utime(path, (at, at))

    write(FILE, 1)
    directory = RepliesDirectory(tmp_path)
    assert list(directory.replies.answers.bank("").answers) == ["back"]
    write(FILE.replace("{days} days", "{d} days"), 2)
    assert list(directory.replies.answers.bank("").answers) == ["back"]
    write(FILE.replace("  back:", "  forth:"), 3)
    assert list(directory.replies.answers.bank("").answers) == ["forth"]
