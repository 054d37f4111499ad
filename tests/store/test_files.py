"""Files and directories of this machine that are recorded from Python."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from provenance_store.digests import measure_tree
from provenance_store.errors import InvalidInput
from provenance_store.files import check, look
from provenance_store.recording.recorder import NOTE_TAG, Recorder
from provenance_store.store import Store


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def found(store: Store, record: Any) -> dict[str, Any]:
    return store.documents().record(record)


@pytest.fixture
def zarr(tmp_path: Path) -> Path:
    """A directory such as an array store or a checkpoint."""
    top = tmp_path / "out.zarr"
    (top / "c" / "0").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "zarr.json").write_bytes(b"{}")
    (top / "c" / "0" / "0").write_bytes(b"chunk")
    (top / "a b").write_bytes(b"")
    (top / "latest").symlink_to("c/0")
    return top


LINES = [
    f"{sha256(b'')} 0 a%20b",
    f"{sha256(b'chunk')} 5 c/0/0",
    "link c/0 latest",
    f"{sha256(b'{}')} 2 zarr.json",
]
DIGEST = "tree-sha256:" + sha256("".join(f"{line}\n" for line in LINES).encode())


def test_a_file_is_recorded_with_size_and_digest(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "scan 1.h5"
    file.write_bytes(b"scan")
    place = {
        "uri": file.as_uri(),
        "size": 4,
        "digest": f"sha256:{sha256(b'scan')}",
        "media_type": None,
    }
    step = store.step("Fit")
    model = store.model("net", file=file)
    for made in (
        store.data("scan", file=file),
        store.fact("setup", file=str(file)),
        store.dataset("all", files=[file]),
        model,
        model.update(file=file),
        step.output("fit", file=file),
        step.updated(model, files=file),
    ):
        assert found(store, made)["uris"] == [place]
        assert found(store, made)["tags"] == {}
    assert store.check() == []


def test_files_and_uris_go_together(store: Store, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    made = store.data(
        "pair", uris="globus://c/a", file=tmp_path / "a", files=[tmp_path / "b"], tags={"n": 2}
    )
    assert [uri["size"] for uri in found(store, made)["uris"]] == [1, 1, None]
    assert found(store, made)["tags"] == {"n": 2}


def test_a_directory_is_one_thing(store: Store, zarr: Path) -> None:
    made = store.data("out", file=zarr)
    record = found(store, made)
    assert record["uris"] == [
        {"uri": zarr.as_uri(), "size": 7, "digest": DIGEST, "media_type": "inode/directory"}
    ]
    assert record["tags"] == {"file_count": 4}
    (members,) = record["members"]
    assert (members["count"], members["size"], members["truncated"]) == (4, 7, False)
    assert [file["path"] for file in members["files"]] == ["a%20b", "c/0/0", "latest", "zarr.json"]
    assert members["files"][2] == {"path": "latest", "target": "c/0"}
    assert store.documents().records(digest=DIGEST)["records"][0]["id"] == made.urn


def test_the_digest_of_a_directory_is_of_its_content_alone(zarr: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(zarr, copy, symlinks=True)
    (copy / "empty").rmdir()
    os.utime(copy / "zarr.json", (1, 1))
    (copy / "zarr.json").chmod(0o600)
    assert measure_tree(copy)[0].digest == measure_tree(zarr)[0].digest == DIGEST
    (copy / "a b").rename(copy / "a c")
    assert measure_tree(copy)[0].digest != DIGEST


def test_a_directory_is_checked_as_it_was_recorded(store: Store, zarr: Path) -> None:
    made = store.data("out", file=zarr)
    (uri,) = found(store, made)["uris"]
    assert check(uri | {"checks": []}).state == "ok"
    (zarr / "c" / "0" / "0").write_bytes(b"other")
    assert check(uri | {"checks": []}).state == "changed"


def test_a_link_keeps_its_name_and_tells_its_target(store: Store, zarr: Path) -> None:
    link = zarr.parent / "annexed"
    link.symlink_to(zarr)
    record = found(store, store.data("out", file=link))
    assert record["uris"][0]["uri"] == link.as_uri()
    assert record["uris"][0]["digest"] == DIGEST
    assert record["tags"] == {"link_target": zarr.as_uri(), "file_count": 4}


def test_what_is_no_file_is_recorded_without_a_digest(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, why in (("fifo", "is a FIFO (named pipe)"), ("gone", "is not there")):
        record = found(store, store.data("x", file=tmp_path / name))
        assert record["uris"][0]["digest"] is None
        assert record["tags"]["no_digest"] == why
        assert f"{name} {why}: recorded without size and digest" in record["tags"][NOTE_TAG]
        with pytest.raises(InvalidInput, match="without size and digest"):
            Recorder(store.sink, strict=True).data("x", file=tmp_path / name)


@pytest.mark.parametrize("given", [3, object(), "", "a\x00b", [None]])
def test_what_is_no_path_is_noted(store: Store, given: Any) -> None:
    record = found(store, store.data("x", files=given))
    assert record["uris"] == []
    assert "is not a path of a file" in record["tags"][NOTE_TAG]


def test_a_directory_with_what_is_no_file_has_no_digest(zarr: Path) -> None:
    os.mkfifo(zarr / "c" / "pipe")
    measured, tree = measure_tree(zarr)
    assert tree is None
    assert measured.why == "holds c/pipe, which is a FIFO (named pipe)"
    assert (measured.size, measured.digest) == (None, None)


def test_a_directory_that_changes_is_read_once_more(zarr: Path) -> None:
    times = 0

    def grow(size: int) -> None:
        nonlocal times
        times += 1
        if times == 1:
            (zarr / "late").write_bytes(b"late")

    measured, tree = measure_tree(zarr, progress=grow)
    assert tree is not None
    assert [member.path for member in tree.members][2] == "late"
    assert measured.size == 11

    def never_done(size: int) -> None:
        nonlocal times
        times += 1
        (zarr / f"late{times}").write_bytes(b"late")

    assert measure_tree(zarr, progress=never_done)[0].why == "changed while it was read"


def test_of_many_files_the_first_are_listed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(1000):
        (tmp_path / "many" / f"{number:05d}").touch()
    (members,) = found(store, store.data("many", file=tmp_path / "many"))["members"]
    assert (members["count"], members["truncated"]) == (1000, True)
    assert [file["path"] for file in members["files"][:2]] == ["00000", "00001"]
    assert 300 < len(members["files"]) < 1000


def test_names_that_are_no_text_are_read_too(tmp_path: Path) -> None:
    name = b"\xff\n"
    (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    _, tree = measure_tree(tmp_path)
    assert tree is not None
    assert [member.path for member in tree.members] == [quote(name)]
    assert look(tmp_path).found.digest == tree.digest
