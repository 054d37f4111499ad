"""Opening, making and upgrading stores by their URL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from provenance_store.errors import ConfigurationError, NotFound, StoreUnavailable
from provenance_store.settings import BUSY_TIMEOUT_MS, PAGE_CACHE_MB, SQLITE_MODE, STORE_URL
from provenance_store.sql import schema
from provenance_store.sql.dialects import make_engine, make_private, read_url
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.session import Session
from provenance_store.sql.watch import watch_of
from provenance_store.store import Store

__all__ = [
    "UpgradePlan",
    "engine_at",
    "open_store",
    "plan_upgrade",
    "store_file",
    "upgrade_store",
]


def open_store(
    url: str | os.PathLike[str] | None = None, *, create: bool = True, strict: bool = False
) -> Store:
    """Open the store at a URL or path, by default the one that BRAID_STORE_URL names.

    A URL is ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``; a path names a SQLite file.
    An empty or missing database gets the schema, unless `create` is false. With `strict` a value
    that cannot be kept as it is given is refused, see `Recorder`. Raises ConfigurationError for a
    bad URL, NotFound if there is no store, SchemaMismatch for an older or newer one,
    StoreUnavailable if the database cannot be reached.

    >>> with braid.open_store("results.db") as results:
    ...     scan = results.data("scan-17", uris=["globus://collection/scan-17.h5"])
    """
    engine = engine_at(url or STORE_URL.get(), create=create)
    try:
        with Session(engine).translated():
            if create:
                schema.create(engine)
            schema.require_current(engine)
    except BaseException:
        engine.dispose()
        raise
    watch = watch_of(engine)
    assert watch is not None
    watch.checks.append(schema.require_compatible)
    with Session(engine).translated():
        watch.look()  # now that SQLite has made its log
    return Store(engine, strict=strict)


def upgrade_store(url: str | os.PathLike[str] | None = None) -> None:
    """Bring the store's schema up to date, making it if there is none. A newer one that this Braid
    may write to stays: another server is newer already."""
    if not plan_upgrade(url).is_needed:
        return
    engine = engine_at(url or STORE_URL.get(), create=True)
    try:
        with Session(engine).translated():
            schema.upgrade(engine)
    finally:
        engine.dispose()


@dataclass(frozen=True)
class UpgradePlan:
    """What an upgrade of a store would do, and who can write to it afterwards: a Braid whose own
    schema is not older than `min_writer`."""

    found: str | None
    to: str = schema.SCHEMA_VERSION
    min_writer: str = schema.MIN_WRITER

    @property
    def is_needed(self) -> bool:
        """Whether the store is missing or older; a newer one is left as it is."""
        return self.found is None or self.found < self.to

    @property
    def others_go_on(self) -> bool:
        """Whether programs of the version that is there now can write meanwhile and afterwards."""
        return self.found is not None and self.found >= self.min_writer


def plan_upgrade(url: str | os.PathLike[str] | None = None) -> UpgradePlan:
    """What `upgrade_store` would do; changes nothing.

    Raises SchemaMismatch for a store that is too new for this Braid, NotFound for a database that
    holds something else.
    """
    text = url or STORE_URL.get()
    try:
        engine = engine_at(text, create=False)
    except NotFound:  # also while another program is about to make it
        return UpgradePlan(None)
    try:
        with Session(engine).read() as connection:
            found = schema.current_version(connection)
            if found is not None:
                schema.require_not_newer(connection, found)
    finally:
        engine.dispose()
    return UpgradePlan(found)


def _is_empty(file: Path) -> bool:
    """Whether a file has nothing in it, nor a log beside it: SQLite would begin a database in it,
    also for somebody who only reads."""
    log = file.with_name(f"{file.name}-wal")
    return file.is_file() and file.stat().st_size == 0 and not (log.exists() and log.stat().st_size)


def store_file(url: str | os.PathLike[str]) -> Path | None:
    """The SQLite file that a store's URL names; None for another database."""
    read = read_url(url)
    is_file = read.get_backend_name() == "sqlite" and "uri" not in read.query
    return Path(read.database or "") if is_file else None


def engine_at(text: str | os.PathLike[str], *, create: bool) -> sa.Engine:
    """An engine for the database at a URL; what is in it is not looked at. Raises as `open_store`.

    A relative path is where this process is now, and stays there when it goes elsewhere.
    """
    url = read_url(text)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        if not create and (not file.exists() or _is_empty(file)):
            empty = ": the file is empty" if file.exists() else ""
            raise NotFound(
                f"There is no store at {file}{empty}; `braid store init` makes one, {PUT_BACK}."
            )
        if file.is_dir():
            raise ConfigurationError(f"{file} is a folder; a store is a file.")
        if file.exists() and not os.access(file, os.R_OK):
            raise StoreUnavailable(f"The store's file {file} cannot be opened: permission denied.")
        if not file.absolute().parent.is_dir():
            raise ConfigurationError(f"The folder {file.absolute().parent} does not exist.")
        if create and "uri" not in url.query:
            make_private(file, int(SQLITE_MODE.get(), 8))
        if "uri" not in url.query:
            url = url.set(database=str(file.absolute()))
    return make_engine(url, cache_mb=PAGE_CACHE_MB.get(), busy_ms=BUSY_TIMEOUT_MS.get())
