"""Bringing spool files into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hpc.spool_files import read_frames
from provenance_store.author import is_identity, own
from provenance_store.batch import Batch, decode_batch
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.store import Store

__all__ = ["BadFile", "Loaded", "load_spool", "waiting_files"]

GROUP_BYTES = 16 << 20
BATCH_BYTES = 1 << 32
REASONS = 3


@dataclass(frozen=True)
class BadFile:
    """A file that was set aside, where it is now, and why."""

    path: Path
    reason: str


@dataclass
class Loaded:
    """What `load_spool` did: files loaded whole, batches and records written or there already."""

    files: int = 0
    batches: int = 0
    records: int = 0
    unfinished: int = 0
    bad: list[BadFile] = field(default_factory=list)


def waiting_files(directory: Path, *, unfinished: bool = False) -> list[Path]:
    """The files to load, in the order in which they were begun.

    `unfinished` ones are those in ``tmp/``, whose writers are at work or have died.
    """
    if not directory.is_dir():
        raise NotFound(f"There is no spool folder {directory}.")
    if not (directory / "new").is_dir():
        raise NotFound(f"{directory} is no spool folder: there is no new/ in it.")
    folders = ("new", "tmp") if unfinished else ("new",)
    found = [path for folder in folders for path in (directory / folder).glob("*.braid")]
    return sorted(found, key=lambda path: path.name)


def load_spool(
    store: Store,
    directory: Path | str,
    *,
    delete: bool = False,
    unfinished: bool = False,
    progress: Callable[[int], None] = lambda size: None,
) -> Loaded:
    """Write what a spool folder holds into a store; again changes nothing.

    Loaded files go to ``done/`` or, with `delete`, away. A file that is torn or damaged, or that
    holds a batch that the store refuses, goes to ``bad/``, after all of it that is whole has been
    written. With `unfinished` also files in ``tmp/``, once no writer is at work any more.
    `progress` is called with the bytes of each file. Raises StoreUnavailable, files not yet
    loaded staying where they are, and NotFound when there is no such folder.
    """
    directory = Path(directory)
    report = Loaded()
    again: list[Path] = []
    for path in waiting_files(directory, unfinished=unfinished):
        size = path.stat().st_size
        problems = _load_file(store, path, report)
        if problems.early:
            again.append(path)
        else:
            _put_away(directory, path, problems, report, delete=delete)
        progress(size)
    for path in again:
        _put_away(directory, path, _load_file(store, path, Loaded()), report, delete=delete)
    report.unfinished = len(list((directory / "tmp").glob("*.braid")))
    return report


@dataclass
class _Problems:
    """What is wrong with a file, and whether a batch adds to a record that is not there yet."""

    reasons: list[str] = field(default_factory=list)
    early: bool = False


def _load_file(store: Store, path: Path, report: Loaded) -> _Problems:
    """Write the batches of a file."""
    problems = _Problems()
    for group in _groups(path, problems):
        for batch in group:
            _own(store, batch)
        for batch, refused in zip(group, store.write_all(group), strict=True):
            if refused is None:
                report.batches += 1
                report.records += len(batch.record)
            else:
                problems.reasons.append(refused.message)
                problems.early |= isinstance(refused, InvalidInput)
    return problems


def _own(store: Store, batch: Batch) -> None:
    """Give what a remote recorder spooled to whom the server knows the recorder as."""
    holders = store.holders(row.uuid for row in batch.origin)
    known = ((row.no, holders.get(row.uuid)) for row in batch.origin)
    owners = {no: holder.who for no, holder in known if holder and is_identity(holder.who)}
    if owners:
        own(batch, owners)


def _groups(path: Path, problems: _Problems) -> Iterator[list[Batch]]:
    """The batches of a file, a good number at a time, as far as it is whole."""
    group: list[Batch] = []
    size = 0
    try:
        for data in read_frames(path):
            size += len(data)
            try:
                group.append(decode_batch(data, limit=BATCH_BYTES))
            except InvalidInput as error:
                problems.reasons.append(error.message)
            if size >= GROUP_BYTES:
                yield group
                group, size = [], 0
    except InvalidInput as error:
        problems.reasons.append(error.message)
    yield group


def _put_away(
    directory: Path, path: Path, problems: _Problems, report: Loaded, *, delete: bool
) -> None:
    if problems.reasons:
        said = " ".join(problems.reasons[:REASONS])
        report.bad.append(BadFile(_moved(path, directory / "bad"), said))
        return
    report.files += 1
    if delete:
        path.unlink(missing_ok=True)
    else:
        _moved(path, directory / "done")


def _moved(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    with suppress(FileNotFoundError):  # another loader was quicker
        path.rename(target)
    return target
