"""Declares the alerts of the pipeline's owner: lateness, stalls, loss and wrong setup.

`late: yes` marks alerts that make the metrics of the service late as well: they inhibit the burn-rate alerts.
"""

from __future__ import annotations

from collections.abc import Mapping

from deploy.prometheus.rule import OPERATIONS, Alert, Group, counted, running
from deploy.prometheus.slos import Plan

__all__ = ["groups"]

LATE = {"late": "yes"}
_DAY = 86_400
#: A broker's planned restart stays below it (30 s, and what clients need to notice); the outage of 52 s that nobody was
#: told of does not.
MOST_AWAY_SECONDS = 40


def groups(plan: Plan) -> list[Group]:
    """Returns the groups of rules."""
    alerts = [
        *(_process_down(plan), *_kafka_away(), _no_commit(), _processor_lagging(), _sink_paused(), _sink_lagging()),
        *(_loss_balance(), _contacts_dead_lettered(), _records_dead_lettered(), _bounces(), _complaints()),
        *(
            _certificate("page", 3),
            _certificate("ticket", 21),
            _credential("page", 3),
            _credential("ticket", 21),
            _source_away(),
        ),
        *(_webhook_refused(), _rules_invalid(), _rules_unpublished(), _keys_refused(), *_alerting_invalid()),
        _help_articles_refused(),
    ]
    return [Group("deskstream-pipeline", alerts), Group("deskstream-watchdog", [_watchdog()])]


def _pipeline(
    name: str,
    expr: str,
    wait: str,
    severity: str,
    summary: str,
    description: str,
    extra: Mapping[str, str] | None = None,
) -> Alert:
    return Alert(
        name, expr, wait, severity, "platform", "pipeline", summary, description, OPERATIONS, dict(extra or {})
    )


def _process_down(plan: Plan) -> Alert:
    return _pipeline(
        "ProcessDown",
        f'up{{job=~"{plan.job}"}} == 0\nor absent(up{{job=~"{plan.job}"}})',
        "5m",
        "page",
        "A Deskstream process does not answer: {{ $labels.instance }}",
        "Prometheus has not been able to read its /metrics for five minutes, or finds no process of ours at all.",
    )


def _kafka_away() -> list[Alert]:
    """Alerts when Kafka was away for more than 40 of the last 300 seconds, in one piece or in many.

    Processes count the seconds themselves, so that neither the scrape nor the evaluation misses an outage. A broker that
    is restarted as planned is back within 30 s. Two processes that agree, or one that turns senders away, page; one that
    is alone with it has no network, or lacks a right.
    """
    away = f"increase(deskstream_kafka_away_seconds_total[5m]) > {MOST_AWAY_SECONDS}"
    turned_away = 'increase(deskstream_contacts_refused_total{reason="unavailable"}[5m])'
    everybody = (
        f"max by (namespace) ({away})\n"
        f"and on (namespace) (\n  count by (namespace) ({away}) > 1\n"
        f"  or sum by (namespace) ({turned_away}) > 0\n)"
    )
    return [
        _pipeline(
            "KafkaAway",
            everybody,
            "",
            "page",
            "Kafka was away for {{ $value | humanizeDuration }} of the last five minutes",
            "Senders are told to come back (HTTP 503, SMTP 451), mailboxes wait: nothing is lost, nobody is acknowledged.",
            LATE,
        ),
        _pipeline(
            "KafkaAway",
            f"max by (namespace, instance) ({away})\nunless on (namespace) (\n{_indented(everybody)}\n)",
            "2m",
            "ticket",
            "Kafka was away from {{ $labels.instance }} for {{ $value | humanizeDuration }} of the last five minutes",
            "The other processes reach it: no network at that node or pod, or a right that the process lacks.",
        ),
    ]


def _indented(expression: str) -> str:
    return "\n".join(f"  {line}" for line in expression.splitlines())


