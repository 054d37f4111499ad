"""SQLite stores that somebody may read and not write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from provenance_store.errors import StoreUnavailable
from tests.support.command_line import Braid, caller
from tests.support.permissions import as_anybody


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can see into, with a store of one record."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        with open_store(url(path)) as store:
            store.data("scan")
        (path / "braid.db").chmod(0o666)
        yield path
        path.chmod(0o755)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'braid.db'}"


def names(store: Store) -> list[str]:
    return [record["name"] for record in store.documents().records()["records"]]


def reads_and_does_not_write(folder: Path) -> None:
    for create in (True, False):
        with as_anybody(), open_store(url(folder), create=create) as store:
            assert names(store) == ["scan"]
            assert store.check() == []
            with pytest.raises(StoreUnavailable, match="read-only; give write permission"):
                store.data("another")
            assert names(store) == ["scan"]


def test_a_store_in_a_folder_that_may_not_be_written_is_read(folder: Path) -> None:
    folder.chmod(0o555)
    reads_and_does_not_write(folder)
    assert [file.name for file in folder.iterdir()] == ["braid.db"]


def test_a_file_that_may_not_be_written_is_read(folder: Path) -> None:
    (folder / "braid.db").chmod(0o444)
    folder.chmod(0o777)
    reads_and_does_not_write(folder)


def test_neither_the_file_nor_its_folder_may_be_written(folder: Path) -> None:
    (folder / "braid.db").chmod(0o444)
    folder.chmod(0o555)
    reads_and_does_not_write(folder)


def test_what_is_being_written_is_seen_by_who_may_only_read(folder: Path) -> None:
    with open_store(url(folder)) as writer:
        writer.data("newer")
        for file in folder.iterdir():
            file.chmod(0o644)
        folder.chmod(0o555)
        with as_anybody(), open_store(url(folder), create=False) as store:
            assert names(store) == ["newer", "scan"]
            writer.data("newest")
            assert names(store) == ["newest", "newer", "scan"]


def test_changes_that_cannot_be_seen_are_not_passed_over(folder: Path) -> None:
    with open_store(url(folder)) as writer:
        writer.data("newer")
        left = (folder / "braid.db-wal").read_bytes()
        before = (folder / "braid.db").read_bytes()
    (folder / "braid.db-wal").write_bytes(left)
    (folder / "braid.db").write_bytes(before)
    folder.chmod(0o555)
    with (
        as_anybody(),
        pytest.raises(StoreUnavailable, match="its folder must exist and be writable"),
    ):
        open_store(url(folder), create=False)


def test_a_command_reads_and_a_command_that_records_says_why_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    braid: Braid = caller(capsys)
    folder.chmod(0o555)
    with as_anybody():
        listed = braid("records", "--store", url(folder))
        refused = braid("record", "fact", "new", "--store", url(folder))
    assert (listed.code, "scan" in listed.out) == (0, True)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        "braid: The store is read-only; give write permission to its file and folder.\n"
    )


def test_a_file_that_may_not_be_read_is_named(folder: Path) -> None:
    (folder / "braid.db").chmod(0o000)
    with as_anybody(), pytest.raises(StoreUnavailable, match="permission denied") as caught:
        open_store(url(folder))
    assert str(folder / "braid.db") in caught.value.message


def test_a_slice_into_a_folder_that_may_not_be_written_names_it(folder: Path) -> None:
    folder.chmod(0o555)
    with (
        as_anybody(),
        open_store(url(folder), create=False) as store,
        pytest.raises(StoreUnavailable, match="cannot be made") as caught,
    ):
        store.slice(folder / "part.db")
    assert str(folder / "part.db") in caught.value.message
