"""deploy/docker/compose.yaml, read as Compose reads it: settings that exist, pinned images, health, no rights, loopback only."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.support import containers
from tests.support.deploy.container_policies import unpinned
from tests.support.deploy.setting_policies import every_variable, settings_of, variables

FOLDER = ROOT / "deploy" / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("deskstream:")}
JOBS = {"topics", "migrations"}

every_service = pytest.mark.parametrize("name", SERVICES)
every_process = pytest.mark.parametrize("name", OURS)


def test_all_our_processes_are_there() -> None:
    commands = {" ".join(each["command"][:2]) for each in OURS.values()}
    assert commands >= {
        "stream_processors", "producers http", "producers chat", "producers smtp", "producers imap", "producers simulate",
        "sinks clickhouse", "sinks delivery", "sinks webhooks", "sinks migrate", "schemas.admin create",
    }  # fmt: skip
    assert set(SERVICES) - set(OURS) == {"kafka", "clickhouse", "mailpit", "prometheus", "alertmanager", "grafana"}


@every_service
def test_a_service_has_a_pinned_image_and_a_limit(name: str) -> None:
    assert unpinned(SERVICES[name]["image"]) == ""
    assert re.fullmatch(r"\d+[mg]", SERVICES[name]["mem_limit"])


@every_service
def test_a_service_that_goes_on_has_a_health_check(name: str) -> None:
    health = SERVICES[name]["healthcheck"]
    assert health == {"disable": True} if name in JOBS else health["test"][0] in ("CMD", "CMD-SHELL")


@every_service
def test_a_service_listens_on_loopback_only(name: str) -> None:
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in SERVICES[name].get("ports", []))


def test_no_two_services_take_the_same_port() -> None:
    ports = [port.split(":")[1] for each in SERVICES.values() for port in each.get("ports", [])]
    assert len(ports) == len(set(ports))


@every_process
def test_a_process_gets_settings_that_it_has_with_values_that_it_takes(name: str) -> None:
    kind = settings_of({"args": OURS[name]["command"]})
    given = {key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for key, value in OURS[name]["environment"].items()}
    assert set(given) <= every_variable()
    assert set(given) - set(COMPOSE["x-settings"]) <= variables(kind)
    kind(**{key.removeprefix("DESKSTREAM_").lower(): value for key, value in given.items() if key in variables(kind)})


@every_process
def test_a_process_has_no_rights_and_writes_to_volumes_only(name: str) -> None:
    process = OURS[name]
    assert process["user"] == "65532:65532"
    assert process["read_only"] is True
    assert process["cap_drop"] == ["ALL"]
    assert process["security_opt"] == ["no-new-privileges:true"]
    assert process["tmpfs"] == ["/tmp"]


@every_service
def test_what_a_service_refers_to_exists(name: str) -> None:
    service = SERVICES[name]
    for other, how in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in JOBS else "service_healthy"
        assert how == {"condition": wanted}
        assert other in SERVICES
    for volume in service.get("volumes", []):
        source = volume.rsplit(":", 2 if volume.endswith(":ro") else 1)[0]
        assert source.startswith("${") or source in COMPOSE["volumes"] or (FOLDER / source).exists()
    for config in service.get("configs", []):
        assert config["source"] in COMPOSE["configs"]


@every_process
def test_a_process_waits_for_the_topics_and_the_sink_for_the_tables(name: str) -> None:
    needs = set(OURS[name]["depends_on"])
    if name not in JOBS:
        assert "topics" in needs
    assert ("migrations" in needs) == (name == "sink-clickhouse")


def test_who_asks_how_it_was_signs_links_with_what_the_pages_read_them_with() -> None:
    secrets = [OURS[name]["environment"]["DESKSTREAM_SURVEY_SECRETS"] for name in ("worker", "http")]
    assert secrets == ["${DESKSTREAM_SURVEY_SECRETS:-}"] * 2


def test_prometheus_keeps_what_the_objectives_are_about() -> None:
    [days] = [int(days) for days in re.findall(r"retention\.time=(\d+)d", " ".join(SERVICES["prometheus"]["command"]))]
    plan = yaml.safe_load((ROOT / "deploy" / "prometheus" / "slos.yaml").read_text("utf-8"))
    assert days >= int(plan["period"].removesuffix("d"))


def test_prometheus_scrapes_every_process_that_is_always_there() -> None:
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"][0]["static_configs"][0][
        "targets"
    ]
    always = {name for name, each in OURS.items() if "profiles" not in each} - JOBS
    assert set(scraped) == {f"{name}:9464" for name in always}


def test_prometheus_scrapes_itself_and_alertmanager() -> None:
    """Otherwise nobody sees that one of them refused its configuration."""
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"]
    targets = {target for job in scraped for each in job["static_configs"] for target in each["targets"]}
    assert {"localhost:9090", "alertmanager:9093"} <= targets


def mounts(service: str) -> dict[str, str]:
    """Where in the container -> what of ours is mounted there."""
    volumes = [volume.split(":") for volume in SERVICES[service]["volumes"]]
    return {target: (FOLDER / source).resolve().relative_to(ROOT).as_posix() for source, target, *_ in volumes
            if source.startswith(".")}  # fmt: skip


def test_alertmanager_has_our_routes_and_every_secret_that_they_name() -> None:
    assert mounts("alertmanager") == {
        "/etc/alertmanager/alertmanager.yaml": "deploy/alertmanager/alertmanager.yaml",
        "/etc/alertmanager/templates": "deploy/alertmanager/templates",
    }
    assert "--config.file=/etc/alertmanager/alertmanager.yaml" in SERVICES["alertmanager"]["command"]
    secrets = re.findall(r"_file: (\S+)", (ROOT / "deploy/alertmanager/alertmanager.yaml").read_text("utf-8"))
    assert {config["target"] for config in SERVICES["alertmanager"]["configs"]} == set(secrets)


def test_grafana_has_our_dashboards_and_every_variable_of_their_sources() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    board = yaml.safe_load((provisioning / "dashboards" / "deskstream.yaml").read_text("utf-8"))
    assert mounts("grafana") == {
        "/etc/grafana/provisioning": "deploy/grafana/provisioning",
        board["providers"][0]["options"]["path"]: "deploy/grafana/json",
    }
    sources = (provisioning / "datasources" / "deskstream.yaml").read_text("utf-8")
    given = set(SERVICES["grafana"]["environment"])
    assert set(re.findall(r"\$(\w+)", sources)) == {name for name in given if not name.startswith("GF_")}
    for plugin in re.findall(r"type: (grafana-\S+)", sources):
        assert plugin in SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL"]


def test_the_servers_are_those_that_the_tests_run_on() -> None:
    assert SERVICES["kafka"]["image"] == containers.DEFAULT_KAFKA_IMAGE
    assert SERVICES["clickhouse"]["image"] == containers.DEFAULT_CLICKHOUSE_IMAGE
