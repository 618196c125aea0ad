"""`python -m stream_processors`: one worker process with both agents."""

from __future__ import annotations

import gc
import sys
from typing import Any

import typer

from schemas.process import guarded
from schemas.settings import WorkerSettings, help_text, load
from stream_processors import rekey
from stream_processors.recompute import automations_cli
from stream_processors.recompute import cli as recompute_cli
from stream_processors.replies import answers as answers_command
from stream_processors.replies import language_check
from stream_processors.rules import cli as rules_cli
from stream_processors.rules import incident_cli, preview
from stream_processors.tagging import evaluate, suggest
from stream_processors.tagging import train as training

#: States and facts hold no cycles: rare collections find as much as frequent ones, and stop the loop less often. The
#: first number is more than a batch keeps alive, some 40,000 objects: what a batch frees need never be walked.
GC_THRESHOLDS = (200_000, 20, 100)
#: The consumer's thread asks for the interpreter between folds: after 1 ms, not 5, or fetches wait for folds.
SWITCH_SECONDS = 0.001
HELP = f"""
Run one stream-processing worker: it threads, acknowledges, tags, routes and measures every contact.

Start as many as there are partitions; each needs its own DESKSTREAM_WORKER_ID (static membership) and keeps its
state under DESKSTREAM_STATE_DIR. SIGTERM finishes the batch in flight, commits and exits 0.

`python -m stream_processors rules --help`: see, check and publish the rules.
`python -m stream_processors preview --help`: see what customers are told.
`python -m stream_processors incident --help`: tell customers what is out of order.
`python -m stream_processors rekey --help`: move all customers to the tags of another secret.
`python -m stream_processors recompute --help`: recompute all clocks under other rules.
`python -m stream_processors automations --help`: list the rules that act by themselves, and try them on the log.
`python -m stream_processors evaluate --help`: score the tags of labelled messages.
`python -m stream_processors language-check --help`: check the wording of a reply.
`python -m stream_processors answers --help`: find prewritten answers for a ticket or a text.
`python -m stream_processors suggest --help`: suggest tags where the rules find none or err.
`python -m stream_processors train --help`: train the suggester.

Exit codes: 0 drained · 1 defect · 2 configuration · 3 Kafka does not answer · 4 stopped to protect the data.

**Settings** (environment) [default]

{help_text(WorkerSettings)}
"""


def run(
    context: typer.Context,
    check: bool = typer.Option(False, "--check", help="Validate settings and rules, then exit."),
) -> None:
    """Runs a worker when no other command is given."""
    if context.invoked_subcommand is not None:
        return
    raise SystemExit(guarded(lambda: _check() if check else _work()))


def _check() -> int:
    from stream_processors.rules import ruleset

    settings = load(WorkerSettings)
    root = settings.config_dir or ruleset.SHIPPED
    files = ruleset.read_files(root, settings.brands_file)
    loaded = ruleset.of_files(files, settings.mail_domain, shown_as=str(root), brands_file=settings.brands_file)
    print(f"rules are valid: taxonomy {loaded.taxonomy.version}, policies {loaded.policies.version}")
    return 0


def _work() -> int:
    from schemas import secret_check
    from schemas.admin import verify_topics
    from stream_processors import app as module

    settings = load(WorkerSettings)
    verify_topics(settings)
    secret_check.check(settings)
    serve(module.app, settings.log_level)
    return 0


def _rekey() -> None:
    raise SystemExit(guarded(rekey.run))


def serve(app: Any, log_level: str) -> None:
    """Runs the application as its process does, until it ends."""
    gc.collect()
    gc.freeze()  # the rules and their automaton live as long as the process: no collection need walk them
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    sys.argv = [sys.argv[0]]
    worker = app.Worker(loglevel=log_level, override_logging=False, redirect_stdouts=False, quiet=True)
    worker.spinner = None  # it writes a terminal's control characters, in the logs of a cluster too
    worker.execute_from_commandline()


cli = typer.Typer(add_completion=False, rich_markup_mode="markdown")
cli.callback(invoke_without_command=True, help=HELP)(run)
cli.add_typer(rules_cli.cli, name="rules")
cli.add_typer(incident_cli.cli, name="incident")
cli.command("preview", help=preview.HELP)(preview.preview)
cli.command("rekey", help=rekey.HELP)(_rekey)
cli.command("recompute", help=recompute_cli.HELP)(recompute_cli.recompute)
cli.command("automations", help=automations_cli.HELP)(automations_cli.automations)
cli.command("evaluate", help=evaluate.HELP)(evaluate.evaluate)
cli.command("language-check", help=language_check.HELP)(language_check.language_check)
cli.command("answers", help=answers_command.HELP)(answers_command.answers)
cli.command("suggest", help=suggest.HELP)(suggest.suggest)
cli.command("train", help=training.HELP)(training.train)

if __name__ == "__main__":
    cli()
