"""The target of an import: created if it is missing, and removed again if nothing came in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from braid.cli.output import say
from braid.cli.source import Source

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["filling"]


@contextmanager
def filling(source: Source, *, dry_run: bool) -> Iterator[Store]:
    """The store itself, closed afterwards.

    A file that was made for it is removed again when nothing came into it: after a dry run, and
    when the block raises before there is any record.
    """
    from provenance_store.opening import store_file

    file = store_file(source.url)
    if file is None or file.exists():
        with source.open(create=True) as store:
            yield store
        return
    is_empty = True
    try:
        with source.open(create=True) as store:
            try:
                yield store
            finally:
                is_empty = dry_run or not any(store.info()["records"].values())
    finally:
        if is_empty:
            for made in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
                made.unlink(missing_ok=True)
        else:
            say(f"there was no store at {file}; one was made.")
