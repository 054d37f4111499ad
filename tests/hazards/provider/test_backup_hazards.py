"""Backups of a store into which a server records all the while, and putting them back under it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from action_provider.app import EXTENSION
from provenance_store import open_store
from provenance_store.errors import Conflict
from provenance_store.sql import sqlite_copies
from provenance_store.transfer.backup import back_up, restore
from tests.functional.provider.harvests import wait_until
from tests.functional.provider.house import House, Person, Town, a_body, serving


@contextmanager
def recording(house: House, who: Person) -> Iterator[list[str]]:
    """Record steps one after the other all the while; the runs of those that were answered."""
    answered: list[str] = []
    stop = threading.Event()

    def record() -> None:
        with requests.Session() as session:
            number = 0
            while not stop.is_set():
                number += 1
                run = f"run-{number}"
                done = session.post(
                    f"{house.url}/record/run",
                    headers={"Authorization": f"Bearer {who.token}"},
                    json={"request_id": run, "body": a_body(run_id=run)},
                    timeout=60,
                )
                if done.status_code == 202:
                    answered.append(run)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        yield answered
    finally:
        stop.set()
        thread.join()


def runs_in(url: str) -> set[str]:
    with open_store(url, create=False) as store:
        assert store.check() == []
        return {run["run_id"] for run in store.documents().runs(limit=1000)["runs"]}


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_backup_has_all_that_was_answered_before_it_and_is_taken_up_when_it_is_put_back(
    town: Town, ada: Person, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copies, "PAGES_AT_ONCE", 5)
    file = tmp_path / "backup.db"
    with serving(store_url, town.environ(BRAID_RECORDING="process")) as house:
        with recording(house, ada) as answered:
            wait_until(lambda: len(answered) > 5, "recording")
            before = set(answered)
            seen: list[int] = []

            def meanwhile(done: int, total: int) -> None:
                if len(seen) < 3:  # others go on while it is made
                    count = len(answered)
                    wait_until(lambda: len(answered) > count, "recording meanwhile")
                seen.append(done)

            back_up(store_url, file, progress=meanwhile)
            assert len(seen) > 3
            assert seen == sorted(seen)  # it did not begin anew
            with pytest.raises(Conflict, match=r"holds more|open"):
                restore(store_url, file)
            restored = restore(store_url, file, force=True)
            count = len(answered)
            wait_until(lambda: len(answered) > count + 3, "recording into the restored store")
        house.app.extensions[EXTENSION].close()
    kept = runs_in(f"sqlite:///{file}")
    assert before <= kept
    assert kept <= runs_in(store_url)
    assert kept <= runs_in(f"sqlite:///{restored.before}")
    # What was answered is in the store that was there, or in the one that is there now.
    assert set(answered) <= runs_in(store_url) | runs_in(f"sqlite:///{restored.before}")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_dump_put_back_under_a_server_is_taken_up(
    town: Town, ada: Person, store_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "backup"
    with serving(store_url, town.environ()) as house:
        assert house.run(ada, "r1").status_code == 202
        back_up(store_url, file)
        later = house.run(ada, "r2", body=a_body(run_id="run-2"))
        assert later.status_code == 202
        with pytest.raises(Conflict, match="are connected"):
            restore(store_url, file)
        assert house.run(ada, "r2", body=a_body(run_id="run-2")).json() == later.json()
        restore(store_url, file, force=True)

        def again() -> bool:
            return house.run(ada, "r3", body=a_body(run_id="run-3")).status_code in (200, 202)

        wait_until(again, "recording into the restored store")
        house.app.extensions[EXTENSION].close()
    assert runs_in(store_url) == {"run-1", "run-3"}
