"""Declares the dashboard of whoever is on call for the pipeline: lateness, loss, failures."""

from deploy.grafana.panels import Board, Lines, Number, Prom, Row, Stacked

_RATE = "[$__rate_interval]"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{_RATE})))"


BOARD = Board(
    uid="deskstream-operations",
    title="Deskstream: operations",
    why="Whether the pipeline itself is late, losing or failing. Customers waiting for people is the other dashboard.",
    since="now-1h",
    rows=(
        Row(
            "On time",
            (
                Number(
                    "Records behind",
                    "Lag of the workers. Above zero for minutes means late acknowledgements: see ProcessorLagging's runbook.",
                    (Prom("sum by (agent) (deskstream_lag_records)", "{{agent}}", now=True),),
                    width=4,
                    warn=1000,
                    bad=10000,
                ),
                Number(
                    "Since the last commit",
                    "A worker that is behind and has not committed for 60 s ends itself and is started again.",
                    (
                        Prom(
                            "time() - max by (agent) (deskstream_last_commit_timestamp_seconds)",
                            "{{agent}}",
                            now=True,
                        ),
                    ),
                    unit="s",
                    width=4,
                ),
                Number(
                    "Since Kafka answered",
                    "Every worker asks it each few seconds what is unread; minutes without an answer: see KafkaAway's runbook.",
                    (Prom("time() - min(deskstream_watchdog_look_timestamp_seconds)", "longest", now=True),),
                    unit="s",
                    width=4,
                    warn=60,
                    bad=180,
                ),
                Lines(
                    "Lag, by agent and partition",
                    "One partition alone: a slow customer log or a stuck lane. All of them: too few workers.",
                    (
                        Prom(
                            "max by (agent, partition) (deskstream_lag_records)",
                            "{{agent}} {{partition}}",
                        ),
                    ),
                    width=12,
                ),
                Lines(
                    "Records a second, by agent",
                    "What the workers fold, ticks included.",
                    (Prom(f"sum by (agent) (rate(deskstream_records_processed_total{_RATE}))", "{{agent}}"),),
                    unit="ops",
                ),
                Lines(
                    "A batch, p99 by phase",
                    "fold is ours, outputs and states are Kafka's answer.",
                    (Prom(_quantile(0.99, "deskstream_batch_seconds", "phase"), "{{phase}}"),),
                    unit="s",
                ),
                Lines(
                    "Received to visible row",
                    "How old the analysts' newest figures are.",
                    tuple(
                        Prom(_quantile(share, "deskstream_visible_seconds"), name)
                        for share, name in ((0.5, "p50"), (0.99, "p99"))
                    ),
                    unit="s",
                ),
            ),
        ),
        Row(
            "Nothing lost",
            (
                Number(
                    "Unaccounted contacts",
                    "received - published - duplicates - dead-lettered. A few in flight are normal, a growing number is not.",
                    (
                        Prom(
                            "sum(deskstream_contacts_received_total) - sum(deskstream_contacts_published_total)"
                            " - (sum(deskstream_contacts_duplicate_total) or vector(0))"
                            " - (sum(deskstream_contacts_dead_lettered_total) or vector(0))",
                            "contacts",
                            now=True,
                        ),
                    ),
                    width=6,
                    warn=100,
                    bad=1000,
                ),
                Stacked(
                    "Taken from sources, a second",
                    "By channel, over all producers.",
                    (Prom(f"sum by (channel) (rate(deskstream_contacts_received_total{_RATE}))", "{{channel}}"),),
                    unit="ops",
                    width=9,
                ),
                Stacked(
                    "Dead letters and refusals, an hour",
                    "Each has a reason and can be replayed: python -m sinks dlq list.",
                    (
                        Prom(
                            f"sum by (reason) (rate(deskstream_contacts_dead_lettered_total{_RATE})) * 3600 or vector(0)",
                            "producers {{reason}}",
                        ),
                        Prom(
                            f"sum by (stage, reason, kind) (rate(deskstream_records_dead_lettered_total{_RATE})) * 3600"
                            " or vector(0)",
                            "workers {{stage}} {{reason}} ({{kind}})",
                        ),
                        Prom(
                            f"sum by (sink, reason, kind) (rate(deskstream_sink_dead_lettered_total{_RATE})) * 3600"
                            " or vector(0)",
                            "sinks {{sink}} {{reason}} ({{kind}})",
                        ),
                    ),
                    width=9,
                ),
            ),
        ),
        Row(
            "Sinks",
            (
                Stacked(
                    "Rows a second, by table",
                    "What ClickHouse took.",
                    (Prom(f"sum by (table) (rate(deskstream_rows_written_total{_RATE}))", "{{table}}"),),
                    unit="ops",
                ),
                Lines(
                    "An insert, p99 by table",
                    "Rising with the number of parts: look at merges.",
                    (Prom(_quantile(0.99, "deskstream_insert_seconds", "table"), "{{table}}"),),
                    unit="s",
                ),
                Lines(
                    "Sinks behind, and paused",
                    "A sink pauses while its target does not answer: nothing is lost, everything is late.",
                    (
                        Prom("sum by (sink) (deskstream_sink_lag_records)", "{{sink}} records behind"),
                        Prom("max by (sink) (deskstream_sink_paused)", "{{sink}} paused"),
                    ),
                ),
                Stacked(
                    "Deliveries a minute, by outcome",
                    "Bounced and refused ones say why in the table deliveries.",
                    (
                        Prom(
                            f"sum by (channel, outcome) (rate(deskstream_deliveries_total{_RATE})) * 60",
                            "{{channel}} {{outcome}}",
                        ),
                    ),
                ),
                Lines(
                    "Decided to handed over, p99 by channel",
                    "What the mail server or the SMS service adds.",
                    (Prom(_quantile(0.99, "deskstream_delivery_seconds", "channel"), "{{channel}}"),),
                    unit="s",
                ),
                Lines(
                    "Deadlines waiting, ticks appended a second",
                    "Ticks far above the deadlines that come due: something re-arms them.",
                    (
                        Prom("sum by (agent) (deskstream_deadlines_pending)", "{{agent}} waiting"),
                        Prom(f"sum by (agent) (rate(deskstream_ticks_appended_total{_RATE}))", "{{agent}} ticks/s"),
                    ),
                ),
            ),
        ),
        Row(
            "Processes",
            (
                Lines(
                    "Up",
                    "By job; 0 is a process that Prometheus cannot reach.",
                    (Prom('min by (job) (up{job=~"deskstream.*"})', "{{job}}"),),
                ),
                Lines(
                    "Resident memory",
                    "Limits are in the manifests; a worker with 100,000 open tickets has about 280 MB.",
                    (Prom('process_resident_memory_bytes{job=~"deskstream.*"}', "{{job}} {{instance}}"),),
                    unit="bytes",
                ),
                Lines(
                    "Processor time",
                    "Cores in use. A worker at one core is at its limit: add a worker.",
                    (
                        Prom(
                            f'rate(process_cpu_seconds_total{{job=~"deskstream.*"}}{_RATE})',
                            "{{job}} {{instance}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