def _no_commit() -> Alert:
    """Alerts when contacts were published over a minute ago, and their worker or sink has not committed since."""
    published = "sum by (namespace) (increase(deskstream_contacts_published_total[4m] offset 1m)) > 0"
    parts = [
        f'  time() - max by (namespace, agent) (deskstream_last_commit_timestamp_seconds{{agent="{agent}"}}) > 300\n'
        f"  or\n"
        f'  label_replace(300 + 0 * ({published}), "agent", "{agent}", "", "")\n'
        f'  unless on (namespace) deskstream_last_commit_timestamp_seconds{{agent="{agent}"}}'
        for agent in ("tickets", "clickhouse")
    ]
    either = "\n  or\n".join(parts)
    return _pipeline(
        "NoCommit",
        f"(\n{either}\n)\nand on (namespace) ({published})",
        "1m",
        "page",
        "{{ $labels.agent }} has not committed for {{ $value | humanizeDuration }} while contacts arrive",
        "Contacts are safe in Kafka and are not worked on: no acknowledgement, no routing, no figures.",
        LATE,
    )


def _processor_lagging() -> Alert:
    lag = "sum by (namespace, agent) (deskstream_lag_records)"
    rate = "sum by (namespace, agent) (rate(deskstream_records_processed_total[5m]))"
    return _pipeline(
        "ProcessorLagging",
        f"{lag} > 500\nand {lag} > 60 * {rate}",
        "5m",
        "page",
        "{{ $labels.agent }} is {{ $value | humanize }} records behind, more than it does in a minute",
        "Acknowledgements are late for everybody, and breaches are noticed late.",
        LATE,
    )


def _sink_paused() -> Alert:
    return _pipeline(
        "SinkPaused",
        "max by (namespace, sink) (deskstream_sink_paused) == 1",
        "5m",
        "page",
        "The {{ $labels.sink }} sink waits for a target that does not answer",
        "Nothing is lost: facts and messages stay in Kafka. clickhouse: analysts see old rows. delivery: customers get no mail.",
    )


def _sink_lagging() -> Alert:
    return _pipeline(
        "SinkLagging",
        "sum by (namespace, sink) (deskstream_sink_lag_records) > 20000",
        "10m",
        "ticket",
        "The {{ $labels.sink }} sink is {{ $value | humanize }} records behind",
        "It runs, and does not keep up. Rows, mails or webhooks are late.",
    )


def _loss_balance() -> Alert:
    """Alerts when received contacts are not accounted for.

    A scrape takes time and reads `received` first: under load it sees more contacts accounted for, never fewer.

    So what is missing is seen as it is, and what is too much is looked for in what was accounted for five minutes ago, if
    the process runs that long: what another counted before a restart says nothing.
    """
    by, received = "sum by (namespace, instance, channel)", "deskstream_contacts_received_total"
    handled = '{__name__=~"deskstream_contacts_(published|duplicate|dead_lettered)_total"}'
    return _pipeline(
        "LossBalance",
        f"{by} ({received}) - {by} ({handled}) > 0\nor\n"
        f"{by} ({handled} offset 5m and on (job, instance) {running(300)}) - {by} ({received}) > 0",
        "10m",
        "page",
        "{{ $labels.channel }}: {{ $value }} contacts are not accounted for at {{ $labels.instance }}",
        "received is not published + duplicates + dead-lettered: something was lost, doubled, or is counted wrongly.",
    )


def _contacts_dead_lettered() -> Alert:
    dead = f"sum by (namespace, channel) (\n    {counted('deskstream_contacts_dead_lettered_total', '30m')}\n  )"
    received = f"sum by (namespace, channel) (\n    {counted('deskstream_contacts_received_total', '30m')}\n  )"
    return _pipeline(
        "ContactsDeadLettered",
        f"(\n  {dead}\n  /\n  {received}\n) > 0.05\nand\n  {dead} > 4.5",
        "5m",
        "ticket",
        "{{ $labels.channel }}: {{ $value | humanizePercentage }} of what arrives cannot be read",
        "These contacts are kept with their raw bytes in contact-events.dlq, and nobody answers them until they are replayed.",
    )


