"""What the view says, on terminals of several sizes, while things start and when they run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.desk_summary import ChannelCounts, ClockCounts, DeskSummary, TagCount, TeamLoad
from deploy.local.metric_samples import RecentHistogram, buckets, parse_metrics, quantile, total
from deploy.local.observe import Flow, Snapshot
from deploy.local.supervisor import ProcessStatus
from deploy.local.view import TryIt, page, status_line

PICTURES = Path(__file__).parents[1] / "examples" / "view"
MB = 1024 * 1024
MONDAY_0930 = 1_772_443_800_000_000  # 2026-03-02T09:30:00Z
TRY_IT = TryIt(
    form="curl -F name=Ann -F email=ann@example.org -F message='Where is my parcel?' http://127.0.0.1:23456/form",
    mail="copy an .eml file to .data/inbox",
    query='source .data/env; .venv/bin/python -m sinks query "SELECT * FROM tickets_current"',
)
BUSY = Snapshot(
    now=MONDAY_0930,
    speed=60.0,
    desk=DeskSummary(
        channels={
            name: ChannelCounts(contacts, contacts // 2)
            for name, contacts in {
                "email": 512,
                "chat": 301,
                "form": 90,
                "sms": 44,
                "social": 41,
                "phone": 38,
                "voicemail": 9,
                "in_person": 3,
            }.items()
        },
        statuses={"new": 20, "open": 31, "pending": 40, "hold": 2, "solved": 400, "closed": 26},
        teams={
            team: TeamLoad(number, 2 * number, 2, 3)
            for number, team in enumerate(("accounts", "delivery", "payments", "product", "returns", "support"))
        },
        acknowledged=480,
        suppressed={"auto_submitted": 11, "recipient_cap": 2, "no_reply": 1},
        languages={"en": 300, "ja": 100, "zh-Hans": 90, "zh-Hant": 29},
        tagged=467,
        tags=[TagCount(f"delivery.reason_{n}", 60 - n, "bad", "simplify") for n in range(12)],
        clocks={
            "acknowledgement": ClockCounts(2, 0, 0, 1, 478),
            "first_response": ClockCounts(31, 4, 2, 19, 401),
            "next_response": ClockCounts(9, 1, 0, 7, 210),
            "full_resolution": ClockCounts(90, 2, 1, 5, 420),
        },
        csat_answers=120,
        csat_mean=4.21,
        csat_low=9,
        first_response=(754.0, 9_400.0),
        rows={"tickets": 2100, "contacts": 3400, "clocks": 4100},
    ),
    flow=Flow(
        published=1038,
        received=1040,
        per_second=3.24,
        visible=(0.31, 0.62),
        delivered=(0.012, 0.044),
        lag={"worker": 3, "sink-clickhouse": 12},
    ),
    processes=[
        ProcessStatus(name, 4000 + n, "running", 0, 120 * MB, 130 * MB)
        for n, name in enumerate(
            ("kafka", "clickhouse", "worker", "sink-clickhouse", "sink-delivery", "http", "mail", "mailbox")
        )
    ]
    + [ProcessStatus("simulator", 0, "restarting", 2, 0, 90 * MB, -9)],
    up_seconds=75,
)


def lines(snapshot: Snapshot, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, color_system=None, file=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(page(snapshot, TRY_IT, width, height), height=height)
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(160, 48), (120, 36), (100, 30)])
def test_the_page_shows_every_figure_and_fits_its_terminal(width: int, height: int) -> None:
    shown = lines(BUSY, width, height)
    assert len(shown) <= height
    assert max(map(len, shown)) <= width
    text = "\n".join(shown)
    for wanted in (
        "1,038",
        "512",
        "480",
        "31",
        "4.21 (120), 9 low",
        "13 min, p90 2.61 h",
        "late: ",
        "delivery.reason_0",
        "3.2/s",
        "p99 620 ms",
        "09:30",
    ):
        assert wanted in text, wanted
    for wanted in ("sink-clickhouse", "exit -9", "curl -F name=Ann", ".data/inbox", "python -m sinks query"):
        assert wanted in text, wanted


@pytest.mark.parametrize(("width", "height"), [(160, 48), (120, 36)])
def test_on_a_terminal_of_usual_width_nothing_is_cut_off(width: int, height: int) -> None:
    assert [line for line in lines(BUSY, width, height) if "…" in line] == []


def test_commands_that_need_two_lines_each_are_shown_whole() -> None:
    long = TryIt(form="x" * 120 + "1", mail="y" * 120 + "2", query="z" * 120 + "3")
    console = Console(width=118, height=38, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(page(BUSY, long, 118, 38), height=38)
    shown = captured.get()
    assert [shown.count(f"{mark}{number}") for mark, number in ("x1", "y2", "z3")] == [1, 1, 1]


def test_channels_without_room_are_summed_up() -> None:
    text = "\n".join(lines(BUSY, 120, 22))
    assert "512" in text
    assert "more" in text


def test_the_page_stands_while_nothing_answers_yet() -> None:
    starting = Snapshot(now=MONDAY_0930, missing=("worker", "clickhouse"))
    text = "\n".join(lines(starting, 120, 36))
    assert "waiting for worker, clickhouse" in text
    assert "no contact yet" in text


def test_the_status_line_has_the_same_numbers() -> None:
    line = status_line(BUSY)
    assert line.count("\n") == 0
    assert line.startswith("Mon 09:30 simulated · 1,038 contacts (3.2/s) · 519 tickets, 426 solved")
    assert "480 acknowledged, 14 suppressed" in line
    assert "first answer 13 min, p90 2.61 h · SLA 7 at risk, 3 overdue, 32 breached" in line
    assert "simulator restarted 2x" in line


def test_metrics_pages_are_read_with_their_labels() -> None:
    samples = parse_metrics(
        "# HELP deskstream_rows_written_total Rows\n"
        'deskstream_rows_written_total{table="tickets"} 12.0\n'
        'deskstream_rows_written_total{table="cont\\"acts"} 3.0\n'
        "deskstream_sink_paused 1.0\n"
        "python_info 1.0\n"
    )
    assert total(samples, "deskstream_rows_written_total") == 15
    assert samples["deskstream_sink_paused", ()] == 1
    assert len(samples) == 3


def test_quantiles_are_linear_within_a_bucket() -> None:
    # 10 below 0.1 s, 80 more below 0.5 s, 10 more below 1 s: the 50th of 100 is 40/80 into 0.1..0.5
    counts = {0.1: 10.0, 0.5: 90.0, 1.0: 100.0, float("inf"): 100.0}
    assert quantile(0.5, counts) == pytest.approx(0.3)
    assert quantile(0.99, counts) == pytest.approx(0.95)
    assert quantile(0.5, {0.1: 0.0, float("inf"): 0.0}) is None
    assert quantile(0.99, {0.1: 0.0, float("inf"): 5.0}) == 0.1  # beyond the last bound: at least so much


def test_recent_quantiles_forget_what_is_old_and_survive_a_restart() -> None:
    recent = RecentHistogram(seconds=60)
    recent.add(0, {0.1: 1000.0, 1.0: 1000.0})
    recent.add(10, {0.1: 1000.0, 1.0: 1010.0})
    assert recent.quantiles() == (pytest.approx(0.55), pytest.approx(0.991))
    recent.add(20, {0.1: 4.0, 1.0: 4.0})  # smaller: the process was restarted
    assert recent.quantiles() == (pytest.approx(0.05), pytest.approx(0.099))


def test_buckets_are_summed_over_the_other_labels() -> None:
    samples = parse_metrics(
        'deskstream_delivery_seconds_bucket{channel="email",le="0.1"} 2.0\ndeskstream_delivery_seconds_bucket{channel="sms",le="0.1"} 3.0\n'
    )
    assert buckets(samples, "deskstream_delivery_seconds") == {0.1: 5.0}


@pytest.mark.parametrize(("width", "height"), [(160, 48), (120, 36), (100, 30)])
def test_the_page_as_a_whole(width: int, height: int) -> None:
    """A change of the page is seen in the diff of its picture; `lines(...)` above draws it anew."""
    picture = (PICTURES / f"{width}x{height}.txt").read_text("utf-8")
    assert "\n".join(line.rstrip() for line in lines(BUSY, width, height)) + "\n" == picture


def coloured(width: int, height: int) -> str:
    """The page with the codes of its colours, `<31>` for red."""
    console = Console(width=width, height=height, color_system="standard", force_terminal=True, legacy_windows=False)
    with console.capture() as captured:
        console.print(page(BUSY, TRY_IT, width, height), height=height)
    return re.sub("\x1b\\[([0-9;]*)m", r"<\1>", captured.get())


def test_the_colours_of_the_page() -> None:
    assert coloured(120, 36) == (PICTURES / "120x36.colours.txt").read_text("utf-8")
