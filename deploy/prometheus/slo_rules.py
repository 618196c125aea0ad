"""Declares the recording rules of every window, and the burn-rate alerts of every SLO.

One alert per clock and severity: `FirstResponseBurn` with labels `clock`, `channel`, `slo`. It fires while the failures
over a long window are more than its share and at least the floor, until the short window *shows* that it is over. An
empty short window shows nothing: on a channel with three contacts an hour five quiet minutes are no recovery.
"""

from __future__ import annotations

from deploy.prometheus.burn import Burn, span
from deploy.prometheus.rule import SERVICE, Alert, Group, Record, counted, either
from deploy.prometheus.slos import CSAT, Plan, Slo

__all__ = ["alert_name", "groups"]

BY = "namespace, clock, channel"
_WHAT = {
    "acknowledgement": "contacts were not acknowledged in time",
    "answer": "calls and chats were not answered in time",
    "first_response": "customers got no first answer of a person in time",
    "next_response": "customers got no further answer of a person in time",
    "requester_wait": "customers waited too long altogether",
    "agent_work": "tickets took us too much time",
    "first_resolution": "tickets were not solved in time",
    "full_resolution": "tickets were not solved for good in time",
    CSAT: "answers to the survey were a 1 or a 2",
}


def alert_name(clock: str) -> str:
    """Returns the name of a clock's burn-rate alert."""
    return "".join(word.capitalize() for word in clock.split("_")) + "Burn"


def groups(plan: Plan) -> list[Group]:
    """Returns the groups of rules, by window."""
    lengths = sorted({length for window in plan.windows for length in (window.long, window.short)} | {plan.period})
    return [
        *(Group(f"deskstream-sla-{span(length)}", _recorded(span(length)), _interval(length)) for length in lengths),
        Group("deskstream-objectives", _objectives(plan)),
        Group("deskstream-burn", [alert for slo in plan.slos for alert in _alerts(slo)]),
    ]


def _interval(length: int) -> str:
    """Returns how often a window is evaluated: long ones rarely, at most every 4 minutes, Prometheus's look-back."""
    return "" if length <= 6 * 3600 else "2m"


def _recorded(window: str) -> list[Record]:
    """Records events, failures and their share in a window; a corrected breach counts as met."""
    met = counted("deskstream_sla_met_total", window)
    breached = counted("deskstream_sla_breached_total", window)
    corrected = f"-1 * ({counted('deskstream_sla_corrected_total', window)})"
    scores = counted("deskstream_csat_answers_total", window)
    low = counted('deskstream_csat_answers_total{score=~"[12]"}', window)
    events, bad = f"deskstream:sla_events:increase{window}", f"deskstream:sla_bad:increase{window}"
    every = _indented(either(("met", met), ("breached", breached), ("corrected", corrected)))
    failed = _indented(either(("breached", breached), ("corrected", corrected)))
    csat = {"clock": CSAT}
    return [
        Record(events, f"sum by ({BY}) (\n{every}\n)"),
        Record(events, f"sum by (namespace, channel) (\n  {scores}\n)", csat),
        Record(bad, f'clamp_min(sum by ({BY}) (\n{failed}\n), 0)\nor 0 * {events}{{clock!="{CSAT}"}}'),
        Record(
            bad,
            f"sum by (namespace, channel) (\n  {low}\n)\n"
            f'or 0 * sum by (namespace, channel) ({events}{{clock="{CSAT}"}})',
            csat,
        ),
        Record(f"deskstream:sla_bad:ratio{window}", f"{bad} / ({events} > 0)"),
    ]


def _indented(expression: str) -> str:
    return "\n".join(f"  {line}" for line in expression.splitlines())


def _objectives(plan: Plan) -> list[Record]:
    """Records the objective, and the rest of the period's budget, for dashboards."""
    period, rules = span(plan.period), []
    for slo in plan.slos:
        labels = {"slo": slo.name, "clock": slo.clock, "channel": slo.channel, "owner": slo.owner}
        series = f'{{clock="{slo.clock}",channel="{slo.channel}"}}'
        left = f"1 - sum by (namespace) (deskstream:sla_bad:ratio{period}{series}) / {_short(1 - slo.objective)}"
        rules.append(Record("deskstream:slo_objective:ratio", f"vector({_short(slo.objective)})", labels))
        rules.append(Record("deskstream:slo_budget_left:ratio", left, labels))
    return rules


def _alerts(slo: Slo) -> list[Alert]:
    if slo.severity == "ticket":
        return [_alert(slo, list(slo.burns), "ticket")]
    by_severity = {
        severity: [burn for burn in slo.burns if burn.window.severity == severity] for severity in ("page", "ticket")
    }
    return [_alert(slo, burns, severity) for severity, burns in by_severity.items() if burns]


def _alert(slo: Slo, burns: list[Burn], severity: str) -> Alert:
    windows = ", ".join(f"{_short(burn.factor)} times over {span(burn.window.long)}" for burn in burns)
    return Alert(
        name=alert_name(slo.clock),
        expr="\nor\n".join(_condition(slo, burn) for burn in burns),
        wait="",
        severity=severity,
        team=slo.owner,
        kind="slo",
        summary=f"{slo.channel}: {{{{ $value | humanizePercentage }}}} of {_WHAT[slo.clock]}",
        description=f"The objective is {_short(slo.objective * 100)} %. Its budget is burning faster than {windows}, "
        f"with at least {slo.floor} failures.",
        dashboard=f"{SERVICE}?var-channel={slo.channel}",
        extra={"slo": slo.name},
    )


def _condition(slo: Slo, burn: Burn) -> str:
    """Returns the alert's condition. `floor - 0.5` because increases are extrapolated: 5 events may read as 4.98."""
    series = f'{{clock="{slo.clock}",channel="{slo.channel}"}}'
    long, short, share = span(burn.window.long), span(burn.window.short), _short(burn.share)
    return (
        f"(\n  deskstream:sla_bad:ratio{long}{series} > {share}\n"
        f"  and deskstream:sla_bad:increase{long}{series} > {slo.floor - 0.5}\n"
        f"  unless deskstream:sla_bad:ratio{short}{series} <= {share}\n)"
    )


def _short(number: float) -> str:
    return f"{number:.8g}"
