"""What lies in `deploy/` fits the server: units, containers, alerts and the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from braid.commands import command as root
from braid.commands.serve import command as serve
from braid.diagnosis.machine import settings
from provenance_store import open_store
from provenance_store.sql.dialects import read_url
from provenance_store.transfer.backup import DUMP_OPTIONS, RESTORE_OPTIONS
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import House, Person, Town
from tests.support.needs import missing
from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT, serving

DEPLOY = ROOT / "deploy"
SETTINGS = {setting.name for setting in settings()}
BRAID = Path(sys.executable).with_name("braid")

OF_PROMETHEUS = {"instance", "job"}
NAME = re.compile(r"\b(braid_\w+|up)\b")
SELECTOR = re.compile(r"(braid_\w+|up)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
BY = re.compile(r"\bby \(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "braid-alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str, str]]:
    """(where it is, the PromQL, texts that name its labels)."""
    for rule in rules():
        yield rule["alert"], rule["expr"], json.dumps(rule["annotations"])
    for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.fixture
def samples(house: House, ada: Person) -> dict[str, dict[str, set[str]]]:
    """The metrics of a server that was asked this and that: name -> label -> values."""
    assert house.run(ada, "r1").status_code == 202
    assert house.post("/record/run", json={}).status_code == 401
    asked = {"request_id": "h", "body": {"run_id": "00000000-0000-4000-8000-000000000001"}}
    assert house.post("/harvest/run", ada, json=asked).status_code == 202
    for path in ("/healthz", "/readyz", "/metrics"):
        assert house.get(path).status_code == 200

    def found() -> dict[str, dict[str, set[str]]]:
        names: dict[str, dict[str, set[str]]] = {"up": {}}
        for family in text_string_to_metric_families(house.get("/metrics").text):
            for sample in family.samples:
                labels = names.setdefault(sample.name, {})
                for name, value in sample.labels.items():
                    labels.setdefault(name, set()).add(value)
        return names

    wait_until(lambda: "outcome" in found().get("braid_harvest_actions_total", {}), "a harvest")
    names = found()
    names["braid_requests_total"]["route"] |= {rule.rule for rule in house.app.url_map.iter_rules()}
    return names


def test_each_query_names_metrics_labels_and_values_that_the_server_gives(
    samples: dict[str, dict[str, set[str]]],
) -> None:
    for where, query, texts in queries():
        names = set(NAME.findall(query))
        assert names, where
        assert names <= samples.keys(), where
        grouped = {label.strip() for by in BY.findall(query) for label in by.split(",")}
        known = OF_PROMETHEUS.union(*(samples[name].keys() for name in names))
        assert grouped <= known, where
        for label in re.findall(r"\{\{(?: \$labels\.)?(\w+) ?\}\}", texts):
            assert label in (grouped or OF_PROMETHEUS), where
        assert ("histogram_quantile" in query) == ("le" in grouped), where
        for name, matchers in SELECTOR.findall(query):
            for label, operator, value in MATCHER.findall(matchers):
                assert label in samples[name].keys() | OF_PROMETHEUS, where
                values = samples[name].get(label, set())
                if label == "route":
                    values = samples["braid_requests_total"]["route"]
                if label in OF_PROMETHEUS or label == "status":
                    continue  # which others there are, nobody knows
                for one in _alternatives(value) if operator.endswith("~") else [value]:
                    assert any(re.fullmatch(one, known_value) for known_value in values), where


def _alternatives(pattern: str) -> list[str]:
    """`/a/(b|c)` as `/a/b` and `/a/c`."""
    if (group := re.search(r"\(([^)]*)\)", pattern)) is None:
        return pattern.split("|")
    return [pattern.replace(group[0], one) for one in group[1].split("|")]


def test_each_alert_says_what_to_do_and_the_dashboard_shows_all_that_is_counted(
    samples: dict[str, dict[str, set[str]]],
) -> None:
    for rule in rules():
        assert {"summary", "todo"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in ("page", "ticket")
    shown = {name for _, query, _ in queries() for name in NAME.findall(query)}
    endings = r"_(bucket|sum|count|created)$"
    assert {re.sub(endings, "", name) for name in shown - {"up"}} == {
        re.sub(endings, "", name)
        for name in samples
        if name.startswith("braid_") and not name.endswith("_created")
    }
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert scraped["rule_files"] == ["braid-alerts.yml"]
    assert [job["job_name"] for job in scraped["scrape_configs"]] == ["braid"]


def test_the_units_are_those_that_systemd_takes(tmp_path: Path) -> None:
    if (analyze := shutil.which("systemd-analyze")) is None:
        missing("systemd is not installed (apt-get install systemd)")
    units = []
    for unit in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")]:
        text = unit.read_text().replace("/opt/braid/bin/braid", str(BRAID))
        (tmp_path / unit.name).write_text(text)
        units.append(tmp_path / unit.name)
    assert len(units) == 3
    command = [analyze, "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_backup_of_the_unit_is_made(tmp_path: Path) -> None:
    unit = (DEPLOY / "braid-backup.service").read_text()
    (call,) = re.findall(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.MULTILINE)
    call = call.replace("$$", "$").replace("%%", "%")
    call = call.replace("/opt/braid/bin/braid", str(BRAID)).replace("/var/backups", str(tmp_path))
    url = f"sqlite:///{tmp_path / 's.db'}"
    (tmp_path / "braid").mkdir()
    open_store(url).close()
    environ = {"BRAID_STORE_URL": url, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    for _ in range(2):  # the second of a day replaces the first
        done = subprocess.run(["/bin/sh", "-c", call], env=environ, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
    (backup,) = (tmp_path / "braid").iterdir()
    assert re.fullmatch(r"braid-\d{4}-\d\d-\d\d", backup.name)
    open_store(f"sqlite:///{backup}", create=False).close()


def test_the_example_of_settings_names_settings_and_leaves_secrets_empty() -> None:
    lines = (DEPLOY / "braid.env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert given.keys() <= SETTINGS
    assert given["BRAID_CLIENT_SECRET"] == ""
    read_url(given["BRAID_STORE_URL"])


def test_the_containers_fit_each_other_and_what_they_call(
    town: Town, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    braid, nginx, postgres = (services[name] for name in ("braid", "nginx", "postgres"))
    assert (DEPLOY / braid["build"] / "Dockerfile").is_file()
    assert braid["env_file"] == "braid.env"
    assert {name for name in braid["environment"] if name.startswith("BRAID_")} <= SETTINGS
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        assert ":" in service["image"] or service is braid
    mounted = dict(volume.split(":")[:2] for volume in nginx["volumes"])
    assert (DEPLOY / "nginx.conf").is_file()
    assert mounted["./nginx.conf"].startswith("/etc/nginx/conf.d/")
    assert mounted["./tls"] in (DEPLOY / "nginx.conf").read_text()
    first, *options = braid["command"]
    parent = click.Context(root, info_name="braid", **root.context_settings)
    parsed = serve.make_context("serve", list(options), parent=parent).params
    assert (first, nginx["network_mode"]) == ("serve", "service:braid")
    assert f"server 127.0.0.1:{parsed['port']};" in (DEPLOY / "nginx.conf").read_text()
    url = re.sub(r"\$\{[^}]*\}", "hex", braid["environment"]["BRAID_STORE_URL"])
    named = read_url(url)
    assert (named.host, named.username, named.database) == (
        "postgres",
        postgres["environment"]["POSTGRES_USER"],
        postgres["environment"]["POSTGRES_DB"],
    )
    options[options.index("--port") + 1] = "0"
    options[options.index("--host") + 1] = "127.0.0.1"
    environ = town.environ(BRAID_STORE_URL=postgres_server.new_database())
    with serving(first, *options, environ=environ, folder=tmp_path) as server:
        assert requests.get(f"{server.url}/readyz", timeout=60).json() == {"status": "ok"}
        assert server.stop() == 0


def test_what_the_image_brings_and_what_the_page_says_of_backups_in_containers() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    found = re.search(r"apt-get install --yes --no-install-recommends ([^&\\]+)", dockerfile)
    assert found is not None
    assert "libcairo2" in found[1].split()
    page = (ROOT / "docs" / "operate.md").read_text()
    calls = {
        program: next(part for part in page.split("exec -T postgres ")[1:] if program in part[:20])
        for program in ("pg_dump", "pg_restore")
    }
    assert set(DUMP_OPTIONS) - {"--format=custom"} <= set(calls["pg_dump"].split())
    assert set(RESTORE_OPTIONS) <= set(calls["pg_restore"].split())
