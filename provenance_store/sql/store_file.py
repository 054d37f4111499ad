"""Whether the file that a SQLite store has open is still the one at its path."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

__all__ = ["BESIDE", "StoreFile"]

BESIDE = ("-wal", "-shm")
"""SQLite's log of what is not in the file yet, and its index; both are there, the same, for as
long as a connection is open."""

LOG_HEAD = 32

_Identity = tuple[int, int]


class _Left(NamedTuple):
    """What this process had open when it noticed that a store was removed or replaced.

    `held` are descriptors of the file and of the index: while one is open, the file system gives
    its number to no other file.
    """

    file: _Identity | None
    beside: _Identity | None
    log: bytes
    held: tuple[int, ...]


_left: dict[str, _Left] = {}
"""By the path of the store."""


class StoreFile:
    """The path of a SQLite store, and which files were there when it was opened.

    A file that was removed, moved or replaced can still be written to, by whoever has it open;
    nobody else ever reads that. So the files at the path are compared with those that are open.
    What compares raises OSError when it cannot be found out.
    """

    def __init__(self, file: Path) -> None:
        self._file = os.path.realpath(file)
        self._beside = tuple(self._file + ending for ending in BESIDE)
        self._known: _Identity | None = None
        self._known_beside: dict[str, _Identity] = {}
        self._open = 0
        self._lock = threading.RLock()  # a connection may be collected anywhere

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return os.path.basename(self._file)

    def opened(self) -> bool:
        """Note what a new connection has opened; False when that is another file than before."""
        with self._lock:
            self._open += 1
            found = _identity(self._file)
            if found is None or self._known not in (None, found):
                return False
            self._known = found
            self._note_beside()
            return True

    def closed(self) -> None:
        """A connection is closed; with the last one SQLite removes the files beside."""
        with self._lock:
            self._open -= 1
            if self._open <= 0:
                self._known_beside = {}

    def after_fork(self) -> None:
        """In a forked child, which has none of the parent's connections."""
        self._lock = threading.RLock()  # a connection may be collected anywhere
        self._open = 0
        self._known_beside = {}

    def has_moved(self) -> bool:
        """Whether the store's file is not the one that is open."""
        known = self._known
        if known is None:
            return False
        try:
            found = os.stat(self._file)
        except (FileNotFoundError, NotADirectoryError):
            return True
        return (found.st_dev, found.st_ino) != known

    def has_lost_log(self) -> bool:
        """Whether one of the files beside it is not the one that is open."""
        if self._open <= 0:  # around a fork: the last connection takes them with it
            return False
        known = self._known_beside
        if len(known) < len(BESIDE):  # SQLite makes them with the first write
            with self._lock:
                self._note_beside()
        for path, before in known.items():
            if _identity(path) != before and self._is_really_gone(path, before):
                return True
        return False

    def can_be_saved(self) -> bool:
        """Whether only files beside it were removed, and nobody has made others in their place.

        What they hold can then still be put into the store's file.
        """
        if self.has_moved():
            return False
        known = self._known_beside
        return all(_identity(path) in (None, known.get(path)) for path in self._beside)

    def leave(self) -> None:
        """Remember what was open, for whoever opens what is at the path later."""
        log, index = self._beside
        file, beside = self._known, self._known_beside.get(index)
        held = [_hold(self._file, file), _hold(index, beside)]
        self._forget()
        descriptors = tuple(one for one in held if one is not None)
        _left[self._file] = _Left(file, beside, _head(log), descriptors)

    def _forget(self) -> None:
        """What is at the path now has a log of its own, or was lost too."""
        left = _left.pop(self._file, None)
        for descriptor in left.held if left is not None else ():
            os.close(descriptor)

    def has_log_of_another(self) -> bool:
        """Whether a log lies beside the file that belongs to the one which was there before:
        SQLite would take it for the file's own, and damage it."""
        left = _left.get(self._file)
        if left is None or _identity(self._file) in (None, left.file):
            return False
        log, index = self._beside
        found = _head(log)
        if found and found != left.log:
            self._forget()
            return False
        return bool(found) or _identity(index) == (left.beside or ())

    def _note_beside(self) -> None:
        if self._open <= 0:
            return
        found = {path: _identity(path) for path in self._beside}
        new = {path: one for path, one in found.items() if one is not None}
        self._known_beside = new | self._known_beside  # a new one: others may be reading the old

    def _is_really_gone(self, path: str, before: _Identity) -> bool:
        """Look again, for the last connection may have been closed at this moment."""
        with self._lock:
            return self._known_beside.get(path) == before and _identity(path) != before


def _head(log: str) -> bytes:
    """The beginning of a log, which is never the same in two, were their inodes the same."""
    try:
        with open(log, "rb") as file:
            return file.read(LOG_HEAD)
    except OSError:
        return b""


def _hold(path: str, known: _Identity | None) -> int | None:
    """A descriptor of the file at a path, if that is the known one and the system has `O_PATH`.

    No other kind will do: closing one would drop the locks that SQLite has on the file.
    """
    if not hasattr(os, "O_PATH"):
        return None  # where numbers are not given again
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if (found.st_dev, found.st_ino) == known:
        return descriptor
    os.close(descriptor)
    return None


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