def _records_dead_lettered() -> Alert:
    """Alerts when a worker or sink dead-letters records that a producer had checked: even a few are a defect.

    A refusal is none: a bounce, a vote for an unknown conversation, an agent's answer on a closed ticket are somebody's
    input, in any number (`BounceRateHigh` counts bounces, `WebhookRefused` receivers that refuse).
    """
    ours = '{kind=~"defect|undecodable"}'
    parts = [
        f"sum by (namespace, agent) (\n  {counted(f'deskstream_records_dead_lettered_total{ours}', '30m')}\n)",
        "sum by (namespace, agent) (label_replace(\n"
        f"  {counted(f'deskstream_sink_dead_lettered_total{ours}', '30m')}\n"
        ', "agent", "$1", "sink", "(.*)"))',
    ]
    return _pipeline(
        "RecordsDeadLettered",
        "(\n" + "\nor\n".join(parts) + "\n) > 2.5",
        "",
        "page",
        "{{ $labels.agent }} made dead letters of {{ $value | humanize }} records in half an hour",
        "They are in contact-events.dlq, routing.dlq, facts.dlq or outbound.dlq with step and traceback, and can be replayed.",
    )


def _webhook_refused() -> Alert:
    """Alerts when a receiver of outgoing webhooks refuses facts, or was given up: nobody else notices."""
    refused = counted('deskstream_sink_dead_lettered_total{sink="webhooks",kind="refused"}', "1h")
    return _pipeline(
        "WebhookRefused",
        "max by (namespace, subscription) (deskstream_webhook_breaker_state) >= 2\n"
        f"or\nsum by (namespace) (\n  {refused}\n) > 2.5",
        "15m",
        "ticket",
        "A receiver of webhooks refuses facts or does not answer: {{ $labels.subscription }}",
        "Its facts wait, or are dead letters that `sinks webhooks replay` sends again. Nobody else is held up.",
    )


def _bounces() -> Alert:
    bounced = counted('deskstream_deliveries_total{outcome="bounced"}', "1h")
    all_of_them = counted("deskstream_deliveries_total", "1h")
    failed = f"sum by (namespace, channel) (\n    {bounced}\n  )"
    return _pipeline(
        "BounceRateHigh",
        f"(\n  {failed}\n  /\n  sum by (namespace, channel) (\n    {all_of_them}\n  )\n) > 0.05\nand\n  {failed} > 4.5",
        "5m",
        "ticket",
        "{{ $labels.channel }}: {{ $value | humanizePercentage }} of our messages bounce",
        "Customers do not get acknowledgements and answers, and mail servers begin to refuse the rest.",
    )


def _complaints() -> Alert:
    """Alerts far below the 0.3 % at which large providers begin to refuse all mail of a sender."""
    counted_complaints = counted('deskstream_suppressions_total{reason="complaint"}', "1d")
    complaints = f"sum by (namespace) (\n    {counted_complaints}\n  )"
    mail = 'deskstream_deliveries_total{channel=~"email|form",outcome="delivered"}'
    return _pipeline(
        "ComplaintRateHigh",
        f"(\n  {complaints}\n  /\n  sum by (namespace) (\n    {counted(mail, '1d')}\n  )\n) > 0.001\nand\n  {complaints} > 2.5",
        "5m",
        "ticket",
        "{{ $value | humanizePercentage }} of our mail is reported as spam",
        "From 0.3 % on large providers refuse all mail of a sender. Who complained gets no more automatic messages.",
    )


def _certificate(severity: str, days: int) -> Alert:
    return _pipeline(
        "CertificateExpiring",
        f"min by (namespace, listener) (deskstream_certificate_expiry_timestamp_seconds) - time() < {days * _DAY}",
        "15m",
        severity,
        "The certificate of {{ $labels.listener }} ends in {{ $value | humanizeDuration }}",
        f"Less than {days} days are left. Afterwards mail servers that check it keep their mail and try for some days.",
    )


