"""The settings of stream processors."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from schemas.settings.base import Settings


class WorkerSettings(Settings):
    """Holds the settings of `python -m stream_processors`."""

    state_dir: Path = Field(Path(".data/state"), description="RocksDB state; one directory per worker")
    worker_id: str = Field("worker-0", description="static group membership; the pod's name on Kubernetes")
    config_dir: Path | None = Field(
        None, description="policies, taxonomy, templates, teams; default: those that ship with the package"
    )
    brands_file: Path | None = Field(
        None, description="takes the place of `brands.yaml` in the rules; the same file as the producers'"
    )
    replies_dir: Path | None = Field(
        None,
        description="directory of prewritten answers (`answers.yaml`) and lists of wording (`wording.<language>.yaml`); default: "
        "those that ship with the package",
    )
    mail_domain: str = Field("support.example", description="the domain of our own addresses and Message-IDs")
    survey_secrets: SecretStr = Field(
        SecretStr(""),
        description="secrets that survey links are signed with, as the survey pages have them; empty: nobody is asked",
    )
    survey_url: str = Field("http://127.0.0.1:8080", description="how customers reach the survey pages")
    rules_lead_seconds: float = Field(
        5.0,
        ge=3,
        description="wall seconds from the publication of changed rules until they take effect, at every worker",
    )
    rules_watch_seconds: float = Field(
        2.0, gt=0, description="seconds between two looks at the directory of rules; a change must stand still as long"
    )
    max_batch_records: int = Field(1000, ge=1, le=8192, description="records per partition batch")
    dlq_max_ratio: float = Field(
        0.5,
        gt=0,
        le=1,
        description="a larger share of undecodable records and defects stops the worker, in a batch of 20 or more records"
        " without the refused ones",
    )
    dlq_max_run: int = Field(
        50,
        ge=1,
        description="undecodable records and defects in a row that stop the worker; refused records do not count",
    )
    watchdog_seconds: float = Field(
        60.0,
        gt=0,
        description="seconds for which a partition may be behind without a commit before the worker ends itself",
    )
    session_timeout_seconds: float = Field(10.0, gt=0, description="seconds after which Kafka notices a dead worker")
