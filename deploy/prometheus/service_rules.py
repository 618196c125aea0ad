"""Declares alerts of the service on absolute numbers: one customer suffices, or no share can be computed."""

from __future__ import annotations

from deploy.prometheus.burn import span
from deploy.prometheus.rule import SERVICE, Alert, Group, Record, counted
from deploy.prometheus.slos import Plan

__all__ = ["groups"]

TEAM = "support"
#: Windows in which silence is looked for: the short one sees a busy channel fall silent soon, the long one a quiet one at all.
SILENCE = ("30m", "6h")


def groups(plan: Plan) -> list[Group]:
    """Returns the groups of rules."""
    return [
        Group(
            "deskstream-usual", [*_usual_tags(), *(record for window in SILENCE for record in _usual_contacts(window))]
        ),
        Group(
            "deskstream-service",
            [
                _vip(plan),
                *_longest_waits(plan),
                _chat_unavailable(plan),
                _presence_source_silent(),
                _tag_spike(plan),
                _silent_channel(plan),
            ],
        ),
    ]


def _usual_tags() -> list[Record]:
    """Records the usual count at this hour: the highest of yesterday's, last week's and the mean of the week."""
    now = "deskstream:tags_applied:increase1h"
    parts = (("day", f"{now} offset 1d"), ("week", f"{now} offset 7d"), ("mean", f"avg_over_time({now}[7d] offset 1h)"))
    counts = counted("deskstream_tags_applied_total", "1h")
    return [
        Record(now, f"sum by (namespace, tag, quadrant) (\n  {counts}\n)"),
        Record("deskstream:tags_applied:usual1h", f"max by (namespace, tag, quadrant) (\n{_parts(parts)}\n)"),
    ]


def _usual_contacts(window: str) -> list[Record]:
    """Records the usual contacts of a channel at this hour: the lowest of yesterday's, last week's and the day's mean."""
    now = f"deskstream:contacts_received:increase{window}"
    parts = (
        ("day", f"{now} offset 1d"),
        ("week", f"{now} offset 7d"),
        ("mean", f"avg_over_time({now}[1d] offset {window})"),
    )
    counts = counted('deskstream_contacts_received_total{channel!="none"}', window)
    return [
        Record(now, f"sum by (namespace, channel) (\n  {counts}\n)"),
        Record(
            f"deskstream:contacts_received:usual{window}",
            f"min by (namespace, channel) (\n{_parts(parts)}\n)\nand {now} offset 1d",
        ),
    ]


def _parts(parts: tuple[tuple[str, str], ...]) -> str:
    return "\n  or\n".join(f'  label_replace({expr}, "of", "{name}", "", "")' for name, expr in parts)


def _vip(plan: Plan) -> Alert:
    policies = "|".join(plan.absolute.vip_policies)
    breaches = counted(f'deskstream_sla_breached_total{{policy=~"{policies}",clock!="acknowledgement"}}', "30m")
    return Alert(
        name="VipSlaBreached",
        expr=f"sum by (namespace, clock, policy, channel) (\n  {breaches}\n) > 0.5",
        wait="",
        severity="page",
        team=TEAM,
        kind="service",
        summary="A VIP's {{ $labels.clock }} on {{ $labels.channel }} is past its deadline",
        description="A clock under policy {{ $labels.policy }} was breached in the last 30 minutes.",
        dashboard=f"{SERVICE}?var-channel={{{{ $labels.channel }}}}",
    )


def _longest_waits(plan: Plan) -> list[Alert]:
    """Alerts on the longest waits. `desk` is the team that the customer waits for; `team` is who answers the alert."""
    by_limit: dict[int, list[str]] = {}
    for channel, limit in plan.absolute.longest_wait.items():
        by_limit.setdefault(limit, []).append(channel)
    return [
        Alert(
            name="LongestWaitTooLong",
            expr="max by (namespace, channel, desk) (\n"
            f'  label_replace(deskstream_longest_wait_seconds{{channel=~"{"|".join(channels)}"}}, '
            '"desk", "$1", "team", "(.*)")\n'
            f") > {limit}",
            wait="5m",
            severity="page" if limit <= 3600 else "ticket",
            team=TEAM,
            kind="service",
            summary="{{ $labels.channel }}: a customer has waited for {{ $labels.desk }} for {{ $value | humanizeDuration }}",
            description=f"The oldest message without an answer of a person may wait {span(limit)} on this channel.",
            dashboard=f"{SERVICE}?var-channel={{{{ $labels.channel }}}}",
            extra={"limit": span(limit)},
        )
        for limit, channels in sorted(by_limit.items())
    ]


