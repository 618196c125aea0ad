"""Situations of `situations.yaml`: which one a contact is in, what is refused, and what never depends on the file."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import CLOSED
from schemas.errors import ConfigurationError
from stream_processors.rules import ruleset
from stream_processors.rules.situations import NO_SITUATIONS, Circumstances, Situations

RULES = ruleset.load()
SITUATIONS = RULES.situations
MAIL = Circumstances("email", "en", contacts=0)

#: What is known of a contact, and the situation that it is in.
CHOSEN = [
    ({}, "first_contact"),
    ({"contacts": 3}, "returning"),
    ({"contacts": None}, ""),
    ({"closed": "holiday", "contacts": 3}, "holiday"),
    ({"closed": "weekend"}, "weekend"),
    ({"closed": "out_of_hours"}, "out_of_hours"),
    ({"incident": True, "closed": "weekend"}, "incident"),
    ({"tier": "vip", "incident": True}, "vip"),
    ({"tier": "gold"}, "vip"),
    ({"tier": "silver"}, "first_contact"),
    ({"dissatisfied": True, "tier": "vip"}, "angry"),
    ({"tags": ("delivery.lost_parcel",), "dissatisfied": True}, "lost_order"),
    ({"tags": ("orders.cancel", "packaging.damaged_box")}, "damaged_packaging"),
    ({"tags": ("product.poor_quality",), "contacts": None}, "unhappy_with_product"),
    ({"handed_over": True, "tags": ("delivery.lost_parcel",)}, "handed_over"),
]


def test_a_contact_is_in_the_first_situation_whose_conditions_hold() -> None:
    found = [(known, SITUATIONS.choose(MAIL._replace(**known))) for known, _ in CHOSEN]
    assert found == CHOSEN
    assert {name for _, name in CHOSEN} - {""} == set(SITUATIONS.names)


def test_rules_with_another_taxonomy_and_no_situations_are_valid(tmp_path: Path) -> None:
    """A directory from before there were situations gets those that ship, which name tags that its taxonomy may lack."""
    copytree(ruleset.SHIPPED, tmp_path / "rules")
    (tmp_path / "rules" / "situations.yaml").unlink()
    taxonomy = tmp_path / "rules" / "taxonomy.yaml"
    taxonomy.write_text(re.sub(r"\blost_parcel\b", "gone_parcel", taxonomy.read_text("utf-8")), "utf-8")
    assert ruleset.load(tmp_path / "rules").situations.names == SITUATIONS.names
    (tmp_path / "rules" / "situations.yaml").write_bytes((ruleset.SHIPPED / "situations.yaml").read_bytes())
    files = ruleset.read_files(tmp_path / "rules")
    with pytest.raises(ConfigurationError, match=r"'delivery\.lost_parcel' is not a tag"):
        ruleset.of_files(files, "support.example")


def test_conditions_are_all_or_any_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "situations.yaml"
    path.write_text(
        """
situations:
  both: {when: {channel: [email, form], staffed: false, language: ja}}
  either:
    when:
      - {tag: payment.*, brand: zen}
      - {contacts: {at_least: 2, at_most: 3}, public: true}
""",
        "utf-8",
    )
    known = Situations.load(path, ["payment.card_declined", "orders.cancel"], ["zen"])
    cases = [
        (Circumstances("form", "ja", closed="weekend"), "both"),
        (Circumstances("form", "ja"), ""),
        (Circumstances("chat", "ja", closed="weekend"), ""),
        (Circumstances("chat", "en", brand="zen", tags=("payment.card_declined",)), "either"),
        (Circumstances("chat", "en", brand="acme", tags=("payment.card_declined",)), ""),
        (Circumstances("chat", "en", brand="zen", tags=("orders.cancel",)), ""),
        (Circumstances("social", "en", contacts=3, public=True), "either"),
        (Circumstances("social", "en", contacts=4, public=True), ""),
        (Circumstances("social", "en", contacts=None, public=True), ""),
    ]
    assert [known.choose(case) for case, _ in cases] == [name for _, name in cases]


@given(
    st.sampled_from(["", *SITUATIONS.names]),
    st.sampled_from(["", "vip", "gold", "silver"]),
    st.booleans(),
    st.sampled_from([SITUATIONS, NO_SITUATIONS]),
)
def test_articles_never_stand_in_for_a_person(name: str, tier: str, dissatisfied: bool, known: Situations) -> None:
    offered = known.may_offer_articles(name, dissatisfied=dissatisfied, tier=tier)
    assert not (
        offered
        and (dissatisfied or tier in ("vip", "gold") or (name in ("angry", "vip", "handed_over") and known.rules))
    )


#: What somebody may write, in which line it is refused, and with which words.
REFUSED = [
    ("[]", 1, "must be a mapping"),
    ("situation: {}", 1, "'situation' is not known here"),
    ("situations:\n  vip: {}", 2, "has no conditions"),
    ("situations:\n  vip: {when: {}}", 2, "must be conditions"),
    ("situations:\n  vip:\n    when: {teir: vip}", 3, "'teir' is not known here"),
    ("situations:\n  vip:\n    when:\n      tag: nothing.known", 4, "is not a tag"),
    ("situations:\n  vip:\n    when:\n      tag: [orders.cancel, nothing.*]", 4, "is not a tag"),
    ("situations:\n  vip:\n    when:\n      - {tier: vip}\n      - {language: de}", 5, "'de' is not a language"),
    ("situations:\n  vip:\n    when: {channel: fax}", 3, "'fax' is not a channel"),
    ("situations:\n  vip:\n    when: {brand: none}", 3, "'none' is not a brand"),
    ("situations:\n  vip:\n    when: {closed: sometimes}", 3, "'sometimes' is not a closed"),
    ("situations:\n  vip:\n    when: {dissatisfied: 1}", 3, "true or false"),
    ("situations:\n  vip:\n    when: {contacts: -1}", 3, "no number of contacts"),
    ("situations:\n  vip:\n    when: {contacts: {over: 1}}", 3, "'over' is not known here"),
    ("situations:\n  vip:\n    when: {tier: vip}\n    articles: perhaps", 4, "true or false"),
    ("situations:\n  sms:\n    when: {tier: vip}", 3, "cannot name a situation"),
    ("situations:\n  Angry Ones:\n    when: {tier: vip}", 3, "cannot name a situation"),
    ("no_articles_for_tiers: {vip: true}", 1, "must be a text or a list"),
    ("situations: {a: {when: {tier: x}}, a: {when: {tier: y}}}", 1, "given twice"),
]


def test_a_mistake_is_refused_with_its_line(tmp_path: Path) -> None:
    path, wrong = tmp_path / "situations.yaml", []
    for text, line, told in REFUSED:
        path.write_text(text, "utf-8")
        try:
            Situations.load(path, RULES.taxonomy.tags, ())
        except ConfigurationError as error:
            if told not in str(error) or error.where != f"{path}:{line}":
                wrong.append((text, str(error)))
        else:
            wrong.append((text, "taken"))
    assert wrong == []


def test_every_reason_that_nobody_works_is_a_situation() -> None:
    assert set(CLOSED) <= set(SITUATIONS.names)


def test_templates_of_a_situation_that_there_is_not_are_refused(tmp_path: Path) -> None:
    files = ruleset.read_files(ruleset.SHIPPED)
    files["templates/ja/lost_oder.txt"] = b"{% extends channel %}"
    with pytest.raises(
        ConfigurationError, match=r"templates/ja/lost_oder\.txt: .*neither a kind of channel nor a situation"
    ):
        ruleset.of_files(files, "support.example")
