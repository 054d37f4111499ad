"""Directories as things: one digest over all that is in them, their size, and their members.

The digest is ``tree-sha256:<hex>``: the SHA-256 of a list with one line for each file, and for each
symbolic link, below the directory::

    <sha256 of the content> <size in bytes> <path>
    link <target> <path>

Paths are relative, with ``/`` between their parts; paths and targets are percent-encoded, all bytes
but letters, digits and ``_.-~/``. The lines are sorted as bytes by path, and each ends with a line
feed. Links are not followed, names of empty directories and the times and rights of files do not
count: a copy of a directory has the digest of the directory.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from provenance_store.measuring import Measured, Progress, Unread, measure

__all__ = ["ALGORITHM", "ROOM", "Member", "Tree", "is_tree", "measure_tree", "tree_size"]

ALGORITHM = "tree-sha256"
MOST = 200_000
"""A directory of more files has no digest: whoever names one by mistake shall not wait."""
ROOM = 48_000
"""So many bytes of JSON of members are kept with a record."""
ATTEMPTS = 2


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