def _credential(severity: str, days: int) -> Alert:
    return _pipeline(
        "CredentialExpiring",
        f"min by (namespace, source, credential) (deskstream_credential_expiry_timestamp_seconds) - time() < {days * _DAY}",
        "15m",
        severity,
        "The {{ $labels.credential }} of {{ $labels.source }} ends in {{ $value | humanizeDuration }}",
        f"Less than {days} days are left. Afterwards this mail server lets us in no more: mail waits there, or is not sent.",
    )


def _source_away() -> Alert:
    return _pipeline(
        "SourceAway",
        "min by (namespace, source) (deskstream_source_connected) == 0",
        "15m",
        "page",
        "{{ $labels.source }} has not answered for 15 minutes",
        "Customers' mail waits in that mailbox: nothing is lost, nobody is acknowledged.",
    )


def _rules_invalid() -> Alert:
    refused = counted("deskstream_rules_refused_total", "30m")
    return _pipeline(
        "RulesInvalid",
        f"max by (namespace) (deskstream_rules_invalid) == 1\nor\nsum by (namespace) (\n  {refused}\n) > 0.5",
        "2m",
        "ticket",
        "New rules of the service (policies, calendars, tags, templates, teams) were refused",
        "The rules before them stay in force. The worker's log names file and line, or why published rules came too late.",
    )


def _rules_unpublished() -> Alert:
    return _pipeline(
        "RulesUnpublished",
        "max by (namespace) (deskstream_rules_unpublished) == 1",
        "15m",
        "ticket",
        "A worker's directory holds rules that are not in force, and nobody published them",
        "It started with older rules than those published last, or was not allowed to publish. An upgrade that goes from "
        "pod to pod shows this for minutes; after 15 somebody has to say which rules are meant.",
    )


def _keys_refused() -> Alert:
    return _pipeline(
        "KeysRefused",
        "max by (namespace) (deskstream_keys_refused) == 1",
        "5m",
        "ticket",
        "The file of keys is invalid or missing, and the keys of before are in force",
        "New keys do not work, and revoked ones still do. The log of `http` names file and line. A process that starts now ends "
        "with exit code 2.",
    )


def _help_articles_refused() -> Alert:
    return _pipeline(
        "HelpArticlesRefused",
        "max by (namespace) (deskstream_help_articles_refused) > 0",
        "15m",
        "ticket",
        "Articles of the help centre are invalid: left out, or as they were before",
        "The log of `http` names file, line and reason of each (`help_article_refused`). The other articles are served.",
    )


def _alerting_invalid() -> list[Alert]:
    """Alerts when the rules are not in force; and when nobody could see that, for lack of the metrics that show it."""
    loaded = ("prometheus_config_last_reload_successful", "alertmanager_config_last_reload_successful")
    return [
        _pipeline(
            "AlertingInvalid",
            f'min by (namespace, instance) ({{__name__=~"{"|".join(loaded)}"}}) == 0\n'
            "or\nsum by (namespace, instance) (increase(prometheus_rule_evaluation_failures_total"
            '{rule_group=~".*deskstream.*"}[10m])) > 0',
            "10m",
            "page",
            "The rules that page us are not in force at {{ $labels.instance }}",
            "Prometheus or Alertmanager refuses its configuration and runs the old one, or a rule of ours fails to evaluate.",
        ),
        _pipeline(
            "AlertingInvalid",
            "\nor\n".join(f"absent({each})" for each in loaded),
            "15m",
            "ticket",
            "Nobody scrapes Prometheus or Alertmanager themselves",
            "If one of them refused its configuration, nobody would be told. Add them to what Prometheus scrapes.",
        ),
    ]


def _watchdog() -> Alert:
    return _pipeline(
        "Watchdog",
        "vector(1)",
        "",
        "none",
        "Alerts get through",
        "This alert always fires. When it stops arriving, Prometheus, Alertmanager or the way between is broken.",
    )
