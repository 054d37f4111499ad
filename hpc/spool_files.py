"""Spool files: batches on disk, each with its length and checksum.

A folder is laid out like a Maildir: a file grows in ``tmp/`` and is moved into ``new/`` when it
is whole and on the disk. ``braid spool load`` moves what it has loaded to ``done/`` and what it
cannot read to ``bad/``. A file is ``BRAIDSPL``, a version byte, and then for each batch 4 bytes
length, 4 bytes its complement, 16 bytes BLAKE2b of the batch, and the batch as MessagePack.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import stat
from collections.abc import Iterator
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


class SpoolWriter:
    """Writes batches to files of a spool folder, which is made when the first batch comes.

    What `append` took is safe from a crash of this process; what `finish` covered is durable.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self.batches = 0
        self._limit = SPOOL_FILE_MB.get() << 20
        self._file: IO[bytes] | None = None
        self._name = Path()
        self._size = 0

    def append(self, data: bytes) -> None:
        """Write one batch. Raises StoreUnavailable, the file as before, when it cannot."""
        if len(data) > FULL:
            raise InvalidInput("A batch in a spool file has less than 4 GiB.")
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
        if self._size >= self._limit:
            self.finish()

    def finish(self) -> None:
        """Return when all batches are on the disk, in ``new/``."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            with file:
                os.fsync(file.fileno())
            new = self.directory / "new"
            os.rename(self._name, new / self._name.name)
            _sync_folder(new)
        except OSError as error:
            raise StoreUnavailable(
                f"The spool file {self._name} cannot be finished: {error.strerror}."
            ) from error

    def _begin(self) -> None:
        for folder in ("tmp", "new"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        writer = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._name = self.directory / "tmp" / f"{now():016d}-{writer}.braid"
        self._file = self._name.open("xb", buffering=0)
        self._size = 0
        self._write(MAGIC)

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
