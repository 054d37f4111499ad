"""One record that cannot be kept, among good ones: these are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import hpc
from hpc.spooling.files import read_frames
from provenance_store import Recorder, Store, open_store
from provenance_store.errors import InvalidInput, StoreUnavailable
from provenance_store.rows import TagRow
from tests.functional.provider.house import House, Person
from tests.support.mpi import run_mpi


class Strange:
    """A value that no carrier knows."""

    def __repr__(self) -> str:
        return "Strange()"


def bad(recorder: Recorder, name: str, value: Any) -> None:
    """A record with a value in it that only a mistake could have put there."""
    with recorder.transaction() as batch:
        made = recorder.data(name)
        batch.tag.append(TagRow(made.id, "temperature", recorder.sink.new_id(), 1, value, None, 1))


def names_in(store: Store) -> list[str]:
    assert store.check() == []
    with store.sink.session.read() as connection:
        return sorted(connection.exec_driver_sql("SELECT name FROM record").scalars())


def expected(*more: str) -> list[str]:
    return sorted([*(f"scan-{n:03}" for n in range(100)), *more])


@pytest.mark.parametrize("value", [Strange(), "\ud800", 1 << 70], ids=["object", "half", "wide"])
def test_a_value_that_cannot_be_encoded_costs_only_its_record(
    store: Store, tmp_path: Path, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        for n in range(100):
            if n == 50:
                bad(recorder, "bad", value)
            recorder.data(f"scan-{n:03}", tags={"n": n})
    assert hpc.load_spool(store, tmp_path / "spool").bad == []
    assert names_in(store) == expected()
    assert "1 records recorded together cannot be kept" in caplog.text
    if isinstance(value, Strange):
        [kept] = (tmp_path / "spool" / "bad").iterdir()
        [frame] = read_frames(kept)
        assert b"Strange()" in frame


def test_what_was_recorded_together_with_a_bad_value_goes_with_it(
    store: Store, tmp_path: Path
) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        with recorder.transaction():
            recorder.data("beside")
            bad(recorder, "bad", Strange())
        with recorder.transaction():
            for n in range(100):
                recorder.data(f"scan-{n:03}")
    hpc.load_spool(store, tmp_path / "spool")
    assert names_in(store) == expected()


def refuse(recorder: Recorder, closed: Any, *, together: bool) -> None:
    """Record a hundred good things and an addition to a closed dataset, which is refused."""
    for n in range(100):
        if n == 50 and together:
            with recorder.transaction():
                recorder.data("beside")
                recorder.add(closed, members=[recorder.data("late")])
        elif n == 50:
            late = recorder.data("late")
            recorder.add(closed, members=[late])
        recorder.data(f"scan-{n:03}")


@pytest.mark.parametrize("together", [False, True])
def test_a_refused_record_in_a_spool_file_costs_no_other(
    store: Store, tmp_path: Path, together: bool
) -> None:
    closed = store.dataset("closed", [store.data("member")])
    with hpc.spool(tmp_path / "spool") as recorder:
        refuse(recorder, closed, together=together)
    loaded = hpc.load_spool(store, tmp_path / "spool")
    [file] = loaded.bad
    assert "static" in file.reason
    assert names_in(store) == expected("closed", "member", *([] if together else ["late"]))
    assert loaded.records == 100 + (not together)


@pytest.mark.parametrize("together", [False, True])
def test_a_refused_record_costs_no_other_on_a_server(
    house: House, ada: Person, tmp_path: Path, together: bool
) -> None:
    spool = tmp_path / "spool"
    with hpc.remote(house.url, ada.token, spool=spool) as recorder:
        closed = recorder.dataset("closed", [recorder.data("member")])
        recorder.flush()
        refuse(recorder, closed, together=together)
    late = [] if together else ["late"]
    assert names_in(house.store) == expected("closed", "member", *late)
    [bad] = hpc.load_spool(house.store, spool).bad
    assert "static" in bad.reason


REFUSING = """
import sys
from mpi4py import MPI
import hpc
from provenance_store.rows import TagRow

rank = MPI.COMM_WORLD.rank
with hpc.aggregated(sys.argv[1], spool="spool") as recorder:
    if recorder is not None:
        closed = recorder.dataset(f"closed-{rank}")
        recorder.flush()
        for n in range(100):
            recorder.data(f"scan-{rank}-{n:03}")
            if n == 50 and rank == 1:
                recorder.add(closed, members=[recorder.data("late")])
                with recorder.transaction() as batch:
                    made = recorder.data("bad")
                    new_id = recorder.sink.new_id()
                    batch.tag.append(TagRow(made.id, "t", new_id, 1, object(), None, 1))
"""


def test_a_bad_record_of_one_rank_costs_no_other(store_url: str, tmp_path: Path) -> None:
    ended = run_mpi(REFUSING, tmp_path, arguments=[store_url])
    assert ended.code == 0, ended.err
    assert "cannot be kept" in ended.err
    good = [f"scan-{rank}-{n:03}" for rank in (1, 2) for n in range(100)]
    with open_store(store_url) as store:
        assert names_in(store) == sorted([*good, "closed-1", "closed-2", "late"])
        [file] = hpc.load_spool(store, tmp_path / "spool").bad
    assert "static" in file.reason
    assert sum(len(frame) for frame in read_frames(file.path)) < 5000  # no more than was refused


def test_threads_that_share_a_commit_do_not_share_an_error(store: Store) -> None:
    begin = threading.Barrier(8)
    refused: list[Exception] = []

    def record(thread: int) -> None:
        begin.wait()
        for n in range(25):
            try:
                if thread == 0:
                    bad(store, f"bad-{n}", Strange())
                else:
                    store.data(f"scan-{thread}-{n}")
            except InvalidInput as error:
                refused.append(error)

    threads = [threading.Thread(target=record, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 25
    assert len(names_in(store)) == 7 * 25


def test_a_batch_that_no_file_takes_does_not_block_those_behind_it(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = hpc.spool(tmp_path / "spool")
    with monkeypatch.context() as patched:
        patched.setattr("hpc.spooling.files.FULL", 100_000)  # of 4 GiB
        recorder.data("huge", uris=[f"file:///{'x' * 5000}/{n}" for n in range(30)])
        with pytest.raises(StoreUnavailable, match="1 batch"):
            recorder.flush()
    recorder.data("then")
    with pytest.raises(StoreUnavailable, match="1 batch"):
        recorder.close()
    assert hpc.load_spool(store, tmp_path / "spool").bad == []
    assert names_in(store) == ["then"]
