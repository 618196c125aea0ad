"""The first scrape of each process: its own command, up to the moment at which it would serve `/metrics`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ROOT = Path(__file__).parents[3]
#: Writes what a scrape would get in the place of serving it, and ends.
_PROGRAM = """
import os, runpy, sys
from prometheus_client import generate_latest
from schemas import process

def show(settings, health):
    health.kafka.count()
    sys.stdout.buffer.write(generate_latest())
    sys.stdout.flush()
    os._exit(0)

process.serve_probes = show
module, *sys.argv[1:] = sys.argv[1:]
if module == "stream_processors":  # its command asks Kafka for the topics first
    from stream_processors import app
    app.create()
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
SUBSCRIPTIONS = """
subscriptions:
  - {name: crm, url: "https://crm.example/hook", secret: 0123456789abcdef0123456789abcdef, facts: "*"}
"""
MAILBOXES = """
- imaps://support:secret@mail.example:993/INBOX
- url: imaps://help@mail.example:993/INBOX
  oauth: {token_url: "https://mail.example/token", client_id: "1", client_secret: secret, scope: mail}
"""
#: What runs for ever in production, by its command.
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "worker": ("stream_processors",),
    "http": ("producers", "http"),
    "smtp": ("producers", "smtp"),
    "chat": ("producers", "chat"),
    "imap": ("producers", "imap"),
    "sink-clickhouse": ("sinks", "clickhouse"),
    "sink-delivery": ("sinks", "delivery"),
    "sink-webhooks": ("sinks", "webhooks"),
}


@cache
def first_scrapes(home: Path) -> Mapping[str, tuple[Sample, ...]]:
    """Returns the samples of every process before it has done anything; `home` is a folder to write in."""
    (home / "webhooks.yaml").write_text(SUBSCRIPTIONS)
    (home / "mailboxes.yaml").write_text(MAILBOXES)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DESKSTREAM_")} | {
        "DESKSTREAM_WEBHOOKS_FILE": str(home / "webhooks.yaml"),
        "DESKSTREAM_IMAP_ACCOUNTS": str(home / "mailboxes.yaml"),
        "DESKSTREAM_STATE_DIR": str(home / "state"),
        "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "DESKSTREAM_METRICS_PORT": "9464",
    }
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *command],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, command in PROCESSES.items()
    }
    scrapes = {}
    for name, process in running.items():
        out, problem = process.communicate(timeout=120)
        assert out, f"{name} served no metrics: {problem[-2000:]}"
        families = text_string_to_metric_families(out)
        scrapes[name] = tuple(sample for family in families for sample in family.samples)
    return scrapes
