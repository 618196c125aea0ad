"""Declares the dashboard of whoever runs the help desk: kept promises, waiting customers, scores."""

from deploy.grafana.panels import Bars, Board, Lines, Number, Prom, Row, Stacked, Table

_WHERE = 'channel=~"$channel", team=~"$team"'
_MET, _BREACHED = f"deskstream_sla_met_total{{{_WHERE}}}", f"deskstream_sla_breached_total{{{_WHERE}}}"


def _kept(window: str) -> str:
    """Returns the query of the share of met clocks; a clock without a breach has no series of breaches yet."""
    met, breached = (f"sum by (clock) (increase({name}[{window}]))" for name in (_MET, _BREACHED))
    return f"{met} / ({met} + ({breached} or {met} * 0))"


def _promises_kept(by: str, window: str) -> str:
    """Returns the query of the share of kept promises; a broken one that was kept after all counts as both and is taken off."""
    kept, broken, corrected = (
        f'sum by ({by}) (increase(deskstream_promises_total{{outcome="{outcome}", {_WHERE}}}[{window}]))'
        for outcome in ("kept", "broken", "corrected")
    )
    return f"{kept} / ({kept} + ({broken} or {kept} * 0) - ({corrected} or {kept} * 0))"


def _quantile(share: float) -> str:
    rate = f"sum by (le) (rate(deskstream_first_response_seconds_bucket{{{_WHERE}}}[$__rate_interval]))"
    return f"histogram_quantile({share}, {rate})"


