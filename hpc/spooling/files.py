"""Spool files: batches on disk, each with its length and checksum.

A folder is laid out like a Maildir: a file grows in ``tmp/`` and is moved into ``new/`` when it
is whole and on the disk. What comes next is added to it, under a new name, while it is small and
still there. ``braid spool load`` moves what it has loaded to ``done/`` and what it
cannot read to ``bad/``. A file is ``BRAIDSPL``, a version byte, and then for each batch 4 bytes
length, 4 bytes its complement, 16 bytes BLAKE2b of the batch, and the batch as MessagePack.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from hpc.settings import SPOOL_FILE_MB
from provenance_store.errors import InvalidInput, StoreUnavailable
from provenance_store.ids import now

__all__ = ["SpoolWriter", "read_frames"]

MAGIC = b"BRAIDSPL\x01"
DIGEST_BYTES = 16
HEAD_BYTES = 8 + DIGEST_BYTES
FULL = (1 << 32) - 1
LONGEST_SECONDS = 60.0
"""Age from which on a file is finished by the next batch, however small it is."""


class SpoolWriter:
    """Writes batches to files of a spool folder, which is made when the first batch comes.

    What `append` took is safe from a crash of this process; what `finish` covered is durable.
    Finished files are in ``new/``, or in the folder `into`.
    """

    def __init__(self, directory: Path | str, *, into: str = "new") -> None:
        self.directory = Path(directory)
        self.place = self.directory.absolute()
        """The same, wherever this process goes meanwhile."""
        self.batches = 0
        self._into = into
        self._limit = SPOOL_FILE_MB.get() << 20
        self._file: IO[bytes] | None = None
        self._name = Path()
        self._size = 0
        self._begun = 0.0
        self._last: Path | None = None
        self._last_size = 0

    def again(self, *, into: str = "new") -> SpoolWriter:
        """Another writer to the same folder."""
        made = SpoolWriter(self.directory, into=into)
        made.place = self.place
        return made

    def forget(self) -> None:
        """In a forked child: leave the file to the parent. Only this process's handle is closed."""
        file, self._file, self._last = self._file, None, None
        if file is not None:
            with suppress(OSError):
                file.close()

    def append(self, data: bytes) -> None:
        """Write one batch. Raises StoreUnavailable, the file as before, when it cannot."""
        if len(data) > FULL:
            raise InvalidInput("A batch in a spool file must be smaller than 4 GiB.")
        try:
            if self._file is None:
                self._begin()
            self._write(_head(data) + data)
        except OSError as error:
            self._undo()
            raise StoreUnavailable(
                f"The spool folder {self.directory} cannot be written: {error.strerror}."
            ) from error
        self.batches += 1
        if self._size >= self._limit or time.monotonic() - self._begun > LONGEST_SECONDS:
            self.finish()

    def finish(self) -> None:
        """Return when all batches are on the disk, where they are loaded from."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            with file:
                if self._added_to_last():
                    return
                os.fsync(file.fileno())
            self._show(self._name)
            self._last_size = self._size
        except OSError as error:
            raise StoreUnavailable(
                f"The spool file {self._name} cannot be finished: {error.strerror}."
            ) from error

    def _added_to_last(self) -> bool:
        """Whether what was written could be added to the file that was finished before.

        It is taken back for that, if no loader was quicker. It comes back under another name: a
        loader that is reading it moves the file that it has read, and not what it has not seen.
        """
        if self._last is None or self._last_size + self._size > self._limit:
            return False
        growing = self._name.with_name(self._new_name(self._last.name.partition("-")[0]))
        try:
            os.rename(self._last, growing)
        except OSError:
            return False
        try:
            with self._name.open("rb") as source, growing.open("ab") as target:
                source.seek(len(MAGIC))
                import shutil  # seldom needed, and slow to import on every rank

                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
        except OSError:  # no room for it twice: both stay as they were
            os.truncate(growing, self._last_size)
            self._show(growing)
            return False
        self._show(growing)
        self._last_size += self._size - len(MAGIC)
        self._name.unlink()
        return True

    def _show(self, file: Path) -> None:
        """Move a file that is whole to where it is loaded from."""
        folder = self.place / self._into
        self._last = folder / file.name
        os.rename(file, self._last)
        _sync_folder(folder)

    def _begin(self) -> None:
        for folder in ("tmp", self._into):
            (self.place / folder).mkdir(parents=True, exist_ok=True)
        self._name = self.place / "tmp" / self._new_name(f"{now():016d}")
        self._file = self._name.open("xb", buffering=0)
        self._size = 0
        self._begun = time.monotonic()
        self._write(MAGIC)

    def _new_name(self, begun: str) -> str:
        """A name that nobody else uses; files are loaded in the order in which they were begun."""
        writer = f"{platform.node()[:40]}-{os.getpid()}-{os.urandom(4).hex()}"
        return f"{begun}-{writer}.braid"

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._size += len(data)

    def _undo(self) -> None:
        """Cut off what a failed write left of a batch."""
        if self._file is None:
            return
        try:
            if self._size:
                self._file.truncate(self._size)
                self._file.seek(self._size)
            else:
                self._file.close()
                self._file = None
                self._name.unlink()
        except OSError:
            self._file = None  # what is whole in it can still be read


def read_frames(path: Path) -> Iterator[bytes]:
    """The batches of a spool file, in order, as they were given to `SpoolWriter.append`.

    Raises InvalidInput at the first place where the file is not what was written.
    """
    if not stat.S_ISREG(_mode(path)):  # to open a pipe would be to wait for its writer
        raise InvalidInput("This is not a file.")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise InvalidInput("This is not a spool file of this version of Braid.")
        size = os.fstat(file.fileno()).st_size
        while head := file.read(HEAD_BYTES):
            place = file.tell() - len(head)
            length = int.from_bytes(head[:4], "big")
            if len(head) < HEAD_BYTES or length != FULL - int.from_bytes(head[4:8], "big"):
                raise InvalidInput(f"The file is torn or damaged at byte {place}.")
            # No memory is taken for what cannot be there.
            data = file.read(length) if length <= size - file.tell() else b""
            if len(data) < length:
                raise InvalidInput(f"The file is torn in the batch at byte {place}.")
            if _digest(data) != head[8:]:
                raise InvalidInput(f"The batch at byte {place} is damaged.")
            yield data


def _mode(path: Path) -> int:
    """The mode of what a path leads to; of a link that leads nowhere, its own."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return path.lstat().st_mode


def _head(data: bytes) -> bytes:
    length = len(data).to_bytes(4, "big")
    return length + (FULL - len(data)).to_bytes(4, "big") + _digest(data)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
