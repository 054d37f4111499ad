"""Recording into files, and bringing them into a store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import hpc
from hpc.spooling.files import SpoolWriter, read_frames
from hpc.spooling.load import waiting_files
from provenance_store import Recorder, Store, encode_batch, open_store
from provenance_store.errors import NotFound, StoreUnavailable
from provenance_store.service import StoreService
from provenance_store.sink import MemorySink
from tests.support.mpi import ROOT


def files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / kind).glob("*"))


def record(folder: Path, count: int = 2500) -> str:
    with hpc.spool(folder, run_id="job-1") as recorder:
        scans = [recorder.data(f"scan-{n}", tags={"n": n}) for n in range(count)]
        return recorder.model("net").update(scans).urn


def test_a_spool_loads_into_a_store_once(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    urn = record(folder)
    assert len(files(folder, "new")) == 1
    assert files(folder, "tmp") == []
    loaded = hpc.load_spool(store, folder)
    assert (loaded.files, loaded.records, loaded.bad) == (1, 2502, [])
    assert store.check() == []
    assert len(store.documents().lineage(urn)["nodes"]) == 2502
    before = store.info()
    files(folder, "done")[0].rename(folder / "new" / "again.braid")
    assert hpc.load_spool(store, folder, delete=True).records == 2502
    assert store.info() == before
    assert files(folder, "new") == []
    assert hpc.load_spool(store, folder).files == 0


def test_flush_puts_everything_where_it_can_be_loaded(store: Store, tmp_path: Path) -> None:
    with hpc.spool(tmp_path / "spool") as recorder:
        recorder.data("first")
        recorder.flush()
        assert hpc.load_spool(store, tmp_path / "spool").records == 1
        recorder.data("second")
    assert hpc.load_spool(store, tmp_path / "spool").records == 1
    assert store.info()["origins"] == 1


def test_records_of_one_process_are_depended_on_in_another(store: Store, tmp_path: Path) -> None:
    code = "import hpc, sys\nwith hpc.spool('spool') as r: sys.stdout.write(r.data('scan').urn)"
    urn = python(code, tmp_path).stdout
    with hpc.spool(tmp_path / "spool") as recorder:
        made = recorder.data("image", depends_on=[urn])
    hpc.load_spool(store, tmp_path / "spool")
    assert store.check() == []
    assert {node["name"] for node in store.documents().lineage(made.urn)["nodes"]} == {
        "scan",
        "image",
    }
    with store.sink.session.read() as connection:
        blank = "SELECT count(*) FROM origin WHERE who = ''"
        assert connection.exec_driver_sql(blank).scalar() == 0


def test_an_addition_may_come_in_an_earlier_file_than_what_it_adds_to(
    store: Store, tmp_path: Path
) -> None:
    first, then = hpc.spool(tmp_path / "spool"), hpc.spool(tmp_path / "spool")
    shared = first.dataset("all", live=True)
    then.add(shared, members=[then.data("scan")])
    then.close()
    first.close()
    assert hpc.load_spool(store, tmp_path / "spool").bad == []
    assert len(store.documents().lineage(shared.urn)["nodes"]) == 2


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_what_is_not_closed_is_written_when_python_ends(store: Store, tmp_path: Path) -> None:
    assert python("import hpc\nhpc.spool('spool').data('scan')", tmp_path).returncode == 0
    assert hpc.load_spool(store, tmp_path / "spool").records == 1


def test_sigterm_saves_what_was_recorded_and_ends_the_process(tmp_path: Path, store: Store) -> None:
    code = (
        "import hpc, os, signal\nrecorder = hpc.spool('spool')\n"
        "for n in range(10): recorder.data(f'scan-{n}')\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()"
    )
    ended = python(code, tmp_path)
    assert ended.returncode == -signal.SIGTERM
    assert "kept in spool; bring them in with `braid spool load spool`" in ended.stderr
    assert hpc.load_spool(store, tmp_path / "spool").records == 10


def test_sigterm_then_does_what_it_did_before(tmp_path: Path) -> None:
    code = (
        "import hpc, os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(7))\n"
        "recorder = hpc.spool('spool')\nrecorder.data('scan')\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()"
    )
    assert python(code, tmp_path).returncode == 7
    assert len(files(tmp_path / "spool", "new")) == 1


def cut(data: bytes) -> bytes:
    return data[:-10]


def cut_in_a_head(data: bytes) -> bytes:
    return data + b"\x00\x00\x01"


def flip(data: bytes) -> bytes:
    return data[:-10] + bytes([data[-10] ^ 1]) + data[-9:]


def append_zeros(data: bytes) -> bytes:
    return data + bytes(4096)


@pytest.mark.parametrize(
    ("damage", "whole"), [(cut, 2), (cut_in_a_head, 3), (flip, 2), (append_zeros, 3)]
)
def test_a_torn_file_is_set_aside_and_what_is_whole_in_it_is_loaded(
    tmp_path: Path, damage: Callable[[bytes], bytes], whole: int
) -> None:
    folder = tmp_path / "spool"
    writer = SpoolWriter(folder)
    for n in range(3):
        recorder = Recorder(MemorySink(), environment=None)
        recorder.data(f"scan-{n}")
        writer.append(encode_batch(recorder.sink.batch))  # type: ignore[attr-defined]
    writer.finish()
    [file] = files(folder, "new")
    file.write_bytes(damage(file.read_bytes()))
    record(folder, 5)
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        loaded = hpc.load_spool(store, folder)
        assert loaded.files == 1
        [bad] = loaded.bad
        assert bad.path == folder / "bad" / file.name
        assert bad.path.exists()
        assert "byte" in bad.reason
        assert store.info()["records"]["data"] == whole + 5


def test_a_file_that_is_none_of_ours_is_set_aside(tmp_path: Path, store: Store) -> None:
    record(tmp_path / "spool", 1)
    for name, content in (("a", b""), ("b", b"BRAIDSPL\x02"), ("c", b"\x80\x04K\x01.")):
        (tmp_path / "spool" / "new" / f"{name}.braid").write_bytes(content)
    loaded = hpc.load_spool(store, tmp_path / "spool")
    assert len(loaded.bad) == 3
    assert loaded.files == 1


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link that leads nowhere"])
def test_what_is_no_file_is_set_aside_unread(kind: str, tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "spool"
    record(folder, 5)
    strange = folder / "new" / "0-strange.braid"
    if kind == "a pipe":
        os.mkfifo(strange)
    elif kind == "a folder":
        strange.mkdir()
    else:
        strange.symlink_to("nowhere")
    loaded = hpc.load_spool(store, folder)
    assert (loaded.files, loaded.records) == (1, 7)
    assert [bad.path.name for bad in loaded.bad] == [strange.name]


def test_a_batch_that_the_store_refuses_sets_its_file_aside(tmp_path: Path, store: Store) -> None:
    recorder = Recorder(MemorySink(), environment=None)
    made = recorder.data("scan")
    batch = recorder.sink.batch  # type: ignore[attr-defined]
    StoreService(store).write(batch)
    batch.record[0] = batch.record[0]._replace(name="another")
    writer = SpoolWriter(tmp_path / "spool")
    writer.append(encode_batch(batch))
    writer.append(b"\x81")
    behind = Recorder(MemorySink(), environment=None)
    behind.data("behind")
    writer.append(encode_batch(behind.sink.batch))  # type: ignore[attr-defined]
    writer.finish()
    [bad] = hpc.load_spool(store, tmp_path / "spool").bad
    assert "'scan'" in bad.reason
    assert "not a batch" in bad.reason
    assert len(store.documents().records(name="behind")["records"]) == 1
    assert store.documents().record(made.urn)["name"] == "scan"


def test_what_a_killed_writer_left_can_be_loaded(tmp_path: Path, store: Store) -> None:
    code = (
        "import hpc, os\nrecorder = hpc.spool('spool')\n"
        "for n in range(2500): recorder.data(f'scan-{n}')\nos.kill(os.getpid(), 9)"
    )
    assert python(code, tmp_path).returncode == -signal.SIGKILL
    loaded = hpc.load_spool(store, tmp_path / "spool")
    assert (loaded.records, loaded.unfinished) == (0, 1)
    loaded = hpc.load_spool(store, tmp_path / "spool", unfinished=True)
    assert (loaded.records, loaded.unfinished, loaded.bad) == (2000, 0, [])


def test_files_are_bounded_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_SPOOL_FILE_MB", "1")
    writer = SpoolWriter(tmp_path)
    frames = [bytes([n]) * 300_000 for n in range(12)]
    for frame in frames:
        writer.append(frame)
    writer.finish()
    found = files(tmp_path, "new")
    assert len(found) == 3
    assert [frame for file in found for frame in read_frames(file)] == frames
    assert max(file.stat().st_size for file in found) < 1_500_000


def test_a_full_disk_under_the_spool_is_said_and_leaves_whole_batches(tmp_path: Path) -> None:
    code = (
        "import resource, hpc, sys\nfrom provenance_store.errors import StoreUnavailable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, -1))\n"
        "recorder = hpc.spool('spool')\n"
        "for n in range(9000): recorder.data(f'scan-{n}')\n"
        "try:\n    recorder.flush()\n"
        "except StoreUnavailable as error:\n    sys.stdout.write(str(error))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))\n"
        "recorder.close()"
    )
    ran = python(code, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "cannot be written" in ran.stdout
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        loaded = hpc.load_spool(store, tmp_path / "spool")
        assert loaded.bad == []
        assert store.info()["records"]["data"] == 9000


def test_a_store_that_is_away_leaves_the_files_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setenv("BRAID_BUSY_TIMEOUT_MS", "50")
    record(tmp_path / "spool", 3)
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            hpc.load_spool(store, tmp_path / "spool")
        other.execute("ROLLBACK")
        other.close()
        assert len(files(tmp_path / "spool", "new")) == 1
        assert hpc.load_spool(store, tmp_path / "spool").records == 5


def test_a_large_batch_is_divided_but_not_what_was_recorded_together(tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as recorder:
        recorder.sink.largest = 5000  # type: ignore[attr-defined]
        for n in range(500):
            recorder.data(f"scan-{n}")
        with recorder.transaction():
            for n in range(200):
                recorder.data(f"image-{n}")
    [file] = files(tmp_path, "new")
    sizes = [len(frame) for frame in read_frames(file)]
    assert len(sizes) == 6
    assert [size for size in sizes if size > 5000] == [max(sizes)]


def test_an_id_of_no_known_origin_has_no_name(tmp_path: Path) -> None:
    with hpc.spool(tmp_path) as recorder, pytest.raises(NotFound, match="origin 77"):
        recorder.sink.urn(77 << 32 | 1)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, store: Store) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        hpc.load_spool(store, tmp_path / "nothing")


def test_a_folder_that_is_no_spool_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not a spool folder"):
        waiting_files(tmp_path)