BOARD = Board(
    uid="deskstream-service",
    title="Deskstream: service",
    why="Whether customers get what they were promised: SLOs and their burn, queues, waiting, CSAT.",
    filters=("channel", "team"),
    rows=(
        Row(
            "Promises",
            (
                Number(
                    "Kept, by clock",
                    "Share of SLA clocks met in the chosen time. Below the objective the error budget burns.",
                    (Prom(_kept("$__range"), "{{clock}}", now=True),),
                    unit="percentunit",
                    width=12,
                    warn=0.95,
                    bad=0.8,
                    decimals=1,
                ),
                Bars(
                    "Open clocks past half, three quarters and nine tenths of their target",
                    "Work that will breach next. Look at the queue of the team before it does.",
                    (
                        Prom(
                            f"sum by (clock, threshold) (deskstream_tickets_at_risk{{{_WHERE}}})",
                            "{{clock}} over {{threshold}} %",
                            now=True,
                        ),
                    ),
                    width=6,
                    warn=1,
                    bad=20,
                ),
                Bars(
                    "Overdue",
                    "Promises broken and still waited for. Each is a customer to write to now.",
                    (
                        Prom(
                            f"sum by (clock, priority) (deskstream_tickets_overdue{{{_WHERE}}})",
                            "{{clock}}, {{priority}}",
                            now=True,
                        ),
                    ),
                    width=6,
                    warn=1,
                    bad=10,
                ),
                Lines(
                    "Burn: share breached in the last hour, by clock",
                    "What the burn-rate alerts see. A step here and none in the pipeline's lag is a matter of people.",
                    (Prom(f"1 - ({_kept('1h')})", "{{clock}}"),),
                    unit="percentunit",
                    width=12,
                ),
                Number(
                    "Promises of acknowledgements kept, by channel",
                    "Share of the times that customers were told (`answer by ...`) by which a person had answered.",
                    (Prom(_promises_kept("channel", "$__range"), "{{channel}}", now=True),),
                    unit="percentunit",
                    width=12,
                    warn=0.95,
                    bad=0.8,
                    decimals=1,
                ),
                Lines(
                    "Promises of acknowledgements kept, by team and brand",
                    "Over a day. The view promise_kept names the tickets: promised at, answered at, how late.",
                    (Prom(_promises_kept("team, brand", "1d"), "{{team}} {{brand}}"),),
                    unit="percentunit",
                    width=12,
                ),
                Stacked(
                    "Breaches an hour, by team and clock",
                    "Who breaks which promise. The ledger (table clocks) names the tickets.",
                    (
                        Prom(
                            f"sum by (team, clock) (rate({_BREACHED}[$__rate_interval])) * 3600",
                            "{{team}}: {{clock}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "Who waits",
            (
                Lines(
                    "Longest wait",
                    "Age of the oldest customer message that no person has answered, by channel. Averages hide this one.",
                    (Prom(f"max by (channel) (deskstream_longest_wait_seconds{{{_WHERE}}})", "{{channel}}"),),
                    unit="s",
                ),
                Stacked(
                    "Backlog, by team",
                    "Tickets that are neither solved nor closed.",
                    (Prom(f"sum by (team) (deskstream_tickets_open{{{_WHERE}}})", "{{team}}"),),
                ),
                Stacked(
                    "Backlog, by status",
                    "New waits for a first look, open for us, pending for the customer, hold for somebody else.",
                    (Prom(f"sum by (status) (deskstream_tickets_open{{{_WHERE}}})", "{{status}}"),),
                ),
                Lines(
                    "First response: median, p90, p99",
                    "Of the tickets answered by a person then. Quantiles of buckets: exact only to the bucket.",
                    tuple(Prom(_quantile(share), name) for share, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"))),
                    unit="s",
                ),
                Lines(
                    "Mean age of the backlog, by team",
                    "Rising while the backlog is level: new tickets are served first and old ones rot.",
                    (
                        Prom(
                            f"sum by (team) (deskstream_backlog_age_seconds{{{_WHERE}}})"
                            f" / sum by (team) (deskstream_tickets_open{{{_WHERE}}})",
                            "{{team}}",
                        ),
                    ),
                    unit="s",
                ),
                Table(
                    "Open tickets, by channel and priority",
                    "Where to send people first.",
                    (
                        Prom(
                            f"sort_desc(sum by (channel, priority) (deskstream_tickets_open{{{_WHERE}}}))",
                            now=True,
                        ),
                    ),
                ),
                Stacked(
                    "Online, by team",
                    "Agents who reported that they are there. A queue that grows while nobody is online needs people, not engineers.",
                    (Prom('sum by (team) (deskstream_agents{status="online", team=~"$team"})', "{{team}}"),),
                    width=12,
                ),
                Lines(
                    "Occupancy, by team",
                    "Of the agents online, the share with work in hand at that moment. Near 1 for long: nobody has room for what comes.",
                    (
                        Prom(
                            'sum by (team) (deskstream_agents_busy{team=~"$team"})'
                            ' / sum by (team) (deskstream_agents{status="online", team=~"$team"})',
                            "{{team}}",
                        ),
                    ),
                    unit="percentunit",
                    width=12,
                ),
            ),
        ),
        Row(
            "What customers say",
            (
                Lines(
                    "CSAT of the last 24 hours, by channel",
                    "Mean of the scores 1 to 5. Read it beside the response time and the share of low scores.",
                    (
                        Prom(
                            f'sum by (channel) (deskstream_window_csat_score_sum{{window="24h", {_WHERE}}})'
                            f' / sum by (channel) (deskstream_window_csat_answers{{window="24h", {_WHERE}}})',
                            "{{channel}}",
                        ),
                    ),
                    decimals=2,
                ),
                Stacked(
                    "Scores an hour",
                    "The distribution behind the mean: 1 and 2 each opened a follow-up for a person.",
                    (
                        Prom(
                            f"sum by (score) (rate(deskstream_csat_answers_total{{{_WHERE}}}[$__rate_interval])) * 3600",
                            "{{score}}",
                        ),
                    ),
                ),
                Bars(
                    "Why they write: top ten tags in the chosen time",
                    "With the quadrant: eliminate and automate are work to take away, leverage is worth having.",
                    (
                        Prom(
                            "topk(10, sum by (tag, quadrant) (increase(deskstream_tags_applied_total[$__range])))",
                            "{{tag}} ({{quadrant}})",
                            now=True,
                        ),
                    ),
                ),
                Stacked(
                    "Contacts an hour, by channel",
                    "What producers published. A channel that falls silent may be broken rather than quiet.",
                    (
                        Prom(
                            'sum by (channel) (rate(deskstream_contacts_published_total{channel=~"$channel"}'
                            "[$__rate_interval])) * 3600",
                            "{{channel}}",
                        ),
                    ),
                    width=12,
                ),
                Stacked(
                    "Acknowledgements an hour, by outcome",
                    "Suppressed ones say why: loops, machines, caps. A rise of one reason deserves a look.",
                    (
                        Prom(
                            "sum by (outcome, reason) (rate(deskstream_acknowledgements_total"
                            '{channel=~"$channel"}[$__rate_interval])) * 3600',
                            "{{outcome}} {{reason}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
    ),
)
