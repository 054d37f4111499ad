"""What goes wrong between processes: a child costs its parent nothing, nor a parent its child."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import globus_sdk
import pytest

import hpc
from action_provider.stores import StoreHolder
from provenance_store import Store, open_store
from provenance_store.errors import InvalidInput
from tests.support.mpi import ROOT, run_mpi

PREPARED = """
import json, multiprocessing, os, signal, sys, threading, time
from pathlib import Path
import hpc
from provenance_store import open_store
from provenance_store.errors import BraidError

def wait_for(name):
    until = time.monotonic() + 60
    while not Path(name).exists():
        assert time.monotonic() < until, name
        time.sleep(0.01)

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def python(code: str, folder: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A script run to its end, which must be a good one."""
    (folder / "job.py").write_text(PREPARED + textwrap.dedent(code))
    ran = subprocess.run(
        [sys.executable, "job.py", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return ran


@contextmanager
def deaf_server(asked: Path) -> Iterator[str]:
    """A server that never answers; it makes the file `asked` when a request has begun."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def listen() -> None:
            with suppress(OSError):
                while True:
                    connection = stack.enter_context(server.accept()[0])
                    connection.recv(1)
                    asked.touch()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def names(url: str) -> list[str]:
    """The names of all records of a store that is in order."""
    with open_store(url, create=False) as store:
        return names_in(store)


def names_in(store: Store) -> list[str]:
    assert store.check() == []
    with store.sink.session.read() as connection:
        return sorted(connection.exec_driver_sql("SELECT name FROM record").scalars())


def spooled(folder: Path, *, unfinished: bool = False) -> list[str]:
    """The names of all records in a spool folder."""
    with open_store(f"sqlite:///{folder / 'loaded.db'}") as store:
        assert hpc.load_spool(store, folder / "spool", unfinished=unfinished).bad == []
        return names_in(store)


def test_a_child_goes_on_recording_when_its_parent_has_closed_the_store(
    store_url: str, tmp_path: Path
) -> None:
    code = """
    store = open_store(sys.argv[1])
    parent = store.data("parent")
    if not (child := os.fork()):
        store.data("first", depends_on=[parent])
        Path("recorded").touch()
        wait_for("closed")
        store.data("second", depends_on=[parent])
        sys.exit(0)
    wait_for("recorded")
    store.data("between")
    store.close()
    Path("closed").touch()
    assert ended(child) == 0
    """
    python(code, tmp_path, store_url)
    assert names(store_url) == ["between", "first", "parent", "second"]


def test_threads_record_while_their_process_forks(store_url: str, tmp_path: Path) -> None:
    code = """
    store = open_store(sys.argv[1])
    stop = threading.Event()

    def record(thread):
        n = 0
        while not stop.is_set() and n < 2000:
            made = store.data(f"thread-{thread}-{n}")
            assert store.documents().record(made.urn)["name"] == made.name
            n += 1
        counts[thread] = n

    counts = {}
    threads = [threading.Thread(target=record, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for number in range(6):
        store.data(f"parent-{number}")
        if not (child := os.fork()):
            for n in range(5):
                store.data(f"child-{number}-{n}")
            os._exit(0)
        children.append(child)
    assert [ended(child) for child in children] == [0] * 6
    stop.set()
    for thread in threads:
        thread.join(60)
    Path("counts").write_text(json.dumps(sum(counts.values())))
    """
    python(code, tmp_path, store_url)
    found = names(store_url)
    assert len(set(found)) == len(found)
    assert sum(name.startswith("child") for name in found) == 30
    assert sum(name.startswith("parent") for name in found) == 6
    counted = json.loads((tmp_path / "counts").read_text())
    assert sum(name.startswith("thread") for name in found) == counted > 0


def test_a_store_in_use_at_the_fork_is_refused_in_the_child_and_kept_in_the_parent(
    tmp_path: Path,
) -> None:
    code = """
    store = open_store("sqlite:///store.db")
    store.data("before")
    with store.bulk_load() as load:
        load.data("loaded")
        if not (child := os.fork()):
            for again in (store, load, None):
                try:
                    recorder = again or open_store("sqlite:///store.db")
                    recorder.data("child")
                except BraidError as error:
                    sys.stdout.write(f"{error.message}\\n")
            sys.stdout.flush()
        else:
            assert ended(child) == 0
    if child:
        store.data("after")
    """
    said = python(code, tmp_path).stdout.splitlines()
    assert len(said) == 3
    assert "in use while this process was forked" in said[0]
    assert "bulk load" in said[1]
    assert "spawn" in said[2]
    assert names(f"sqlite:///{tmp_path / 'store.db'}") == ["after", "before", "loaded"]


@pytest.mark.parametrize("kind", ["store", "spool"])
def test_what_a_parent_has_begun_is_not_written_or_ended_by_a_child(
    tmp_path: Path, kind: str
) -> None:
    code = """
    recorder = hpc.spool("spool") if sys.argv[1] == "spool" else open_store("sqlite:///store.db")
    with recorder:
        with recorder.step("step") as step, recorder.transaction():
            recorder.data("parent")
            if not (child := os.fork()):
                step.output("child")
                sys.exit(3)  # leaves all blocks of the parent
            assert ended(child) == 3
            recorder.data("after")
    """
    python(code, tmp_path, kind)
    expected = ["after", "parent", "step"]
    if kind == "spool":
        assert spooled(tmp_path) == expected  # the child's block raised
        url = f"sqlite:///{tmp_path / 'loaded.db'}"
    else:
        url = f"sqlite:///{tmp_path / 'store.db'}"
        assert names(url) == expected
    with open_store(url) as store:
        [step] = store.documents().records(name="step")["records"]
        assert store.documents().record(step["id"])["status"] == "SUCCEEDED"


def test_a_parents_spool_file_stays_its_own(tmp_path: Path) -> None:
    code = """
    recorder = hpc.spool("spool")
    for n in range(1500):
        recorder.data(f"parent-{n:04}")
    [file] = Path("spool/tmp").iterdir()
    size = file.stat().st_size
    if not (child := os.fork()):
        recorder.data("child")
        recorder.close()
        sys.exit(0)
    assert ended(child) == 0
    assert (file.exists(), file.stat().st_size) == (True, size)
    recorder.data("after")
    """
    python(code, tmp_path)
    assert spooled(tmp_path) == ["after", "child", *(f"parent-{n:04}" for n in range(1500))]


def test_a_killed_worker_loses_no_more_than_the_last_moment(tmp_path: Path) -> None:
    code = """
    recorder = hpc.spool("spool")
    recorder.data("parent")
    children = []
    for end in (lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(0)):
        if not (child := os.fork()):
            recorder.data(f"child-{len(children)}")
            until = time.monotonic() + 60
            while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
                assert time.monotonic() < until
                time.sleep(0.01)
            end()
        children.append(child)
    assert [ended(child) for child in children] == [-signal.SIGKILL, 0]
    """
    python(code, tmp_path)
    assert spooled(tmp_path, unfinished=True) == ["child-0", "child-1", "parent"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_daemon_worker_that_is_ended_with_its_parent_saves_what_it_has(
    tmp_path: Path, method: str
) -> None:
    code = """
    def work(recorder, parent):
        recorder.data("child", depends_on=[parent])
        Path("recorded").touch()
        time.sleep(100)

    if __name__ == "__main__":
        recorder = hpc.spool("spool")
        context = multiprocessing.get_context(sys.argv[1])
        arguments = (recorder, recorder.data("parent"))
        context.Process(target=work, args=arguments, daemon=True).start()
        wait_for("recorded")
    """
    python(code, tmp_path, method)
    assert spooled(tmp_path) == ["child", "parent"]


def test_a_thread_that_waits_for_a_server_does_not_hold_up_a_child(tmp_path: Path) -> None:
    code = """
    recorder = hpc.remote(sys.argv[1], "token", spool="spool")

    def record():
        recorder.data("thread")
        recorder.flush()

    thread = threading.Thread(target=record, daemon=True)
    thread.start()
    wait_for("asked")
    if not (child := os.fork()):
        recorder.sink._rests_until = time.monotonic() + 60
        recorder.data("child")
        recorder.flush()
        Path("child").touch()
        os._exit(0)
    assert ended(child) == 0
    """
    with deaf_server(tmp_path / "asked") as url:
        python(code, tmp_path, url, BRAID_RANK_WAIT_SECONDS="1")
    assert spooled(tmp_path) == ["child", "thread"]


def test_ctrl_c_while_a_server_is_waited_for_loses_nothing(tmp_path: Path) -> None:
    code = """
    recorder = hpc.remote(sys.argv[1], "token", spool="spool")
    for n in range(5):
        recorder.data(f"scan-{n}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, see `nohup`

    def press():
        wait_for("asked")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    try:
        recorder.flush()
        raise AssertionError("nobody was waited for")
    except KeyboardInterrupt:
        recorder.sink._rests_until = time.monotonic() + 60
    """
    with deaf_server(tmp_path / "asked") as url:
        python(code, tmp_path, url, BRAID_RANK_WAIT_SECONDS="60")
    assert spooled(tmp_path) == [f"scan-{n}" for n in range(5)]


def test_a_process_that_changes_its_folder_records_where_it_began(tmp_path: Path) -> None:
    code = """
    store, recorder = open_store("sqlite:///store.db"), hpc.spool("spool")
    store.data("before"), recorder.data("before")
    Path("other").mkdir()
    os.chdir("other")
    if not (child := os.fork()):
        store.data("child"), recorder.data("child")
        sys.exit(0)
    assert ended(child) == 0
    """
    python(code, tmp_path)
    assert names(f"sqlite:///{tmp_path / 'store.db'}") == ["before", "child"]
    assert spooled(tmp_path) == ["before", "child"]
    assert list((tmp_path / "other").iterdir()) == []


def test_a_recorder_that_cannot_be_sent_says_so(tmp_path: Path, store: Store) -> None:
    class Renewing(globus_sdk.AccessTokenAuthorizer):
        pass

    recorder = hpc.remote("http://127.0.0.1:9", Renewing("x"), spool=tmp_path / "spool")
    with recorder, pytest.raises(InvalidInput, match=r"Renewing cannot be sent.*access token"):
        pickle.dumps(recorder)
    with store.bulk_load() as load, pytest.raises(InvalidInput, match="another process"):
        pickle.dumps(load)


def test_a_recorder_sent_to_its_own_process_is_the_same(store: Store, tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(store)).sink is store.sink
    about = store.recorder(run_id="run-1", environment=None)
    arrived = pickle.loads(pickle.dumps(about))
    assert (arrived.sink, arrived.run_id) == (store.sink, "run-1")
    with hpc.spool(tmp_path / "spool", run_id="run-1") as recorder:
        arrived = pickle.loads(pickle.dumps(recorder))
        assert (arrived.sink, arrived.run_id) == (recorder.sink, "run-1")


def test_a_server_process_forked_while_another_thread_opens_the_store_opens_its_own(
    tmp_path: Path,
) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def slowly(url: str, *, create: bool) -> Store:
        opening.set()
        go_on.wait(60)
        return open_store(url, create=create)

    holder = StoreHolder(f"sqlite:///{tmp_path / 'store.db'}", purge_seconds=60, open_it=slowly)
    thread = threading.Thread(target=holder.get)
    thread.start()
    opening.wait(60)
    if not (child := os.fork()):
        code = 1
        try:
            signal.alarm(30)
            go_on.set()
            holder.get().store.data("child")
            code = 0
        finally:  # what is raised here must not go on as another pytest
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    thread.join(60)
    holder.get().store.data("parent")
    assert names_in(holder.get().store) == ["child", "parent"]
    holder.close()


def test_children_of_a_rank_record_into_the_spool(tmp_path: Path) -> None:
    job = """
    import multiprocessing, os, sys
    import hpc

    def work(recorder, scan, n):
        recorder.data(f"child-{n}", depends_on=[scan])

    with hpc.aggregated("sqlite:///run.db", spool="spool") as recorder:
        if recorder is not None:
            scan = recorder.data("scan")
            for n, method in enumerate(("fork", "spawn")):
                context = multiprocessing.get_context(method)
                child = context.Process(target=work, args=(recorder, scan, n))
                child.start()
                child.join()
                assert child.exitcode == 0
            recorder.data("after", depends_on=[scan])
    """
    guarded = textwrap.dedent(job).replace(
        'with hpc.aggregated("sqlite', 'if __name__ == "__main__":\n  with hpc.aggregated("sqlite'
    )
    head, _, block = guarded.partition("  with hpc")
    ended = run_mpi(head + textwrap.indent("with hpc" + block, "  "), tmp_path, ranks=2)
    assert ended.code == 0, ended.err
    with open_store(f"sqlite:///{tmp_path / 'run.db'}") as store:
        assert names_in(store) == ["after", "scan"]
        assert hpc.load_spool(store, tmp_path / "spool").bad == []
        assert names_in(store) == ["after", "child-0", "child-1", "scan"]
        assert store.info()["origins"] == 3
