"""Size and digest of a file. Only regular files are opened, and only one that stayed the same
while it was read has a digest.

Opening a FIFO, a device or a file that a kernel makes up can change it: data that a command waits
for would be gone. So what a path is, is asked first, and asked again of what was opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

__all__ = ["ALGORITHMS", "Measured", "Progress", "Unread", "measure", "not_opened"]

ALGORITHMS = ("sha256", "blake2b")
"""What a digest is made with."""
PIECE = 1 << 20
ATTEMPTS = 2

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK: a FIFO that took the file's place must not hold us. O_NOFOLLOW: links were followed
before."""
_SPECIAL = (
    (stat.S_ISFIFO, "a FIFO (named pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_GENERATED = frozenset(
    "binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts efivarfs fusectl mqueue nsfs proc "
    "pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
"""File systems whose files the kernel makes up when they are read: their size is said to be 0 or
anything, and reading can take something away (``/proc/kmsg``)."""
_MOUNTS = Path("/proc/self/mountinfo")

Progress = Callable[[int], object]


class Unread(StrEnum):
    """Why a path has no digest."""

    MISSING = "missing"
    DIRECTORY = "directory"
    SPECIAL = "not a file"
    UNREADABLE = "unreadable"
    CHANGING = "changing"


class Measured(NamedTuple):
    """What is at a path: size in bytes and digest as ``sha256:<hex>``, or why there are none.

    `why` goes on after the path's name: ``is a directory``.
    """

    size: int | None = None
    digest: str | None = None
    unread: Unread | None = None
    why: str = ""


class _Changed(Exception):
    """The file is not what it was when reading began."""


def measure(path: Path, *, algorithm: str = "sha256", progress: Progress | None = None) -> Measured:
    """Size and digest of what is at a path, links followed; never raises for what is there.

    It is read piece by piece, and `progress` is told how many bytes were read. A file that
    changes meanwhile is read once more; if it changes again, it has no digest.
    """
    for _ in range(ATTEMPTS):
        try:
            return _read(path, algorithm, progress)
        except _Changed:
            continue
        except (FileNotFoundError, NotADirectoryError):
            return Measured(unread=Unread.MISSING, why=_missing(path))
        except OSError as error:
            return Measured(unread=Unread.UNREADABLE, why=f"cannot be read ({error.strerror})")
    return Measured(unread=Unread.CHANGING, why="changed while it was read")


def _missing(path: Path) -> str:
    return "is a link to a file that is not there" if os.path.islink(path) else "is not there"


def _read(path: Path, algorithm: str, progress: Progress | None) -> Measured:
    before = os.stat(path)
    if (refused := not_opened(before)) is not None:
        return refused
    opened = _open(path)
    with open(opened, "rb", buffering=0) as file:
        if _state(os.fstat(opened)) != _state(before):
            raise _Changed
        digest = hashlib.new(algorithm)
        size = 0
        # A file that somebody appends to may never end: what is more than its size is not read.
        while size <= before.st_size and (piece := file.read(PIECE)):
            digest.update(piece)
            size += len(piece)
            if progress is not None:
                progress(len(piece))
        after = os.fstat(opened)
    if size != before.st_size or _state(after) != _state(before) or _moved(path, before):
        raise _Changed
    return Measured(size, f"{algorithm}:{digest.hexdigest()}")


def _open(path: Path) -> int:
    try:
        opened = os.open(os.path.realpath(path), _OPEN)
    except OSError as error:
        if os.path.lexists(path) and isinstance(error, FileNotFoundError):
            # A name that only the kernel follows, as in /proc/PID/fd of a file that is deleted.
            raise OSError(error.errno, "its name leads nowhere") from None
        raise
    # Without O_NONBLOCK from here on: a file on tape may answer EAGAIN until it is fetched.
    os.set_blocking(opened, True)
    return opened


def not_opened(found: os.stat_result) -> Measured | None:
    """Why what was found is never opened; None for a regular file, which is."""
    if stat.S_ISDIR(found.st_mode):
        return Measured(unread=Unread.DIRECTORY, why="is a directory")
    if not stat.S_ISREG(found.st_mode):
        names = (name for is_such, name in _SPECIAL if is_such(found.st_mode))
        return Measured(unread=Unread.SPECIAL, why=f"is {next(names, 'no regular file')}")
    if _is_generated(found.st_dev):
        return Measured(unread=Unread.SPECIAL, why="is made up by the kernel when it is read")
    return None


def _is_generated(device: int) -> bool:
    """Whether a device number is that of a file system in memory that makes its files up."""
    if os.major(device) != 0:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    kinds = {line.partition(" - ")[2].split(" ")[0] for line in mounts if f" {number} " in line}
    return bool(kinds & _GENERATED)


def _state(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _moved(path: Path, before: os.stat_result) -> bool:
    """Whether another file has the path now."""
    try:
        return _state(os.stat(path)) != _state(before)
    except FileNotFoundError:
        return True