def _chat_unavailable(plan: Plan) -> Alert:
    return Alert(
        name="ChatUnavailable",
        expr="max by (namespace) (deskstream_chat_open) == 1\nunless max by (namespace) (deskstream_chat_offered) == 1",
        wait=span(plan.absolute.chat_unavailable),
        severity="page",
        team=TEAM,
        kind="service",
        summary="Chat is open by its hours, and no visitor can begin one",
        description="No agent has a free place, or chat does not reach Kafka. Visitors are shown the form instead.",
        dashboard=f"{SERVICE}?var-channel=chat",
        extra={"channel": "chat"},
    )


def _presence_source_silent() -> Alert:
    return Alert(
        name="PresenceSourceSilent",
        expr="max by (namespace, desk) (\n"
        '  label_replace(deskstream_presence_sources_silent, "desk", "$1", "team", "(.*)")\n'
        ") > 0",
        wait="1m",
        severity="page",
        team=TEAM,
        kind="service",
        summary="{{ $labels.desk }}: the help desk reports none of its agents any more",
        description="Its agents stay as they were reported last and go on getting tickets, whether they are there or not.",
        dashboard=f"{SERVICE}?var-team={{{{ $labels.desk }}}}",
    )


def _tag_spike(plan: Plan) -> Alert:
    """Returns the alert of a spike of all contacts; of one brand only where it is none of all."""
    limits = plan.absolute

    def spike(brand: str) -> str:
        contacts, expected = (
            f"max by (namespace, tag, brand, quadrant) (deskstream_tag_spike_{name}{{{brand}}})"
            for name in ("contacts", "expected")
        )
        return f"(\n  {contacts} > {limits.spike_least - 0.5}\n  unless {contacts} < {limits.spike_factor:g} * {expected}\n)"

    everywhere, of_one = spike('brand=""'), spike('brand!=""')
    return Alert(
        name="TagSpike",
        expr=f"{everywhere}\nor (\n{of_one}\nunless on (namespace, tag)\n{everywhere}\n)",
        wait="0m",
        severity="ticket",
        team=TEAM,
        kind="service",
        summary="{{ $labels.tag }} ({{ $labels.quadrant }}) breaks out of its rhythm: {{ $value | humanize }} contacts since then",
        description="Far more than is usual at this hour of the week: the view tag_spikes tells how many, since when, on which "
        "tickets. Quadrant eliminate or simplify: something is broken for customers; leverage: good news.",
        dashboard=f"{SERVICE}?var-tag={{{{ $labels.tag }}}}",
    )


def _silent_channel(plan: Plan) -> Alert:
    limits = plan.absolute
    conditions = [
        f"(\n  deskstream:contacts_received:usual{window} > {limits.silent_least - 0.5}\n"
        f"  unless deskstream:contacts_received:increase{window} "
        f"> {limits.silent_share:g} * deskstream:contacts_received:usual{window}\n)"
        for window in SILENCE
    ]
    return Alert(
        name="SilentChannel",
        expr="\nor\n".join(conditions),
        wait="10m",
        severity="page",
        team="platform",
        kind="service",
        summary="{{ $labels.channel }} has gone silent: {{ $value | humanize }} contacts are usual at this hour",
        description=f"Less than {limits.silent_share * 100:g} % of what came yesterday and last week at this hour. "
        "Customers may be writing and we do not see it.",
        dashboard=f"{SERVICE}?var-channel={{{{ $labels.channel }}}}",
    )
