"""Counters that several worker processes write and each of them can show, added up.

Each process writes a file of its own, mapped into memory, in a folder that prometheus_client takes
from the environment when it is imported: whoever starts the workers makes it before that. When a
worker has ended its counters are added to those of all that ended, so that no sum goes back and
files do not become more and more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["FOLDER_VARIABLE", "fold", "fold_ended", "folder", "reading"]

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEMORY = Path("/dev/shm")
PREFIX = "braid-metrics-"
OWNER = "owner"
"""Locked by the server while it runs: what is not is left over from one that was killed."""
LOCK = "lock"
ENDED = "ended"
"""Stands for the process id in the names of the files of those that have ended."""
ABANDONED_SECONDS = 60.0
"""A folder without a locked file is left alone for so long: it may be in the making."""


@contextmanager
def folder() -> Iterator[Path]:
    """A new private folder, to be named in the environment as `FOLDER_VARIABLE` before
    prometheus_client is imported; removed afterwards, with abandoned ones."""
    base = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _remove_abandoned(base)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    maker = os.getpid()
    with (made / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        (made / LOCK).touch()
        try:
            yield made
        finally:
            if os.getpid() == maker:  # Workers are forked in this block, and leave it too.
                shutil.rmtree(made, ignore_errors=True)


def _remove_abandoned(base: Path) -> None:
    for old in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime < ABANDONED_SECONDS:
                continue
            with (old / OWNER).open("a") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)


@contextmanager
def reading(where: Path) -> Iterator[None]:
    """While this lasts no counters are moved from one file to another."""
    with (where / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def fold(where: Path, pid: int) -> None:
    """Add what an ended process counted to what was counted by all that ended."""
    with suppress(FileNotFoundError), (where / LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file in sorted(where.glob(f"*_{pid}.db")):
            kind = file.name.removesuffix(f"_{pid}.db")
            if not kind.startswith("gauge_live") and file.stat().st_size:  # else it had just begun
                _add(file, where / f"{kind}_{ENDED}.db", highest=kind == "gauge_max")
            file.unlink()


def fold_ended(where: Path) -> None:
    """`fold` for every process that has ended: of those beside the workers nobody else hears."""
    counted = {file.stem.rpartition("_")[2] for file in where.glob("*.db")} - {ENDED}
    for pid in counted:
        if pid.isdecimal() and not _lives(int(pid)):
            fold(where, int(pid))


def _lives(pid: int) -> bool:
    """Whether a process goes on; one that ended, and that nobody has heard of, does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's, or a system without /proc
        return True


def _add(file: Path, total: Path, *, highest: bool) -> None:
    from prometheus_client.mmap_dict import MmapedDict

    files: Any = MmapedDict
    sums = files(str(total))
    try:
        for key, value, _, _ in files.read_all_values_from_file(str(file)):
            before, _ = sums.read_value(key)
            sums.write_value(key, max(before, value) if highest else before + value, 0.0)
    finally:
        sums.close()
