"""What must not lose a record: locks, kills, full disks, servers that go away."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import ConfigurationError, StoreUnavailable
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]


def python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def test_a_write_waits_for_another_program_that_holds_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        release.start()
        store.data("after")
        release.join()
        other.close()
        assert store.info()["records"]["data"] == 2


def test_a_lock_that_does_not_end_is_said_and_nothing_is_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "100")
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            store.data("refused", uris=["file:///x"])
        other.execute("ROLLBACK")
        other.close()
        assert store.info()["tables"]["uri"] == 0
        store.data("after")
        assert store.info()["records"]["data"] == 2


def test_a_reader_lock_does_not_lose_writes(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("before")
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM record").fetchone() == (1,)
        for n in range(50):
            store.data(f"scan-{n}")
        assert reader.execute("SELECT count(*) FROM record").fetchone() == (1,)
        reader.close()
        assert store.info()["records"]["data"] == 51


WRITE_UNTIL_KILLED = """
import sys
from provenance_store import open_store
store = open_store(sys.argv[1])
for n in range(1_000_000):
    with store.step(f"step-{n}") as step:
        made = step.output(f"out-{n}", uris=[f"file:///{n}"])
    print(step.id, made.id, flush=True)
"""


def test_what_was_answered_before_a_kill_is_in_the_store(store_url: str) -> None:
    writer = python(WRITE_UNTIL_KILLED, store_url)
    assert writer.stdout is not None
    answered = [writer.stdout.readline() for _ in range(100)]
    writer.send_signal(signal.SIGKILL)
    answered += writer.stdout.readlines()
    writer.communicate()
    with open_store(store_url) as store:
        assert store.check() == []
        for line in (line for line in answered if line.endswith("\n")):
            step_id, made_id = map(int, line.split())
            assert store.documents().record(store.sink.urn(step_id))["status"] == "SUCCEEDED"
            assert store.documents().record(store.sink.urn(made_id))["uris"]


FILL = """
import resource, signal, sys
from provenance_store import open_store
from provenance_store.errors import InvalidInput, StoreUnavailable
store = open_store("sqlite:///" + sys.argv[1])
store.data("before")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
written = 1
try:
    for n in range(100_000):
        store.data("x" * 1000, uris=[f"file:///{n}"])
        written += 1
except StoreUnavailable as error:
    print(written, error)
"""


def test_a_disk_that_takes_no_more_is_said_and_the_store_stays_whole(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    output, errors = python(FILL, file).communicate(timeout=60)
    assert errors == ""
    written, sentence = output.split(" ", 1)
    assert "The disk that holds the store" in sentence
    with open_store(f"sqlite:///{file}") as store:
        assert store.check() == []
        assert store.info()["records"]["data"] == int(written)
        assert store.info()["tables"]["uri"] == int(written) - 1
        store.data("after")


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder; a store is a file"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_database_server_that_restarts_is_found_again(own_postgres: PostgresServer) -> None:
    with own_postgres as server, open_store(server.new_database()) as store:
        store.data("before")
        store.documents().records()
        server.stop()
        with pytest.raises(StoreUnavailable):
            store.data("refused")
        with pytest.raises(StoreUnavailable):
            store.documents().records()
        server.start()
        store.data("after")
        assert [r["name"] for r in store.documents().records()["records"]] == ["after", "before"]


def test_deadlocks_and_serialization_failures_are_tried_again(
    postgres_server: PostgresServer,
) -> None:
    """Two sessions that write the same rows in opposite order, many times, all succeed."""
    url = postgres_server.new_database()
    errors: list[Exception] = []
    with open_store(url) as one, open_store(url) as two:

        def work(store: Store, order: int) -> None:
            try:
                for n in range(40):
                    with store.transaction():
                        for run in (f"a{n}", f"b{n}")[::order]:
                            store.run(run, label=str(order))
            except Exception as error:
                errors.append(error)

        threads = [
            threading.Thread(target=work, args=(store, order))
            for store, order in ((one, 1), (two, -1))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert one.info()["tables"]["run"] == 80
        assert one.info()["tables"]["run_event"] == 160


def test_what_the_database_cannot_hold_does_not_touch_what_is_written_with_it(
    store_url: str,
) -> None:
    started = threading.Barrier(8)

    def write(writer: int) -> None:
        started.wait()
        for n in range(20):
            if writer:
                store.data(f"{writer}-{n}")
            else:
                store.run("too late", completion_time=1 << 70)

    with open_store(store_url) as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
        assert store.info()["records"]["data"] == 140
        assert store.documents().run("too late")["completion_time"] is None


def test_many_processes_write_one_store_and_none_loses_a_record(store_url: str) -> None:
    code = (
        "import sys\nfrom provenance_store import open_store\n"
        "with open_store(sys.argv[1]) as store:\n"
        "    for n in range(50): store.data(f'{sys.argv[2]}-{n}')\n"
    )
    workers = [python(code, store_url, n) for n in range(4)]
    deadline = time.monotonic() + 90
    for worker in workers:
        _, errors = worker.communicate(timeout=max(1, deadline - time.monotonic()))
        assert errors == ""
    with open_store(store_url) as store:
        assert store.info()["records"]["data"] == 200
