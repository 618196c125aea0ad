"""Replies of many mailers in many languages become what their customers wrote; a customer's words are never lost."""

from __future__ import annotations

import time

import pytest

from producers.mail import event as email
from producers.mail.quotes import Thread, newest_part
from tests.support.producers import quote_examples
from tests.support.producers.quote_examples import QuoteExample, lines_of

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
EXAMPLES = quote_examples.all_examples()
GROUPS = sorted({example.group for example in EXAMPLES})


def written(example: QuoteExample) -> list[str]:
    return lines_of(email.normalise(example.raw(), now=NOW).text)


@pytest.mark.parametrize("group", GROUPS)
def test_what_the_customer_wrote_is_taken_from_every_mail(group: str) -> None:
    found = {
        example.name: (written(example), lines_of(example.wanted)) for example in EXAMPLES if example.group == group
    }
    assert {name: lines for name, (lines, wanted) in found.items() if lines != wanted} == {}


def test_there_are_at_least_150_whole_mails_and_frames_for_more() -> None:
    assert len(list(quote_examples.marked())) + len(list(quote_examples.pages())) >= 105
    assert len(EXAMPLES) >= 900
    assert {label.split()[0] for label, _ in quote_examples.rows("attributions.txt")} == set(quote_examples.SENTENCES)
    assert {label.split()[0] for label, _ in quote_examples.rows("header_blocks.txt")} == set(quote_examples.SENTENCES)


def test_a_first_mail_loses_no_words_whatever_it_looks_like() -> None:
    """With all that is known of a thread against it, a quote may stay, but all lines of the customer do."""
    for example in EXAMPLES:
        if not example.is_page:
            forwarded = Thread.of(example.subject, "", refers=False).forwarded
            thread = Thread(example.subject, answers=False, forwarded=forwarded, sender="ann@example.org")
            kept = lines_of(newest_part(example.body, thread=thread))
            assert [line for line in lines_of(example.wanted) if line not in kept] == [], example.name


def test_what_is_new_in_the_new_words_is_all_of_them() -> None:
    for example in EXAMPLES:
        if not example.is_page:
            once = newest_part(example.body)
            assert newest_part(once) == once, example.name


HOSTILE = [
    *("From: a\n", "From:\n", "From: a\nDate: 1\n", "Sent: 9:00\nFrom: a\nTo: b\nSubject: c\n\nx:\n", "From: a\n\n", "| a | b\n", "| |\n"),
    *("On 2 Mar 2026 at 9:00 A <a@b.c> wrote:\n", "On 2 Mar 2026 at 9:00 A <a@b.c> wrote:\n> ", "On 2 Mar 2026\nat 9:00\n<a@b.c> wrote:\n"),
    *("wrote:\n", "a@b.c:\n", "写道：\n", ":\n", ":: ", "foo:\n> a\n", "> a\nb\n", "> a\n\n", "> \n", "> On 2 Mar 2026, A wrote:\n", "> ", " >"),
    *("--\n", "--\nAnn\n", "-- \nAnn\n> q\n", "━━━━━━━━━━\nTEL 1\n", "_" * 32 + "\n", "_" * 32 + "\nFrom: a\n", "-----Original Message-----\n> a\n"),
    *("Sent from my iPhone\n", "x\nSent from my iPhone\n> a\n", "发自我的", "iphone ", "Sent from my ", "Von meinem ", "Hello,\n", "\n", " \n"),
    *("-", "_ ", "Mar. ", "2 ", "2 Mar. ", "aaaa. b", "@", "a@", "<", "wrote ", "2026-03-02 ", "9:00 ", "2026年", "\u200e", "\t"),
]  # fmt: skip


def test_hostile_text_is_read_in_linear_time() -> None:
    thread, slow = Thread("Re: x", answers=True, sender="a@b.c"), {}
    for unit in HOSTILE:
        began = time.process_time()
        newest_part("Hello\n" + unit * (200_000 // len(unit)), thread=thread)
        if (took := time.process_time() - began) > 2.0:
            slow[unit] = took
    assert slow == {}


def test_no_mark_of_a_page_reaches_the_event() -> None:
    marks = {chr(code) for code in range(0xFDD0, 0xFDD5)}
    for example in EXAMPLES:
        if example.is_page:
            event = email.normalise(example.raw(), now=NOW)
            assert marks.isdisjoint(event.full_text), example.name
            assert marks.isdisjoint(event.text), example.name
    forged = QuoteExample("", "", "\ufdd2Hello\n\ufdd0> a step\n\ufdd1line\nmy lamp \ufdd2 is broken", "")
    assert email.normalise(forged.raw(), now=NOW).full_text == "Hello\n> a step\nline\nmy lamp  is broken"
