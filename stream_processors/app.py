"""The Faust application: three agents on one batch transport.

Run it with `python -m stream_processors`, or as any Faust app: `faust -A stream_processors.app worker`.
Only this module, `transport.py`, `store.py` and `worker.py` know Faust.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import faust
import structlog

from schemas import kafka_security, secret_check
from schemas.kafka_watch import KafkaWatch
from schemas.process import EXIT_PROTECTED, Health, configure_logging, serve_probes
from schemas.settings import WorkerSettings, load
from stream_processors.rules.reloader import Reloader, read_content
from stream_processors.rules.versions import RulesetHistory
from stream_processors.runtime.kafka_inquirer import KafkaInquirer
from stream_processors.runtime.metrics import begin_at_zero
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.store import ROCKSDB_OPTIONS
from stream_processors.runtime.transport import Consumer
from stream_processors.runtime.watchdog import Watchdog
from stream_processors.runtime.worker import Worker, end_process

log = structlog.get_logger()
DRAIN_SECONDS = 8.0


class DrainingWorker(faust.Worker):  # type: ignore[misc]
    """On SIGTERM or SIGINT finishes the batch in flight, commits and exits 0. Everything else is as after a crash."""

    def _on_sigterm(self) -> None:
        self._drain()

    def _on_sigint(self) -> None:
        self._drain()

    def _drain(self) -> None:
        if not getattr(self, "_draining", None):
            self._draining = asyncio.ensure_future(drain(self.app))


async def drain(app: faust.App) -> None:
    """Stops fetching, lets the batches in flight become durable, commits them, and ends the process."""
    app.consumer.stop_flow()
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await asyncio.gather(*(worker.drain() for worker in app.deskstream_workers))
            await app.consumer.commit()
            for worker in app.deskstream_workers:
                await worker.stop()
    except Exception as error:  # what is not committed is folded again after the restart, and skipped
        log.warning("drain incomplete", error=repr(error))
    log.info("drained")
    os._exit(0)


def build(
    settings: WorkerSettings, processors: Sequence[Processor], health: Health, reloader: Reloader | None = None
) -> faust.App:
    """Returns the Faust app for these processors. Pure but for Faust's own registries: nothing connects yet.

    `reloader` keeps their rules complete; without one their rules stay as they are.
    """
    app = _app(settings)
    app.deskstream_workers = [_agent(app, settings, processor, health, reloader) for processor in processors]

    if reloader is not None:

        @app.task  # type: ignore[untyped-decorator]
        async def reload_rules() -> None:
            await reloader.run()

    @app.task  # type: ignore[untyped-decorator]
    async def watch() -> None:
        def end(why: str) -> None:
            end_process(EXIT_PROTECTED, why)

        Watchdog(app.deskstream_workers, settings, end, health.kafka).start()

    health.unready = "connecting to Kafka"  # partitions may be ready before: until `watch_kafka` has its first answer

    @app.task  # type: ignore[untyped-decorator]
    async def watch_kafka() -> None:
        """Lets /readyz fail while no broker answers. /livez does not: a restart would not help."""
        # The watchdog counts the seconds without Kafka: it knows of the group, too.
        await KafkaWatch(KafkaInquirer(settings).ask, health, counts=False, while_away=health.beat).run()

    return app


def _app(settings: WorkerSettings) -> faust.App:
    return faust.App(
        settings.group("").rstrip("-"),
        broker=";".join(f"deskstream://{server}" for server in settings.kafka_bootstrap_servers.split(",")),
        broker_credentials=_credentials(settings),
        store="deskstream://",
        datadir=str(settings.state_dir / settings.worker_id),
        key_serializer="raw",
        value_serializer="raw",
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_buffer_maxsize=4,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        # Standbys are fed past a rebalance without anybody noticing holes; a recovery from the changelog takes seconds.
        table_standby_replicas=0,
        broker_max_poll_records=settings.max_batch_records,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / 3,
        broker_commit_interval=0.5,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.worker_id,
        producer_request_timeout=60.0,
        worker_redirect_stdouts=False,
        Worker=DrainingWorker,
    )


def _credentials(settings: WorkerSettings) -> Any:
    """Returns the credentials of Faust's own clients; the others take `kafka_security.security`."""
    given = kafka_security.security(settings)
    if "sasl_mechanism" in given:
        return faust.SASLCredentials(
            username=given["sasl_plain_username"],
            password=given["sasl_plain_password"],
            ssl_context=given.get("ssl_context"),
            mechanism=given["sasl_mechanism"],
        )
    return faust.SSLCredentials(context=given["ssl_context"]) if given else None


def _agent(
    app: faust.App, settings: WorkerSettings, processor: Processor, health: Health, reloader: Reloader | None
) -> Worker:
    name = settings.topic(processor.topic)
    Consumer.batch_topics.add(name)
    topic = app.topic(
        name, key_serializer="raw", value_serializer="raw", partitions=settings.partitions, allow_empty=True
    )
    table = app.Table(
        processor.name,
        partitions=settings.partitions,
        key_type=bytes,
        value_type=bytes,
        options=dict(ROCKSDB_OPTIONS),
    )
    worker = Worker(app, table, processor, settings, health, reloader.fresh if reloader else None)
    app.agent(topic, name=processor.name)(worker.agent)

    @app.task  # type: ignore[untyped-decorator]
    async def run() -> None:
        await worker.start()
        await worker.tick()

    return worker


def create() -> faust.App:
    """Returns the app of this process, from the environment."""
    from stream_processors.routing.processor import RoutingProcessor
    from stream_processors.rules.surveys import Signing
    from stream_processors.spikes.processor import SpikesProcessor
    from stream_processors.tickets import counters
    from stream_processors.tickets.processor import TicketsProcessor

    settings = load(WorkerSettings)
    configure_logging(settings)
    secret_check.use(settings)
    history = RulesetHistory()
    content = read_content(settings)
    if content.rules is not None:
        begin_at_zero(counters.series(content.rules))
    reloader = Reloader(settings, history, content, end_process)
    health = Health(stall_seconds=settings.watchdog_seconds)
    signing = Signing.of(settings.survey_url, settings.survey_secrets.get_secret_value())
    if signing is None:
        log.warning("surveys_closed", fix="set DESKSTREAM_SURVEY_SECRETS, as for the survey pages, to ask customers")
    processors: list[Processor] = [
        TicketsProcessor(history, signing=signing),
        RoutingProcessor(),
        SpikesProcessor(history),
    ]
    app = build(settings, processors, health, reloader)
    serve_probes(settings, health)  # now that every counter is there: the first scrape sees it at 0
    return app


def __getattr__(name: str) -> Any:
    """Builds `app` at its first use, so that importing this module has no side effect."""
    if name == "app":
        application = create()
        globals()["app"] = application
        return application
    raise AttributeError(name)
