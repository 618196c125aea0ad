"""Mails that are small to write and large to parse: each is taken or refused within 200 MB and a bounded time.

Before there were bounds, 7 MB of empty parts took 618 MB and 13 s, and 300 nested boundaries 25 s. Every mail is taken
in a child process whose memory and CPU are limited by the system. `make test` takes some of them; `make soak` all, and
measures their CPU.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter

import pytest

from producers.sources.mail_intake import mail_event
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.settings import ProducerSettings
from tests.support.producers import mail_bombs, mail_costs
from tests.support.producers.mail_rows import mails_with_rows

MOST_SECONDS = 0.25
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z

#: One of each kind, with what becomes of it.
SOME = {
    "empty_parts_7mb": "too_costly",
    "parts_with_names": "too_costly",
    "lines_like_boundaries": "too_costly",
    "nested_300": "undecodable_mime",
    "nested_30_with_lines": "event",
    "rfc822_50_with_blanks": "event",
    "delivery_status_blocks": "too_costly",
    "60_large_html_parts": "event",
    "500_winmail": "event",
    "headers_100k": "too_costly",
    "header_20mb": "too_costly",
    "content_type_parameters": "too_costly",
    "from_comments": "no_sender",
    "from_blanks_quoted": "no_sender",
    "blank_lines_24mb": "event",
    "blank_lines_24mb_multipart": "event",
    "base64_wrong_24mb": "event",
    "qp_soft_breaks_24mb": "event",
    "uu_unended_many": "event",
    "flowed_24mb": "event",
    "digits_groups": "event",
    "bars_in_one_line": "event",
    "html_overflow": "event",
    "html_nested_200k": "event",
    "html_attributes_distinct": "event",
    "html_numeric_long_fallback": "event",
    "rtf_fields": "event",
    "rtf_fonts_open": "event",
    "tnef_props": "event",
    "ics_folds": "event",
}


def costs(names: list[str]) -> dict[str, dict[str, object]]:
    """Takes mails in children, and returns what each came to."""
    command = [sys.executable, "-m", "tests.support.producers.mail_costs", *names]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return {each["name"]: each for each in map(json.loads, run.stdout.splitlines())}


def test_a_mail_that_costs_too_much_ends_within_the_budget() -> None:
    found = costs(list(SOME))
    assert {name: each["outcome"] for name, each in found.items()} == SOME


@pytest.mark.soak
def test_no_mail_takes_more_than_250_ms_and_200_mb() -> None:
    over = list(mail_bombs.BOMBS)
    for _ in range(3):  # other processes share the machine: what is too slow is taken again
        found = costs(over)
        outcomes = Counter(str(each["outcome"]) for each in found.values())
        assert set(outcomes) <= {"event", "too_costly", "undecodable_mime", "no_sender"}, found
        over = [name for name, each in found.items() if float(str(each["seconds"])) > MOST_SECONDS]
        print(dict(outcomes), {name: found[name] for name in over})
        if not over:
            return
    assert not over


def seconds_of(raw: bytes) -> float:
    began = time.process_time()
    mail_costs.taken(raw)
    return time.process_time() - began


@pytest.mark.soak
def test_a_long_row_of_anything_takes_no_more_than_250_ms() -> None:
    seed = random.randrange(2**32)
    for what, raw in mails_with_rows(random.Random(seed), 5_000):
        seconds = seconds_of(raw)
        if seconds > MOST_SECONDS:
            seconds = min(seconds_of(raw) for _ in range(3))
        assert seconds < MOST_SECONDS, (seed, what)


def test_a_mail_that_costs_too_much_is_refused_by_every_source() -> None:
    take = mail_event(ProducerSettings(), None)
    with pytest.raises(Refused) as refused:
        take(mail_bombs.BOMBS["headers_100k"](), InputContext(received_at=NOW))
    assert (refused.value.reason, refused.value.detail) == (
        "too_costly",
        "the mail has more than 20000 lines of headers",
    )
