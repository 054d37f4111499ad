"""Slices and merges that are cut off: all of it is there, or nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from tests.support.content import content

ROOT = Path(__file__).parents[3]
RECORDS = 20_000


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def one_large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("large") / "large.db"
    with open_store(f"sqlite:///{file}") as store, store.bulk_load() as load:
        made = [load.data(f"scan {n}", uris=[f"file:///{n}"]) for n in range(RECORDS)]
        model = load.model("net")
        for place in range(0, RECORDS, 100):
            model = load.update(model, made[place : place + 100])
    return file


@pytest.fixture
def large(one_large: Path, tmp_path: Path) -> Path:
    """A store of some size."""
    return shutil.copy(one_large, tmp_path)


STAGES = """
import sys
from provenance_store import open_store
def stage(what):
    print(what, flush=True)
    if what == sys.argv[3]:
        sys.stdin.read()
with open_store(sys.argv[1]) as store:
    {call}
"""
MERGE = STAGES.format(call="store.merge(sys.argv[2], progress=stage)")
SLICE = STAGES.format(call="store.slice(sys.argv[2], progress=stage)")


@contextmanager
def stopped_at(code: str, url: str, file: Path, stage: str) -> Iterator[subprocess.Popen[str]]:
    """Run it until it tells of that stage, where it waits; killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, url, str(file), stage],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    try:
        while process.stdout.readline().strip() != stage:
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def killed_at(code: str, url: str, file: Path, stage: str) -> None:
    """Run it until it tells of that stage, and kill it while that goes on."""
    with stopped_at(code, url, file, stage):
        pass


@pytest.mark.parametrize("stage", ["record", "link", "what follows"])
def test_a_merge_that_is_killed_changes_nothing_and_can_be_repeated(
    store: Store, store_url: str, large: Path, stage: str
) -> None:
    store.data("mine")
    before = content(store)
    killed_at(MERGE, store_url, large, stage)
    assert content(store) == before
    assert store.merge(large).rows["record"] == RECORDS + 1 + RECORDS // 100
    assert store.check() == []


@pytest.mark.parametrize("stage", ["nodes", "link", "indexes"])
def test_a_slice_that_is_killed_leaves_no_file_of_its_name(
    store: Store, store_url: str, large: Path, tmp_path: Path, stage: str
) -> None:
    store.merge(large)
    file = tmp_path / "slice.db"
    killed_at(SLICE, store_url, file, stage)
    assert not file.exists()
    assert store.check() == []
    store.slice(file)
    with open_store(f"sqlite:///{file}") as whole:
        assert whole.check() == []
        assert whole.info()["tables"]["link"] == store.info()["tables"]["link"]


@pytest.mark.parametrize("stage", ["nodes", "indexes"])
def test_what_a_killed_slice_left_is_gone_after_the_next_into_that_folder(
    large: Path, tmp_path: Path, stage: str
) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    url = f"sqlite:///{large}"
    killed_at(SLICE, url, folder / "killed.db", stage)
    (left,) = folder.iterdir()
    Path(f"{left}-journal").touch()
    (folder / ".braid.elsewhere.1.0a.unfinished").touch()
    (folder / f".braid.{left.name.split('.')[2]}.x.0a.unfinished").touch()
    others = {path.name for path in folder.iterdir()} - {left.name, f"{left.name}-journal"}
    with open_store(url) as store:
        store.slice(folder / "other.db")
    assert {path.name for path in folder.iterdir()} == {"other.db", *others}


def test_what_another_process_is_writing_is_left_to_it(large: Path, tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    url = f"sqlite:///{large}"
    with stopped_at(SLICE, url, folder / "slow.db", "link") as process:
        (at_work,) = folder.iterdir()
        with open_store(url) as store:
            store.slice(folder / "fast.db")
        assert at_work.exists()
        process.communicate("", timeout=60)
    assert sorted(path.name for path in folder.iterdir()) == ["fast.db", "slow.db"]


FILL = """
import resource, signal, sys
from provenance_store import open_store
from provenance_store.errors import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_store("sqlite:///" + sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        store.slice(sys.argv[2])
    except StoreUnavailable as error:
        print(error)
"""


def test_a_disk_that_takes_no_more_is_said_and_leaves_no_file(large: Path, tmp_path: Path) -> None:
    shutil.copyfile(large, tmp_path / "copy.db")
    output, errors = python(FILL, tmp_path / "copy.db", tmp_path / "slice.db").communicate(
        timeout=60
    )
    assert errors == ""
    assert f"{tmp_path / 'slice.db'} was not written: {tmp_path} has no room" in output
    assert not [p for p in tmp_path.iterdir() if "slice" in p.name]
