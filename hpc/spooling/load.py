"""Bringing spool files into a store, or to a server."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from hpc.buffered_sink import DIVISIONS, halves
from hpc.spooling.files import read_frames
from provenance_store.batch import Batch, decode_batch, encode_batch
from provenance_store.errors import BraidError, Conflict, InvalidInput, NotAllowed, NotFound
from provenance_store.recording.environment import is_identity, own
from provenance_store.service import StoreService
from provenance_store.settings import MAX_PAYLOAD_BYTES
from provenance_store.sinks.database import BatchRefused
from provenance_store.store import Store
from provenance_store.validation.batches import gated
from provenance_store.validation.limits import Gate

__all__ = [
    "BadFile",
    "Intake",
    "Loaded",
    "LoadedBatch",
    "ServerIntake",
    "StoreIntake",
    "files_in",
    "let_in",
    "load_spool",
    "waiting_files",
]

BATCH_BYTES = 1 << 32
MOST_NOTES = 20
"""So many notes of one batch are logged."""

logger = logging.getLogger("braid.hpc")
NOTHING = encode_batch(Batch())


class LoadedBatch(NamedTuple):
    """How many records of a batch are there now, and why parts of it are refused."""

    records: int
    refused: list[BraidError]


class Intake(ABC):
    """Takes batches, encoded, that were recorded elsewhere."""

    @abstractmethod
    def take(self, group: Sequence[bytes], *, patient: bool = False) -> list[LoadedBatch]:
        """What became of each batch: of one that is refused in part, the rest is taken.

        With `patient` refused is also what names something that is not there, for it may come.

        Raises what is wrong with all of them, such as StoreUnavailable or ServiceUnavailable;
        some may be written then, and writing all of them again changes nothing.
        """


class StoreIntake(Intake):
    """Writes to a store, as many batches in one commit as may be."""

    def __init__(self, store: Store) -> None:
        self._service = StoreService(store)

    def take(self, group: Sequence[bytes], *, patient: bool = False) -> list[LoadedBatch]:
        read = [self._read(data) for data in group]
        batches = [batch for batch in read if isinstance(batch, Batch)]
        answers = iter(self._service.write_parts(batches, patient=lambda _: patient))
        return [
            _taken(batch, next(answers)) if isinstance(batch, Batch) else LoadedBatch(0, [batch])
            for batch in read
        ]

    def _read(self, data: bytes) -> Batch | InvalidInput:
        try:
            batch = let_in(decode_batch(data, limit=BATCH_BYTES))
        except InvalidInput as error:
            return error
        self._own(batch)
        return batch

    def _own(self, batch: Batch) -> None:
        """Give what a remote recorder spooled to whom the server knows the recorder as."""
        holders = self._service.holders(row.uuid for row in batch.origin)
        known = ((row.no, holders.get(row.uuid)) for row in batch.origin)
        owners = {no: holder.who for no, holder in known if holder and is_identity(holder.who)}
        if owners:
            own(batch, owners)


class ServerIntake(Intake):
    """Posts to a server.

    `post` sends one batch and returns how many records it has, or raises as a store would:
    NotAllowed and NotFound also where the server takes no batch at all, which one without a
    record tells.
    """

    def __init__(self, post: Callable[[bytes], int]) -> None:
        self._post = post

    def take(self, group: Sequence[bytes], *, patient: bool = False) -> list[LoadedBatch]:
        return [self._taken(data) for data in group]

    def _taken(self, data: bytes) -> LoadedBatch:
        """Post a batch; one that is refused in halves, so often that few bad parts are found."""
        taken = LoadedBatch(0, [])
        waiting, times = [data], DIVISIONS
        while waiting:
            answer = self._posted(waiting[0])
            some = waiting.pop(0)
            if isinstance(answer, int):
                taken = taken._replace(records=taken.records + answer)
                continue
            divided = halves(some) if times and not isinstance(answer, NotFound) else []
            times -= bool(divided)
            waiting[:0] = divided
            if not divided:
                taken.refused.append(answer)
        return taken

    def _posted(self, data: bytes) -> int | BraidError:
        try:
            return self._post(data)
        except (NotAllowed, NotFound) as error:
            self._post(NOTHING)
            return error
        except (InvalidInput, Conflict) as error:
            return error


def let_in(batch: Batch) -> Batch:
    """A batch as the gate lets it in; what was changed or left out is logged.

    Raises InvalidInput when nothing of it can be taken.
    """
    gate = Gate()
    batch = gated(gate, batch, limit=MAX_PAYLOAD_BYTES.get(), leave_out=True)
    for note in gate.notes[:MOST_NOTES]:
        logger.warning("Not taken as it was: %s", note)
    return batch


def _taken(batch: Batch, refused: list[BatchRefused]) -> LoadedBatch:
    records = len(batch.record)
    if refused:
        parts = batch.parted()
        records -= sum(len(parts[each.part].record) for each in refused)
    return LoadedBatch(records, [each.error for each in refused])


GROUP_BYTES = 16 << 20
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


Folder = Literal["new", "tmp", "bad", "done"]
"""Where a file of a spool is: to be loaded, being written, refused or damaged, loaded."""


def waiting_files(directory: Path, *, unfinished: bool = False) -> list[Path]:
    """The files to load, in the order in which they were begun.

    `unfinished` ones are those in ``tmp/``, whose writers are at work or have died.
    """
    if not directory.is_dir():
        raise NotFound(f"The spool folder {directory} does not exist.")
    if not (directory / "new").is_dir():
        raise NotFound(f"{directory} is not a spool folder: it has no folder new/.")
    folders: tuple[Folder, ...] = ("new", "tmp") if unfinished else ("new",)
    found = [path for folder in folders for path in files_in(directory, folder)]
    return sorted(found, key=lambda path: path.name)


def files_in(directory: Path, folder: Folder) -> list[Path]:
    """The files in one of the folders of a spool; none where there is no such folder."""
    return list((directory / folder).glob("*.braid"))


def load_spool(
    into: Store | Intake,
    directory: Path | str,
    *,
    delete: bool = False,
    unfinished: bool = False,
    progress: Callable[[int], None] = lambda size: None,
) -> Loaded:
    """Load the files of a spool folder into a store or a server. Loading again changes nothing.

    Loaded files move to ``done/``, or are deleted with `delete`. A file that is torn or damaged, or
    of which anything is refused, moves to ``bad/`` after everything else in it is written; only
    what was recorded in one transaction is refused together. With `unfinished` the files in
    ``tmp/`` are loaded too; use it once no writer is at work any more. `progress` is called with
    the size of each file in bytes. Raises NotFound if there is no such folder. When the store or
    server takes nothing, raises StoreUnavailable, ServiceUnavailable or what else is wrong; files
    that are not loaded stay where they are.

    >>> with braid.hpc.spool("spool") as recorder:
    ...     scan = recorder.data("scan-18")
    >>> braid.hpc.load_spool(store, "spool").batches
    1
    """
    directory = Path(directory)
    intake = StoreIntake(into) if isinstance(into, Store) else into
    report = Loaded()
    waiting = waiting_files(directory, unfinished=unfinished)
    sizes = {path: _size(path) for path in waiting}
    for path, read in _load_files(intake, waiting):
        _put_away(directory, path, read, report, delete=delete)
        progress(sizes[path])
    report.unfinished = len(files_in(directory, "tmp"))
    return report


@dataclass
class _Read:
    """What became of the batches of a file.

    `early` is true when one was refused that may add to a record of another file.
    """

    batches: int = 0
    records: int = 0
    reasons: list[str] = field(default_factory=list)
    early: bool = False


def _load_files(intake: Intake, waiting: list[Path]) -> Iterator[tuple[Path, _Read]]:
    """What became of each file. Those that came early are tried again as long as that helps; what
    names something is then taken without what it names."""
    patient = True
    while waiting:
        early: dict[Path, _Read] = {}
        for path in waiting:
            read = _load_file(intake, path, patient=patient)
            if read.early:
                early[path] = read
            else:
                yield path, read
        if len(early) == len(waiting) and not patient:
            yield from early.items()
            return
        patient = patient and len(early) < len(waiting)
        waiting = list(early)


def _load_file(intake: Intake, path: Path, *, patient: bool) -> _Read:
    """Have the batches of a file written, as far as it is whole."""
    read = _Read()
    for group in _groups(path, read.reasons):
        for taken in intake.take(group, patient=patient):
            read.batches += not taken.refused
            read.records += taken.records
            for error in taken.refused:
                read.reasons.append(error.message)
                read.early |= isinstance(error, InvalidInput)
    return read


def _groups(path: Path, reasons: list[str]) -> Iterator[list[bytes]]:
    """The batches of a file, a good number at a time, and the reason why there are no more."""
    group: list[bytes] = []
    size = 0
    try:
        for data in read_frames(path):
            group.append(data)
            size += len(data)
            if size >= GROUP_BYTES:
                yield group
                group, size = [], 0
    except InvalidInput as error:
        reasons.append(error.message)
    except FileNotFoundError:
        pass  # its writer took it back to add to it, or another loader was quicker
    yield group


def _put_away(directory: Path, path: Path, read: _Read, report: Loaded, *, delete: bool) -> None:
    report.batches += read.batches
    report.records += read.records
    if not os.path.lexists(path):
        return  # its writer took it back to add to it, or another loader was quicker
    if read.reasons:
        moved = _moved(path, directory / "bad")
        report.bad.append(BadFile(moved, _said(read.reasons)))
        return
    report.files += 1
    if delete:
        path.unlink(missing_ok=True)
    else:
        _moved(path, directory / "done")


def _said(reasons: list[str]) -> str:
    """The first reasons, each once, and how many there are besides."""
    different = list(dict.fromkeys(reasons))
    more = len(reasons) - min(len(different), REASONS)
    said = " ".join(different[:REASONS])
    return f"{said} And {more} more like these." if more else said


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _moved(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    with suppress(FileNotFoundError):  # another loader was quicker
        path.rename(target)
    return target
