"""Files that options name, and standard input, read in bounds: pipes may never end, or be silent.

``<(command)`` of a shell is such a pipe, so pipes are read like files.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path

__all__ = ["LARGEST_KEY", "read_given"]

MOST_BYTES = 256 << 20
LARGEST_KEY = 64 << 10
SILENT_SECONDS = 300.0
"""How long a pipe may send nothing; who writes into it may have to think first."""
PIECE = 1 << 20


def read_given(path: Path | str, *, most: int = MOST_BYTES) -> bytes:
    """All that a file, a pipe, or with ``-`` standard input holds.

    Raises BadFile for more than `most` bytes and for a pipe that falls silent, OSError as it comes.
    """
    from provenance_store.errors import BadFile

    data = sys.stdin.buffer.read(most + 1) if str(path) == "-" else _read(Path(path), most + 1)
    if len(data) > most:
        raise BadFile(f"it is larger than {_size(most)}, the most that is read.", path=str(path))
    return data


def _read(path: Path, most: int) -> bytes:
    # To open a named pipe would else wait for somebody who writes into it.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as file:
        waits = stat.S_ISFIFO(os.fstat(handle).st_mode) or stat.S_ISCHR(os.fstat(handle).st_mode)
        data = bytearray()
        while len(data) < most:
            if waits:
                _wait(handle, path)
            piece = file.read(min(PIECE, most - len(data)))
            if piece is None:  # somebody else took it
                continue
            if not piece:
                break
            data += piece
    return bytes(data)


def _wait(handle: int, path: Path) -> None:
    from provenance_store.errors import BadFile

    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    if not waiting.poll(SILENT_SECONDS * 1000):
        raise BadFile(
            f"it sent nothing for {SILENT_SECONDS:g} seconds, and was given up.",
            path=str(path),
        )


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
