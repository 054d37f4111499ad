"""A file that is there whole or not at all: written under another name, and named at the end.

What a killed process leaves behind is found again by that name, which tells who was writing.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from provenance_store.display import size
from provenance_store.errors import DiskFull, InvalidInput, StoreUnavailable
from provenance_store.settings import SQLITE_MODE
from provenance_store.sql.dialects import make_private

__all__ = ["made_whole", "sync", "unfinished_in"]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PID = r"[1-9][0-9]{0,9}"


@contextmanager
def made_whole(file: Path, *, force: bool) -> Iterator[Path]:
    """A file to write to, which gets its name when the block ends, and is gone when it raises.

    What processes of this machine that are gone have left unfinished in the folder is removed.
    Raises InvalidInput when the file is there, unless it is to be replaced by `force`, or has no
    folder; StoreUnavailable when nothing can be written there, DiskFull when there is no room.
    """
    if file.exists() and not force:
        raise _is_there(file)
    with unfinished_in(file) as unfinished:
        yield unfinished
        sync(unfinished)
        _name(unfinished, file, force=force)


@contextmanager
def unfinished_in(file: Path) -> Iterator[Path]:
    """An empty file to write to, in the folder of another one; when the block ends it is removed,
    unless it has got a name. Raises as `made_whole`.

    Nothing else is written inside, so that DiskFull says that there is no room for this file.
    """
    folder = file.absolute().parent
    if not folder.is_dir():
        raise InvalidInput(f"The folder {folder} does not exist.")
    _tidy(folder)
    unfinished = folder / f"{_prefix()}{os.getpid()}.{secrets.token_hex(4)}.unfinished"
    make_private(unfinished, int(SQLITE_MODE.get(), 8))
    if not unfinished.exists():
        raise StoreUnavailable(f"{file} cannot be made: its folder cannot be written to.")
    try:
        yield unfinished
    except (DiskFull, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_ROOM:
            raise
        _remove(unfinished)  # what is free is said after that
        free = shutil.disk_usage(folder).free
        raise DiskFull(
            f"{file} was not written: {folder} has no room for it ({size(free)} are free, "
            "if no quota or limit says less). What was there is as it was."
        ) from None
    finally:
        _remove(unfinished)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prefix() -> str:
    """How the names of all that this machine leaves unfinished begin."""
    host = re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())[:64]
    return f".braid.{host}."


def _tidy(folder: Path) -> None:
    """Remove what processes that are gone were writing; of other machines nothing is known."""
    pattern = re.compile(rf"{re.escape(_prefix())}({_PID})\.[0-9a-f]+\.unfinished")
    with suppress(OSError):  # a folder that may be written to and not listed
        for path in folder.iterdir():
            found = pattern.fullmatch(path.name)
            if found and not _runs(int(found[1])):
                _remove(path)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove(unfinished: Path) -> None:
    for left in (unfinished, Path(f"{unfinished}-journal")):
        with suppress(OSError):
            left.unlink(missing_ok=True)


def _name(unfinished: Path, file: Path, *, force: bool) -> None:
    if force:
        for journal in (Path(f"{file}-wal"), Path(f"{file}-shm")):
            journal.unlink(missing_ok=True)
    else:
        with suppress(OSError):  # file systems without hard links
            os.link(unfinished, file)
            return
        if file.exists():
            raise _is_there(file)
    unfinished.replace(file)


def _is_there(file: Path) -> InvalidInput:
    return InvalidInput(f"{file} is there already; choose another name, or give --force.")
