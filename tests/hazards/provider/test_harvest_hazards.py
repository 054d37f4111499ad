"""Harvests survive what happens to servers: killed, stopped, several at once, a store in use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from flows.sandbox import Sandbox
from provenance_store import open_store
from tests.functional.provider.gate import Gate
from tests.functional.provider.harvests import ask, hello, run, wait_until
from tests.functional.provider.house import Person, Town, serving, with_a_near_deadline
from tests.hazards.provider.servers import Server
from tests.hazards.provider.test_provider_hazards import write_lock

LEASE = "2"
FLOW = {"StartAt": "Greet", "States": {"Greet": hello("first", End=True)}}


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with Sandbox(time_scale=0.001) as sandbox:
        yield Town(sandbox)


@pytest.fixture(scope="module")
def ada(town: Town) -> Person:
    return town.person("ada")


@pytest.fixture
def gate(town: Town) -> Iterator[Gate]:
    with Gate(town.sandbox) as gate:
        yield gate


class HarvestServer(Server):
    """One that is asked for harvests."""

    def ask(self, who: Person, run_id: str, request_id: str = "r1") -> requests.Response:
        document = {"request_id": request_id, "body": {"run_id": run_id}}
        return self._call("POST", "/harvest/run", who, json=document)

    def status(self, who: Person, action_id: str) -> dict[str, Any]:
        answer = self._call("GET", f"/harvest/{action_id}/status", who)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def codes(self, who: Person, action_id: str) -> list[str]:
        entries = self._call("GET", f"/harvest/{action_id}/log", who).json()["entries"]
        return [entry["code"] for entry in entries]

    def _call(self, method: str, path: str, who: Person, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {who.token}"}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **more)


def environ(town: Town, gate: Gate, store_url: str, **more: str) -> dict[str, str]:
    own = {"BRAID_STORE_URL": store_url, "BRAID_HARVEST_LEASE_SECONDS": LEASE}
    return {**town.environ(), **gate.environ, **own, **more}


def is_done(server: HarvestServer, who: Person, action_id: str) -> bool:
    return server.status(who, action_id)["status"] == "SUCCEEDED"


@pytest.mark.slow
def test_a_harvest_whose_server_is_killed_is_taken_up_by_a_later_status_call(
    town: Town, ada: Person, gate: Gate, store_url: str, tmp_path: Path
) -> None:
    run_id = run(town, ada, FLOW).run["run_id"]
    with HarvestServer(environ(town, gate, store_url), tmp_path) as server:
        asked = server.ask(ada, run_id)
        assert (asked.status_code, asked.json()["status"]) == (202, "ACTIVE")
        action_id = asked.json()["action_id"]
        wait_until(lambda: bool(gate.asked), "the harvest")
        server.end(signal.SIGKILL)
        gate.open()
        server.start()
        assert server.ask(ada, run_id).json()["action_id"] == action_id
        wait_until(lambda: is_done(server, ada, action_id), "the end of the harvest")
        details = server.status(ada, action_id)["details"]
        assert (details["run_id"], details["added"]) == (run_id, 1)
        codes = server.codes(ada, action_id)
        assert (codes[0], codes[-1]) == ("HarvestAsked", "Harvested")
        assert "HarvestTakenUp" in codes
    with open_store(store_url) as store:
        assert store.check() == []
        assert len(store.documents().run_steps(run_id)) == 1


@pytest.mark.slow
def test_a_server_that_is_stopped_leaves_its_harvests_to_the_next_at_once(
    town: Town, ada: Person, gate: Gate, tmp_path: Path
) -> None:
    run_id = run(town, ada, FLOW).run["run_id"]
    url = f"sqlite:///{tmp_path / 'store.db'}"
    patient = environ(town, gate, url, BRAID_HARVEST_LEASE_SECONDS="3600")
    with HarvestServer(patient, tmp_path) as server:
        action_id = server.ask(ada, run_id).json()["action_id"]
        wait_until(lambda: bool(gate.asked), "the harvest")
        server.end(signal.SIGTERM)
        gate.open()
        server.start()
        wait_until(lambda: is_done(server, ada, action_id), "the end of the harvest")


def test_a_harvest_that_nobody_goes_on_with_by_its_deadline_has_failed(
    town: Town, ada: Person, gate: Gate, tmp_path: Path
) -> None:
    run_id = run(town, ada, FLOW).run["run_id"]
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with serving(url, environ(town, gate, url)) as house:
        soon, asked = with_a_near_deadline(lambda soon: ask(house, ada, run_id, deadline=soon))
        action_id = asked.json()["action_id"]
        wait_until(lambda: bool(gate.asked), "the harvest")
    wait_until(lambda: datetime.now(UTC).isoformat() > soon, "the deadline")
    with serving(url, environ(town, gate, url)) as house:
        told = house.get(f"/harvest/{action_id}/status", ada).json()
        assert (told["status"], told["details"]["code"]) == ("FAILED", "DeadlinePassed")


def test_a_harvest_waits_for_a_store_that_is_locked(
    town: Town, ada: Person, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "50")
    run_id = run(town, ada, FLOW).run["run_id"]
    file = tmp_path / "store.db"
    url = f"sqlite:///{file}"
    with serving(url, environ(town, gate, url)) as house:
        asked = ask(house, ada, run_id).json()
        path = f"/harvest/{asked['action_id']}/status"
        wait_until(lambda: bool(gate.asked), "the harvest")
        with write_lock(file):
            gate.open()
            idle = "braid_harvest_action_active 0.0"
            wait_until(lambda: idle in house.get("/metrics").text, "the refusal")
            assert house.get(path, ada).json() == asked
        wait_until(lambda: house.get(path, ada).json()["status"] != "ACTIVE", "the harvest")
        assert house.get(path, ada).json()["status"] == "SUCCEEDED"
        assert len(house.store.documents().run_steps(run_id)) == 1


@pytest.mark.slow
def test_of_several_workers_one_harvests(
    town: Town, ada: Person, gate: Gate, store_url: str, tmp_path: Path
) -> None:
    run_id = run(town, ada, FLOW).run["run_id"]
    once = environ(town, gate, store_url, BRAID_HARVEST_FOLLOW_SECONDS="0")
    with HarvestServer(once, tmp_path, workers=4) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.ask(ada, run_id), range(16)))
        assert sorted({answer.status_code for answer in answers}) == [200, 202]
        (action_id,) = {answer.json()["action_id"] for answer in answers}
        # Longer than a claim lasts unless it is renewed.
        looks = pool.map(lambda _: server.status(ada, action_id)["status"], range(500))
        assert set(looks) == {"ACTIVE"}
        assert gate.asked == [f"runs/{run_id}"]
        gate.open()
        wait_until(lambda: is_done(server, ada, action_id), "the end of the harvest")
        assert gate.asked.count(f"runs/{run_id}/definition") == 1
        assert server.codes(ada, action_id) == ["HarvestAsked", "Harvested"]


@pytest.mark.slow
def test_no_token_is_in_the_store_nor_in_the_log_of_the_server(
    town: Town, ada: Person, gate: Gate, tmp_path: Path
) -> None:
    run_id = run(town, ada, FLOW).run["run_id"]
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with HarvestServer(environ(town, gate, url), tmp_path) as server:
        gate.answers = [401]
        refused = server.ask(ada, run_id).json()["action_id"]
        wait_until(lambda: bool(gate.asked), "the harvest")
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("store.db*"))
        assert refused.encode() in kept
        gate.open()
        wait_until(lambda: server.status(ada, refused)["status"] == "FAILED", "the refusal")
        action_id = server.ask(ada, run_id, "r2").json()["action_id"]
        wait_until(lambda: is_done(server, ada, action_id), "the end of the harvest")
        server.end(signal.SIGTERM)
    written = server.log.read_bytes()
    kept += b"".join(file.read_bytes() for file in tmp_path.glob("store.db*"))
    assert gate.tokens
    assert ada.token not in gate.tokens
    for token in (*gate.tokens, ada.token, town.client.client_secret):
        assert token.encode() not in kept
        assert token.encode() not in written
        assert token[-7:].encode() not in written
