"""Size and digest of files and of directories.

Only regular files are opened, and only a file that stayed the same while it was read has a digest.
Opening a FIFO, a device or a file that the kernel makes up can change it, and data that a command
waits for would be gone. So what a path is, is asked first, and asked again of what was opened.

The digest of a directory is ``tree-sha256:<hex>``, the SHA-256 of a list with one line for each
file, and for each symbolic link, below the directory::

    <sha256 of the content> <size in bytes> <path>
    link <target> <path>

Paths are relative, with ``/`` between their parts; paths and targets are percent-encoded, all bytes
but letters, digits and ``_.-~/``. The lines are sorted as bytes by path, and each ends with a line
feed. Links are not followed. Empty directories, times and permissions do not count, so a copy has
the same digest.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

__all__ = [
    "ALGORITHM",
    "ALGORITHMS",
    "ROOM",
    "Measured",
    "Member",
    "Progress",
    "Tree",
    "Unread",
    "is_tree",
    "measure",
    "measure_tree",
    "not_opened",
    "tree_size",
]

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


ALGORITHM = "tree-sha256"
MOST = 200_000
"""A directory of more files has no digest: whoever names one by mistake shall not wait."""
ROOM = 48_000
"""So many bytes of JSON of members are kept with a record."""


class Member(NamedTuple):
    """A file or a link below a directory: a link has a target instead of a digest."""

    path: str
    size: int
    digest: str | None
    target: str | None = None

    @property
    def line(self) -> str:
        """Its line in the list that the digest is made of."""
        if self.target is not None:
            return f"link {self.target} {self.path}\n"
        return f"{(self.digest or '').partition(':')[2]} {self.size} {self.path}\n"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        if self.target is not None:
            return {"path": self.path, "target": self.target}
        return {"path": self.path, "size": self.size, "digest": self.digest}


class Tree(NamedTuple):
    """What is in a directory, in the order of the paths."""

    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(member.size for member in self.members)

    @property
    def digest(self) -> str:
        """One for all of it."""
        lines = "".join(member.line for member in self.members)
        return f"{ALGORITHM}:{hashlib.sha256(lines.encode()).hexdigest()}"

    def document(self, room: int = ROOM) -> dict[str, Any]:
        """As JSON: how many files, of how many bytes, and those that there is room for."""
        files = []
        for member in self.members:
            document = member.document()
            room -= len(msgspec.json.encode(document)) + 1
            if room < 0:
                break
            files.append(document)
        return {
            "count": len(self.members),
            "size": self.size,
            "files": files,
            "truncated": len(files) < len(self.members),
        }


def is_tree(path: Path) -> bool:
    """Whether a path is, or leads to, a directory."""
    return os.path.isdir(path)


def measure_tree(path: Path, *, progress: Progress | None = None) -> tuple[Measured, Tree | None]:
    """What a directory holds, the link that leads to it followed; never raises for what is there.

    Each file is read as `measure` does. Where files come or go meanwhile it is looked at once
    more. A file that cannot be read, or is none, leaves the whole without a digest.
    """
    for _ in range(ATTEMPTS):
        try:
            before = list(_paths(path))
            if len(before) > MOST:
                return Measured(unread=Unread.DIRECTORY, why=f"has more than {MOST:,} files"), None
            members: list[Member] = []
            for name in before:
                found = _member(path, name, progress)
                if isinstance(found, Measured):
                    return found, None
                members.append(found)
            if list(_paths(path)) == before:
                tree = Tree(tuple(members))
                return Measured(tree.size, tree.digest), tree
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
            return Measured(unread=Unread.UNREADABLE, why=why), None
    return Measured(unread=Unread.CHANGING, why="changed while it was read"), None


def tree_size(path: Path) -> int:
    """How many bytes `measure_tree` will read, as far as can be seen."""
    size = 0
    try:
        for number, name in enumerate(_paths(path)):
            found = os.lstat(os.path.join(os.fsencode(path), name))
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
            if number >= MOST:
                break
    except OSError:
        return size
    return size


def _paths(path: Path) -> Iterator[bytes]:
    """The relative paths of all that is no directory, sorted; of too many one more than MOST."""

    def stumbled(error: OSError) -> None:
        raise error

    top = os.fsencode(path)
    found: list[bytes] = []
    for folder, folders, files in os.walk(top, onerror=stumbled):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        inside = os.path.relpath(folder, top)
        found += [
            name if inside == b"." else os.path.join(inside, name) for name in (*files, *links)
        ]
        if len(found) > MOST:
            break
    return iter(sorted(found)[: MOST + 1])


def _member(top: Path, name: bytes, progress: Progress | None) -> Member | Measured:
    """A file of a tree, or why it has no digest."""
    whole = os.path.join(os.fsencode(top), name)
    shown = quote(name, safe="/")
    if os.path.islink(whole):
        return Member(shown, 0, None, quote(os.readlink(whole), safe="/"))
    found = measure(Path(os.fsdecode(whole)), progress=progress)
    if found.size is None or found.digest is None:
        return Measured(unread=found.unread, why=f"holds {shown}, which {found.why}")
    return Member(shown, found.size, found.digest)
