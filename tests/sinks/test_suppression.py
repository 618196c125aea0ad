"""Which reports suppress an address, what it still gets, and who can make that happen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import identity
from schemas.facts import Outbound, SuppressionFact
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.history import DeliveryHistory
from sinks.delivery.suppression import (
    Evidence,
    Limits,
    after,
    ends,
    is_suppressed,
    refuses,
    released,
    revived,
    status_code,
)
from tests.support.sinks.examples import NOW, outbound
from tests.support.sinks.report_desk import ReportDesk

LIMITS = Limits(bounces=3, days=7)
DAY = 86_400_000_000
EVERY_KIND = ("acknowledgement", "reply", "transcript", "survey", "thanks")


def evidence(mail: int = 1, *, at: int = NOW, **fields: Any) -> Evidence:
    said = {
        "address_key": "K",
        "status": "failed",
        "code": "5.1.1",
        "customer_tag": "ABCDEFGHIJKL",
        "partition": 0,
        "ticket_id": "T",
    }
    return Evidence(**said | {"mail_key": mail, "at": at} | fields)  # type: ignore[arg-type]


def learned(*found: Evidence, known: SuppressionFact | None = None) -> SuppressionFact | None:
    for each in found:
        known = after(known, each, LIMITS) or known
    return known


def stopped(known: SuppressionFact | None, at: int = NOW + 1) -> list[str]:
    return [kind for kind in EVERY_KIND if refuses(known, kind, at)]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, "hard") for code in ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")),
        *((code, "soft") for code in ("", "5.0.0", "5.2.2", "4.2.2", "4.4.7", "5.4.1", "5.4.4", "5.2.0", "5.1.9", "5.1.11", "nonsense")),
        *((code, "none") for code in ("5.7.1", "4.7.1", "5.7.26", "5.3.4", "5.6.0", "5.5.0", "5.1.7", "5.1.8", "4.3.2")),
    ],
)  # fmt: skip
def test_a_status_code_tells_a_dead_mailbox_from_a_full_one(code: str, kind: str) -> None:
    once = learned(evidence(1, code=code))
    thrice = learned(*(evidence(mail, code=code) for mail in range(3)))
    states = {"hard": ("permanent", "permanent"), "soft": ("watched", "temporary"), "none": (None, None)}
    assert (once and once.state, thrice and thrice.state) == states[kind]


@pytest.mark.parametrize("status", ["delayed", "delivered", "relayed", "expanded", "feedback", "", "FAILED"])
def test_a_report_that_is_no_failure_suppresses_nothing(status: str) -> None:
    assert learned(*(evidence(mail, status=status) for mail in range(9))) is None


def test_a_dead_mailbox_gets_nothing_until_it_is_released() -> None:
    dead = learned(evidence())
    assert stopped(dead) == list(EVERY_KIND) == stopped(dead, NOW + 1000 * DAY)
    assert dead is not None
    assert stopped(released(dead, NOW)) == []


def test_temporary_failures_suppress_for_days_and_the_next_one_at_once_again() -> None:
    full = learned(*(evidence(mail, at=NOW + mail, code="5.2.2") for mail in range(3)))
    assert full is not None and full.until is not None
    assert (stopped(full, full.until - 1), stopped(full, full.until)) == (list(EVERY_KIND), [])
    again = learned(evidence(9, at=full.until + 1, code="5.2.2"), known=full)
    assert again is not None and again.state == "temporary"
    much_later = learned(evidence(9, at=full.until + 30 * DAY, code="5.2.2"), known=full)
    assert much_later is not None and (much_later.state, much_later.bounces) == ("watched", 1)


def test_one_mail_counts_once_however_often_it_is_reported() -> None:
    assert stopped(learned(*[evidence(1, code="5.2.2")] * 50)) == []
    dead = learned(evidence(1))
    assert dead is not None
    free = released(dead, NOW + 1)
    assert after(free, evidence(1, at=NOW + 2), LIMITS) is None, "a report that is delivered twice undoes no release"
    assert stopped(learned(evidence(2, at=NOW + 2), known=free), NOW + 3) == list(EVERY_KIND), "another mail bounces"


def test_who_complains_gets_the_replies_of_people_only() -> None:
    told = learned(evidence(status="complained", code="abuse"))
    assert stopped(told) == ["acknowledgement", "transcript", "survey", "thanks"]
    assert stopped(learned(evidence(2), known=told)) == list(EVERY_KIND), "and nothing when the mailbox is gone"


def test_who_unsubscribes_gets_no_surveys_whatever_else_happens() -> None:
    told = learned(evidence(status="unsubscribed", code=""))
    assert stopped(told) == ["survey", "thanks"]
    full = learned(*(evidence(mail, code="5.2.2", at=NOW + mail) for mail in range(2, 5)), known=told)
    assert stopped(full, NOW + DAY) == list(EVERY_KIND)
    assert stopped(full, NOW + 20 * DAY) == ["survey", "thanks"]
    assert full is not None and stopped(released(full, NOW + DAY), NOW + 2 * DAY) == []


_codes = st.sampled_from(["5.1.1", "5.2.2", "5.7.1", "", "4.4.7"])
_reports = st.builds(
    evidence,
    st.integers(1, 6),
    at=st.integers(NOW, NOW + 60 * DAY),
    status=st.sampled_from(["failed", "delayed", "complained", "unsubscribed", "feedback"]),
    code=_codes,
    proven=st.booleans(),
)


@given(st.lists(_reports, max_size=25))
def test_versions_rise_and_what_is_stopped_is_shown(reports: list[Evidence]) -> None:
    known: SuppressionFact | None = None
    for each in reports:
        fact = after(known, each, LIMITS)
        if fact is not None:
            assert fact.version == fact.at > (known.version if known else 0)
            assert (fact.reason != "") == (fact.state in ("permanent", "temporary"))
            assert not (known and known.unsubscribed) or fact.unsubscribed
        known = fact or known
        if known is not None:
            for now in (each.at, each.at + 30 * DAY):
                assert bool(stopped(known, now)) == is_suppressed(known, now)
    if not any(each.status in ("failed", "complained", "unsubscribed") for each in reports):
        assert known is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [("550 5.1.1 <a@b>: unknown", "5.1.1"), ("550 no such mailbox", ""), ("554 mail from 10.5.1.1 blocked", ""), ("552 5.2.2 full", "5.2.2")],
)  # fmt: skip
def test_the_status_code_of_an_answer_is_found(answer: str, code: str) -> None:
    assert status_code(answer) == code


def test_a_report_of_who_may_have_seen_only_an_answer_suppresses_for_days() -> None:
    for fields in ({}, {"status": "complained", "code": "abuse"}):
        doubtful = learned(evidence(proven=False, **fields))
        assert doubtful is not None and doubtful.until == NOW + 7 * DAY
        assert "survey" in stopped(doubtful) and stopped(doubtful, NOW + 7 * DAY) == []
        assert after(doubtful, evidence(2, proven=False), LIMITS) is None, "nobody prolongs it"
        sure = learned(evidence(3), known=doubtful)
        assert sure is not None and sure.state == "permanent"


def test_what_a_customer_writes_ends_a_temporary_suppression() -> None:
    doubtful = learned(evidence(proven=False), evidence(status="unsubscribed", code=""))
    assert doubtful is not None
    assert not ends(doubtful, "acknowledgement", NOW - 1, NOW + 9), "it was written before"
    assert not ends(doubtful, "reply", NOW + 8, NOW + 9), "an agent wrote it"
    assert ends(doubtful, "acknowledgement", NOW + 8, NOW + 9)
    assert stopped(revived(doubtful, NOW + 9), NOW + 10) == ["survey", "thanks"]
    assert not ends(learned(evidence()), "acknowledgement", NOW + 8, NOW + 9), "a dead mailbox"


# -- the sink's part: only what was sent counts -----------------------------------------------------------------------


def test_a_bounce_of_a_mail_that_we_sent_suppresses_its_recipient() -> None:
    desk = ReportDesk()
    desk.sends()
    desk.hears(recipients=["ANN@Example.ORG"])
    assert desk.refuses(address="Ann@example.org") == "suppressed"
    assert desk.refuses(address="bob@example.org") == ""
    assert desk.refuses(address="ann@example.org", channel="chat") == "", "only mail"


@pytest.mark.parametrize(
    "forged",
    [
        {"recipients": ["victim@example.org"]},
        {"message_id": "<ds.ABCDEFGHIJKL-1.guess@support.example>"},
        {"message_id": ""},
        {"message_id": outbound().message_id.upper()},
        {"recipients": []} | {"message_id": "<other@example.org>"},
        {"recipients": ["not an address", "ann@example.org.evil.test", "ann+x@example.org"]},
    ],
)
def test_a_forged_bounce_suppresses_nobody(forged: dict[str, Any]) -> None:
    desk = ReportDesk()
    desk.sends()
    for code in ("5.1.1", "5.2.2"):
        for status in ("failed", "complained", "unsubscribed"):
            desk.hears(**forged, error_code=code, status=status)
    assert desk.list.facts == {}


def test_no_broken_address_stops_the_sink() -> None:
    desk = ReportDesk()
    desk.sends()
    for broken in ("a@[@x.de", "[@@x.de", "(@x.de", "\ud800@x.de", "a@\ud800.de", "\u00df@" + "\u00e9." * 300):
        desk.hears(recipients=[broken])
        assert desk.refuses(address=broken, cc=[broken]) == "", "the adapter refuses it, with the reason"
    assert desk.list.facts == {}


def test_of_a_mail_to_several_no_report_suppresses_anybody() -> None:
    desk = ReportDesk()
    for number in range(5):
        named = f"<ds.ABCDEFGHIJKL-1.{number}@support.example>"
        desk.sends(cc=["bob@example.org"], bcc=["eve@example.org"], message_id=named)
        for status in ("failed", "complained"):
            desk.hears(message_id=named, status=status)
            desk.hears(message_id=named, status=status, recipients=[])
    assert desk.list.facts == {}, "eve, who has seen the Message-ID, may have written it"


def test_a_complaint_that_hides_its_author_is_about_the_only_recipient() -> None:
    desk = ReportDesk()
    desk.sends()
    desk.hears(recipients=[], status="complained", error_code="abuse")
    assert (desk.refuses(kind="survey"), desk.refuses(kind="reply")) == ("suppressed", "")


def test_a_forger_who_knows_message_and_recipient_is_undone_by_the_next_mail_of_the_customer() -> None:
    desk = ReportDesk()
    desk.sends()
    desk.hears(proof="")
    desk.hears(proof="AAAAAAAAAAAAAAAA")
    assert desk.refuses(kind="reply") == "suppressed"
    assert desk.refuses(kind="acknowledgement", at=SinkSettings().pipeline_clock.now()) == ""
    assert desk.refuses(kind="reply") == ""
    desk.hears(proof="")
    assert desk.refuses(kind="reply") == "", "the same mail counts once"


def test_a_copy_to_a_suppressed_address_is_left_out() -> None:
    desk = ReportDesk()
    desk.sends(address="bob@example.org")
    desk.hears(recipients=["bob@example.org"])
    allowed = asyncio.run(
        desk.reports.allowed(outbound(cc=["Bob@example.org", "cid@example.org"], bcc=["bob@EXAMPLE.org"]))
    )
    assert isinstance(allowed, Outbound)
    assert (allowed.cc, allowed.bcc) == (["cid@example.org"], [])


def test_the_list_finds_an_address_after_its_secret_was_changed() -> None:
    desk = ReportDesk()
    try:
        identity.use(["an old secret of tags"])
        desk.sends()
        desk.hears()
        identity.use(["a new secret of tags", "an old secret of tags"])
        assert desk.refuses() == "suppressed"
        desk.hears()
        assert len(desk.list.facts) == 1
    finally:
        identity.use()


def test_what_is_known_outlasts_a_change_of_the_secret_and_another_report() -> None:
    desk = ReportDesk()
    try:
        identity.use(["an old secret of tags"])
        desk.sends()
        desk.hears(status="complained", error_code="abuse")
        identity.use(["a new secret of tags", "an old secret of tags"])
        later = desk.sends(message_id="<ds.ABCDEFGHIJKL-1.later@support.example>")
        desk.hears(message_id=later.message_id, error_code="4.2.2")
        assert (desk.refuses(kind="survey"), desk.refuses(kind="reply")) == ("suppressed", "")
        assert len(desk.list.facts) == 1
    finally:
        identity.use()


@pytest.mark.parametrize(
    ("answer", "suppresses"),
    [("550 5.1.1 no such user", True), ("550 no such mailbox", False), ("550 5.7.1 blocked", False), ("553 5.1.8 bad sender", False)],
)  # fmt: skip
def test_what_the_server_answers_of_the_mailbox_is_believed(answer: str, suppresses: bool) -> None:
    desk = ReportDesk()
    for number in range(4):
        error = Undeliverable("bounced", "smtp_permanent", answer)
        asyncio.run(desk.reports.refused_by_server(outbound(message_id=f"<{number}@x.example>"), error, 0))
    assert (desk.refuses() == "suppressed") == suppresses
    assert not any("example.org" in str(fact) for fact in desk.list.facts.values()), "no address is stored"


def test_the_history_remembers_the_newest_mails_and_to_whom_they_went() -> None:
    history = DeliveryHistory(2)
    for number in (1, 2, 3):
        history.add_mail(number, [f"K{number}", "L"])
    assert [history.recipients(number) for number in (1, 2, 3, 4)] == [[], ["K2", "L"], ["K3", "L"], []]
