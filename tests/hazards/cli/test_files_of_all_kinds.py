"""Files that are no files, that change while they are read, and links: what a digest is made of,
and what is left in peace."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance_store import digests, open_store
from provenance_store.digests import Unread, measure
from provenance_store.files import look
from tests.support.command_line import Braid
from tests.support.needs import missing

URL = "sqlite:///braid.db"


def data(name: str) -> dict[str, Any]:
    """The one record of data of this name in the store here."""
    with open_store(URL, create=False) as store:
        assert store.check() == []
        (found,) = store.documents().records(name=name, kind="data")["records"]
        record: dict[str, Any] = store.documents().record(found["id"])
        return record


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


# ---- what is never opened ----------------------------------------------------------------


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Callable[[], bool]]:
    """A FIFO here named ``fifo`` that holds a scan; says whether somebody has taken of it."""
    os.mkfifo(tmp_path / "fifo")
    # Opened for both: content stays in it with nobody at the other end.
    end = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)
    os.write(end, b"scan\n")

    def taken() -> bool:
        try:
            return os.read(end, 100) != b"scan\n"
        except BlockingIOError:
            return True

    yield taken
    os.close(end)


def test_what_a_fifo_holds_is_for_the_command(
    braid: Braid, fifo: Callable[[], bool], tmp_path: Path
) -> None:
    ran = braid("exec", "--input", "fifo", "--output", "out", "--", *("head", "-n", "1", "fifo"))
    assert ran.code == 0
    assert "fifo is a FIFO (named pipe): recorded without size and digest." in ran.err
    assert data("fifo")["tags"] == {"no_digest": "is a FIFO (named pipe)"}
    assert data("fifo")["uris"][0] == {
        "uri": (tmp_path / "fifo").as_uri(),
        "size": None,
        "digest": None,
        "media_type": None,
    }
    assert fifo()


@pytest.mark.parametrize(
    "line",
    [
        "exec --input fifo -- true",
        "exec --output fifo -- true",
        "record data x --file fifo",
        "record step x --output-file fifo",
        "digest fifo",
    ],
)
def test_no_command_reads_a_fifo(braid: Braid, fifo: Callable[[], bool], line: str) -> None:
    assert braid("store", "init").code == 0
    answer = braid(*line.split())
    assert (answer.code == 2) == line.startswith("digest")
    assert "fifo is a FIFO (named pipe)" in answer.err
    assert not fifo()


def test_files_of_records_that_became_something_else_are_not_read(
    braid: Braid, fifo: Callable[[], bool], tmp_path: Path
) -> None:
    known = {"uri": (tmp_path / "fifo").as_uri(), "size": 5, "digest": sha256(b"scan\n")}
    with open_store(URL) as store:
        digested = store.data("a", uris=[known]).urn
        bare = store.data("b", uris=[(tmp_path / "fifo").as_uri(), tmp_path.as_uri()]).urn
    answer = braid("verify", digested, "--format", "json")
    (file,) = json.loads(answer.out)["files"]
    assert (answer.code, file["state"], file["found"]) == (1, "changed", "is a FIFO (named pipe)")
    answer = braid("digest", bare, "--format", "json")
    states = [file["state"] for file in json.loads(answer.out)["files"]]
    assert (answer.code, sorted(states)) == (0, ["not a file", "not a file"])
    assert not fifo()


def special(tmp_path: Path) -> dict[str, Path]:
    return {
        "a device": Path("/dev/zero"),
        "made up by the kernel": Path("/proc/self/status"),
        "a directory": tmp_path,
        "a socket": tmp_path / "socket",
    }


@pytest.mark.parametrize("kind", ["a device", "made up by the kernel", "a directory", "a socket"])
def test_what_is_no_regular_file_has_no_digest(tmp_path: Path, kind: str) -> None:
    path = special(tmp_path)[kind]
    if kind == "made up by the kernel" and not path.exists():
        missing("/proc is not here")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        found = measure(path)
    assert (found.size, found.digest) == (None, None)
    assert f"is {kind}" in found.why


def test_an_empty_file_has_the_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert measure(tmp_path / "empty") == (0, sha256(b""), None, "")


def test_a_directory_that_is_made_is_recorded_as_one(braid: Braid, tmp_path: Path) -> None:
    made = "mkdir out.zarr && echo chunk > out.zarr/0"
    ran = braid("exec", "--output", "out.zarr", "--", "sh", "-c", made)
    assert (ran.code, ran.err) == (0, "")
    (place,) = data("out.zarr")["uris"]
    assert (place["uri"], place["size"]) == ((tmp_path / "out.zarr").as_uri(), 6)
    assert place["digest"].startswith("tree-sha256:")
    assert data("out.zarr")["tags"] == {"file_count": 1}
    ran = braid("record", "data", "folder", "--file", "out.zarr", "--strict")
    assert (ran.code, ran.err) == (0, "")
    assert data("folder")["uris"] == [place]
    ran = braid("exec", "--input", "out.zarr", "--", "true")
    assert (ran.code, ran.err) == (0, "")
    with open_store(URL) as store:
        assert len(store.documents().records(digest=place["digest"])["records"]) == 2
    answer = braid("verify", "folder", "--format", "json")
    assert [file["state"] for file in json.loads(answer.out)["files"]] == ["ok"]
    (tmp_path / "out.zarr" / "1").touch()
    answer = braid("verify", "folder", "--format", "json")
    assert [file["state"] for file in json.loads(answer.out)["files"]] == ["changed"]
    assert "0  6 bytes" in braid("show", "folder").out


def test_a_directory_is_digested_later(braid: Braid, tmp_path: Path) -> None:
    Path("out.zarr").mkdir()
    Path("out.zarr/0").write_text("chunk")
    with open_store(URL) as store:
        store.data("out", uris=[(tmp_path / "out.zarr").as_uri()])
    answer = braid("digest", "out.zarr", "--format", "json")
    (file,) = json.loads(answer.out)["files"]
    assert (answer.code, file["state"], file["size"]) == (0, "recorded", 5)
    assert data("out")["uris"][0]["digest"] == file["digest"]


def test_an_output_that_was_not_made_is_noted_with_the_step(braid: Braid) -> None:
    Path("dangling").symlink_to("nowhere")
    ran = braid("exec", "--output", "gone", "--output", "dangling", "--", "true")
    assert ran.err == (
        "braid: gone was not made; it is not recorded.\n"
        "braid: dangling is a link to a file that was not made; it is not recorded.\n"
    )
    with open_store(URL) as store:
        (step,) = store.documents().records()["records"]
        assert len(store.documents().record(step["id"])["result"]["notes"]) == 2


# ---- files that change -------------------------------------------------------------------


def test_a_file_that_changes_once_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"before")
    changes = iter([b"after it"])

    def change(_: int) -> None:
        if (content := next(changes, None)) is not None:
            file.write_bytes(content)

    assert measure(file, progress=change) == (8, sha256(b"after it"), None, "")


@pytest.mark.parametrize("how", ["written", "same size", "appended", "replaced", "removed", "fifo"])
def test_a_file_that_goes_on_changing_has_no_digest(tmp_path: Path, how: str) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"0" * (digests.PIECE + 1))
    times = iter(range(1, 100))

    def change(_: int) -> None:
        at = next(times)
        if how == "appended":
            with file.open("ab") as opened:
                opened.write(b"more")
        elif how == "replaced":
            (tmp_path / "new").write_bytes(b"1" * (digests.PIECE + 1))
            (tmp_path / "new").rename(file)
        elif how in ("removed", "fifo"):
            file.unlink(missing_ok=True)
            if how == "fifo":
                os.mkfifo(file)
        else:
            content = b"1" * (at if how == "written" else digests.PIECE + 1)
            file.write_bytes(content)
            os.utime(file, ns=(at, at))

    found = measure(file, progress=change)
    assert (found.size, found.digest) == (None, None)
    assert found.unread == {"removed": Unread.MISSING, "fifo": Unread.SPECIAL}.get(
        how, Unread.CHANGING
    )


def test_a_file_that_grows_as_fast_as_it_is_read_comes_to_an_end(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * digests.PIECE)
    read: list[int] = []

    def grow(size: int) -> None:
        read.append(size)
        assert len(read) < 50, "it would be read for ever"
        with file.open("ab") as opened:
            opened.write(b"x" * digests.PIECE)

    assert measure(file, progress=grow) == (
        None,
        None,
        Unread.CHANGING,
        "changed while it was read",
    )


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read (Too many levels" in measure(tmp_path / "loop").why
    assert measure(tmp_path / "gone").why == "is not there"
    (tmp_path / "link").symlink_to("gone")
    assert measure(tmp_path / "link").why == "is a link to a file that is not there"
    (tmp_path / "file").touch()
    assert measure(tmp_path / "file" / "x").unread is Unread.MISSING


# ---- links -------------------------------------------------------------------------------


@pytest.fixture
def annexed(tmp_path: Path) -> Path:
    """A file as git-annex, DVC and caches of models keep it: a link to where its content is."""
    store = tmp_path / ".git" / "annex" / "objects" / "SHA256E-s4--aa.h5"
    store.parent.mkdir(parents=True)
    store.write_bytes(b"scan")
    (tmp_path / "scan.h5").symlink_to(store.relative_to(tmp_path))
    return store


@pytest.mark.parametrize("line", ["exec --input scan.h5 -- true", "record data x --file scan.h5"])
def test_a_link_is_recorded_under_its_own_name(
    braid: Braid, annexed: Path, tmp_path: Path, line: str
) -> None:
    assert braid(*line.split()).code == 0
    record = data("x" if "data x" in line else "scan.h5")
    assert record["tags"] == {"link_target": annexed.as_uri()}
    (uri,) = record["uris"]
    assert uri["uri"] == (tmp_path / "scan.h5").as_uri()
    assert (uri["size"], uri["digest"]) == (4, sha256(b"scan"))
    assert braid("verify", record["id"]).code == 0


@pytest.mark.parametrize(("made", "used"), [("scan.h5", "real"), ("real", "scan.h5")])
def test_a_link_and_what_it_leads_to_are_one_file_to_the_next_command(
    braid: Braid, annexed: Path, made: str, used: str
) -> None:
    names = {"scan.h5": "scan.h5", "real": annexed}
    assert braid("exec", "--name", "first", "--output", names[made], "--", "true").code == 0
    assert braid("exec", "--name", "next", "--input", names[used], "--", "true").code == 0
    with open_store(URL) as store:
        (step,) = store.documents().records(name="next")["records"]
        up = {node["name"] for node in store.documents().lineage(step["id"])["nodes"]}
        assert {"first", "next"} <= up


def test_several_links_are_told_apart(braid: Braid, annexed: Path, tmp_path: Path) -> None:
    (tmp_path / "b").symlink_to(annexed)
    assert braid("record", "data", "x", "--file", "scan.h5", "--file", "b").code == 0
    tags = data("x")["tags"]
    assert tags == {f"link_target:{name}": annexed.as_uri() for name in ("scan.h5", "b")}


def test_a_folder_that_is_a_link_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("x")
    (tmp_path / "home").symlink_to("real")
    whole = (tmp_path / "real" / "x").as_uri()
    ways = ["home/x", "real/x", "home/../real/./x", "home/.//x"]
    assert {look(tmp_path / way).uri for way in ways} == {whole}
    assert look(tmp_path / "home").uri == (tmp_path / "home").as_uri()
    assert look(tmp_path / "real" / "..").uri == tmp_path.as_uri()


def test_the_digest_of_a_link_is_made_for_all_its_names(
    braid: Braid, annexed: Path, tmp_path: Path
) -> None:
    with open_store(URL) as store:
        store.data("by name", uris=[(tmp_path / "scan.h5").as_uri()])
        store.data("by content", uris=[annexed.as_uri()])
    answer = braid("digest", "scan.h5", "--format", "json")
    assert {file["name"] for file in json.loads(answer.out)["files"]} == {"by name", "by content"}
