"""The counters at /metrics are those of all workers, and never go back."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from action_provider.shared_metrics import fold, folder
from tests.functional.provider.gate import Gate
from tests.functional.provider.harvests import hello, run, wait_until
from tests.functional.provider.house import Person, Town, a_body
from tests.support.processes import Serving, children, serving

RECORDED = 40
FLOW = {"StartAt": "Greet", "States": {"Greet": hello("first", End=True)}}


@contextmanager
def started(town: Town, where: Path, *options: str, **more: str) -> Iterator[Serving]:
    arguments = ["serve", "--port", "0", *options]
    with serving(*arguments, environ=town.environ(**more), folder=where) as server:
        yield server


def value(server: Serving, name: str, **labels: str) -> float:
    """A sample of the page of whichever worker answers."""
    answer = requests.get(f"{server.url}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    text = answer.text
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    fitting = (s for s in samples if s.name == name and labels.items() <= s.labels.items())
    return sum(sample.value for sample in fitting)


def record(server: Serving, who: Person, request_id: str) -> None:
    """Record a step, over a connection of its own, so that any worker may take it."""
    document = {"request_id": request_id, "body": a_body(run_id=request_id)}
    headers = {"Authorization": f"Bearer {who.token}", "Connection": "close"}
    answer = requests.post(f"{server.url}/record/run", json=document, headers=headers, timeout=30)
    assert answer.status_code == 202


@pytest.mark.parametrize("recording", ["threads", "process"])
def test_each_worker_shows_what_all_of_them_counted(
    town: Town, tmp_path: Path, recording: str
) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, "--workers", "3", BRAID_RECORDING=recording) as server:
        wait_until(lambda: value(server, "braid_workers") == 3, "all workers")
        for number in range(RECORDED):
            record(server, ada, f"{number}")
        wait_until(lambda: value(server, "braid_steps_total") == RECORDED, "all steps counted")
        assert {value(server, "braid_steps_total") for _ in range(20)} == {RECORDED}
        counted = value(server, "braid_requests_total", route="/record/run", status="202")
        assert counted == RECORDED
        assert value(server, "braid_request_seconds_count", route="/record/run") == RECORDED


def test_no_counter_goes_back_from_one_page_to_the_next(town: Town, tmp_path: Path) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, "--workers", "3") as server:
        wait_until(lambda: value(server, "braid_workers") == 3, "all workers")
        seen = []
        for number in range(RECORDED):
            record(server, ada, f"{number}")
            seen.append(value(server, "braid_steps_total"))
        assert seen == sorted(seen)


def test_a_worker_that_is_killed_and_replaced_takes_no_count_with_it(
    town: Town, tmp_path: Path
) -> None:
    ada = town.person("ada")
    with started(town, tmp_path, "--workers", "2") as server:
        wait_until(lambda: value(server, "braid_workers") == 2, "all workers")
        seen = []
        for turn in range(3):
            for number in range(6):
                record(server, ada, f"{turn} {number}")
            steps = 6 * turn + 6
            wait_until(lambda n=steps: value(server, "braid_steps_total") == n, "them counted")
            before = children(server.process.pid)
            os.kill(before[0], signal.SIGKILL)
            wait_until(lambda gone=before[0]: serves_no_more(gone), "its death")
            seen.append(value(server, "braid_steps_total"))
            wait_until(lambda gone=before[0]: gone not in children(server.process.pid), "its end")
            wait_until(lambda: value(server, "braid_workers") == 2, "another worker")
            seen.append(value(server, "braid_steps_total"))
            assert value(server, "braid_request_seconds_count", route="/record/run") == seen[-1]
        assert seen == [6, 6, 12, 12, 18, 18]
        files = list(shared_folder(server).glob("counter_*.db"))
        assert len(files) == 3, "those that ended are one"


def test_a_worker_that_stands_still_is_replaced_in_the_time_that_is_said(
    town: Town, tmp_path: Path
) -> None:
    with started(town, tmp_path, "--stalled-seconds", "3") as server:
        wait_until(lambda: value(server, "braid_workers") == 1, "the worker")
        (stopped,) = children(server.process.pid)
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: stopped not in children(server.process.pid), "its end")
        assert value(server, "braid_workers") == 1


def test_harvests_beside_the_workers_are_counted_whoever_is_asked(
    town: Town, tmp_path: Path, store_url: str
) -> None:
    ada = town.person("ada")
    apart = {"BRAID_RECORDING": "process", "BRAID_LANES": "processes"}
    number = 8
    with started(town, tmp_path, "--workers", "2", "--store", store_url, **apart) as server:
        wait_until(lambda: value(server, "braid_workers") == 2, "both workers, and no lanes")
        runs = [run(town, ada, FLOW).run["run_id"] for _ in range(number)]
        headers = {"Authorization": f"Bearer {ada.token}", "Connection": "close"}
        for place, run_id in enumerate(runs):
            asked = {"request_id": f"{place}", "body": {"run_id": run_id}}
            url = f"{server.url}/harvest/run"
            assert requests.post(url, json=asked, headers=headers, timeout=60).ok
        succeeded = ("braid_harvest_actions_total", {"outcome": "succeeded"})
        wait_until(lambda: value(server, succeeded[0], **succeeded[1]) == number, "all counted")
        wait_until(lambda: value(server, "braid_harvest_action_active") == 0, "their end")
        wait_until(lambda: value(server, "braid_steps_total") == number, "their steps")
        lanes = [pid for worker in children(server.process.pid) for pid in children(worker)]
        for pid in lanes:
            os.kill(pid, signal.SIGKILL)
        for _ in range(20):
            assert value(server, succeeded[0], **succeeded[1]) == number
            assert value(server, "braid_harvest_action_seconds_count") == number
            assert value(server, "braid_steps_total") == number
            assert value(server, "braid_workers") == 2
            assert value(server, "braid_harvest_action_last_success_timestamp_seconds") > 1e9
        left = {file.stem.rpartition("_")[2] for file in shared_folder(server).glob("*.db")}
        assert left.isdisjoint(map(str, lanes))


def test_a_harvest_under_way_beside_a_worker_is_shown(town: Town, tmp_path: Path) -> None:
    ada = town.person("ada")
    with Gate(town.sandbox) as gate:
        more = {"BRAID_LANES": "processes", **gate.environ}
        with started(town, tmp_path, "--workers", "2", **more) as server:
            run_id = run(town, ada, FLOW).run["run_id"]
            headers = {"Authorization": f"Bearer {ada.token}"}
            asked = {"request_id": "r", "body": {"run_id": run_id}}
            url = f"{server.url}/harvest/run"
            assert requests.post(url, json=asked, headers=headers, timeout=60).ok
            wait_until(lambda: value(server, "braid_harvest_action_active") == 1, "its beginning")
            wait_until(lambda: value(server, "braid_harvest_action_lag_seconds") > 0, "its lag")
            gate.open()
            wait_until(lambda: value(server, "braid_harvest_action_active") == 0, "its end")
            wait_until(lambda: value(server, "braid_harvest_action_lag_seconds") == 0, "no lag")


def serves_no_more(pid: int) -> bool:
    """Whether a process has ended, be it that its parent has not noticed yet."""
    status = Path(f"/proc/{pid}/status")
    with suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" in status.read_text()
    return True


def test_one_worker_shows_its_counters(town: Town, tmp_path: Path) -> None:
    with started(town, tmp_path) as server:
        record(server, town.person("ada"), "only")
        assert value(server, "braid_steps_total") == 1
        assert value(server, "braid_workers") == 1
        assert value(server, "braid_harvest_action_active") == 0
        assert "pid=" not in requests.get(f"{server.url}/metrics", timeout=60).text


def test_a_worker_that_has_just_begun_to_count_spoils_no_page(town: Town, tmp_path: Path) -> None:
    with started(town, tmp_path) as server:
        record(server, town.person("ada"), "only")
        (shared_folder(server) / "counter_999999.db").touch()  # as prometheus_client begins one
        assert value(server, "braid_steps_total") == 1


def test_the_counters_lie_in_a_private_folder_that_goes_with_the_server(
    town: Town, tmp_path: Path
) -> None:
    with started(town, tmp_path, "--workers", "2") as server:
        where = shared_folder(server)
        assert stat.S_IMODE(where.stat().st_mode) == 0o700
        assert server.stop() == 0
        assert not where.exists()


def test_what_a_killed_server_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("action_provider.shared_metrics.MEMORY", tmp_path)
    left, young = tmp_path / "braid-metrics-left", tmp_path / "braid-metrics-young"
    for old in (left, young):
        old.mkdir()
        (old / "owner").touch()
    os.utime(left, (0, 0))
    with folder() as used:
        os.utime(used, (0, 0))
        with folder():
            assert used.exists()
            assert not left.exists()
            assert young.exists()


def test_a_process_that_counted_nothing_can_end(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    fold(tmp_path, 12345)
    fold(tmp_path / "gone", 12345)


def shared_folder(server: Serving) -> Path:
    """The folder of a server's counters, as its worker was told."""
    wait_until(lambda: bool(children(server.process.pid)), "a worker")
    mapped = Path(f"/proc/{children(server.process.pid)[0]}/maps")
    wait_until(lambda: "braid-metrics-" in mapped.read_text(), "its counters")
    line = next(line for line in mapped.read_text().splitlines() if "braid-metrics-" in line)
    return Path(line.split(maxsplit=5)[5]).parent
