"""Backups of whole stores, and putting them back.

A store in a SQLite file is copied while others write to it; a backup is such a file again. One in
PostgreSQL is dumped and put back by PostgreSQL's own programs, `pg_dump` and `pg_restore`. In both
cases a backup is all of the store, the status of actions included, as it was at one moment.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from provenance_store.display import counted, shown
from provenance_store.errors import (
    BadFile,
    ConfigurationError,
    Conflict,
    DiskFull,
    InvalidInput,
    NotFound,
    StoreDamaged,
    StoreUnavailable,
)
from provenance_store.opening import engine_at, store_file
from provenance_store.settings import BUSY_TIMEOUT_MS, PAGE_CACHE_MB, inherited
from provenance_store.sql import schema
from provenance_store.sql.dialects import driver, make_engine, read_url
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.session import Session
from provenance_store.sql.sqlite_copies import (
    copied,
    damage_of,
    drop_tables,
    held_alone,
    others_connected,
    row_counts,
)
from provenance_store.sql.store_file import BESIDE
from provenance_store.transfer.atomic_file import made_whole, sync, unfinished_in

__all__ = ["BackedUp", "Restored", "back_up", "restore"]

Progress = Callable[[int, int], object]
"""Is told how much is done, of how much; of PostgreSQL nothing is known."""

SQLITE, DUMP = b"SQLite format 3\0", b"PGDMP"
"""How the files begin."""
DUMP_OPTIONS = ("--format=custom", "--no-owner", "--no-privileges")
RESTORE_OPTIONS = (
    *("--clean", "--if-exists", "--single-transaction", "--exit-on-error"),
    *("--no-owner", "--no-privileges"),
)
NO_PROGRAM = (
    "{} is not on the PATH: install PostgreSQL's client programs (apt-get install "
    "postgresql-client), of the server's version or newer. `braid slice -o FILE` writes all "
    "records into a SQLite file without them, but not the status of actions."
)


@dataclass(frozen=True)
class BackedUp:
    """What a backup holds: schema, rows by table, and the size of its file in bytes."""

    file: Path
    schema: str
    rows: Mapping[str, int]
    size: int = 0

    @property
    def records(self) -> int:
        """How many records and steps it has."""
        return self.rows["record"]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "file": str(self.file),
            "schema": self.schema,
            "records": self.records,
            "rows": {name: count for name, count in self.rows.items() if count},
            "size": self.size,
        }


@dataclass(frozen=True)
class Restored:
    """What was put back: schema, rows by table; and where what was there before is now."""

    schema: str
    rows: Mapping[str, int]
    before: Path | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "schema": self.schema,
            "records": self.rows["record"],
            "rows": {name: count for name, count in self.rows.items() if count},
            "before": None if self.before is None else str(self.before),
        }


def back_up(
    url: str, file: Path, *, force: bool = False, progress: Progress = lambda done, total: None
) -> BackedUp:
    """Write all that the store at a URL holds at this moment into a new file, of whatever schema.

    Others may go on writing. The file is there whole or not at all, for its owner alone (or as
    BRAID_SQLITE_MODE says). Raises NotFound when there is no store, InvalidInput when the file is
    there, unless `force` replaces it, or is the store itself; ConfigurationError when a program of
    PostgreSQL is missing; StoreDamaged, and an earlier backup stays, when SQLite finds the copy
    damaged.
    """
    store = store_file(url)
    if store is not None and store.exists() and file.exists() and file.samefile(store):
        raise InvalidInput(f"{file} is the store itself; give the backup another name.")
    with made_whole(file, force=force) as new, _looked(engine_at(url, create=False)) as connection:
        done = _described(connection, file, schema.NO_STORE)
        if connection.dialect.name == "postgresql":
            # The counts are of this transaction, and so is the dump.
            snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            _dump(connection.engine.url, new, f"--snapshot={snapshot}")
        else:
            with driver(connection) as raw:
                copied(raw, new, progress)
            if wrong := damage_of(new):
                raise StoreDamaged(
                    f"The store is damaged, and no backup was made of it. SQLite reports: "
                    f"{wrong[0]}. {PUT_BACK}."
                )
        return replace(done, size=new.stat().st_size)


def restore(
    url: str, file: Path, *, force: bool = False, progress: Progress = lambda done, total: None
) -> Restored:
    """Put a backup in the place of the store at a URL, and look at what is there then.

    What was there is kept: a SQLite file beside the new one as ``FILE.before``, a dump of a
    PostgreSQL database beside the backup. Raises Conflict, unless `force` is given, when another
    program has the store open, or it holds more than the backup; BadFile for a file that is no
    whole backup of a store of this kind, SchemaMismatch for one of a newer Braid. Nothing is
    changed then.
    """
    kind = _kind(file)
    store = store_file(url)
    if (read_url(url).get_backend_name() == "postgresql") != (kind == DUMP):
        raise BadFile(
            f"{file} is a backup of a {'PostgreSQL' if kind == DUMP else 'SQLite'} store, and the "
            "store is of the other kind. `braid merge` brings a SQLite file into any store."
        )
    if kind == DUMP:
        return _restore_dump(url, file, force=force)
    if store is None:
        raise ConfigurationError("Name the store to restore by its path, or as sqlite:///FILE.")
    return _restore_file(url, store, file, force=force, progress=progress)


def _kind(file: Path) -> bytes:
    with file.open("rb") as opened:
        head = opened.read(len(SQLITE))
    for kind in (SQLITE, DUMP):
        if head.startswith(kind):
            return kind
    raise BadFile(f"{file} is no backup: neither a SQLite file nor a dump of PostgreSQL.")


@contextmanager
def _looked(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that sees one state of a database throughout; no schema is asked for."""
    try:
        with Session(engine).read() as connection:
            yield connection
    finally:
        engine.dispose()


def _described(connection: sa.Connection, file: Path, otherwise: str) -> BackedUp:
    version = schema.current_version(connection)
    rows = row_counts(connection)
    if version is None or rows is None:
        raise NotFound(otherwise)
    return BackedUp(file, version, rows)


# SQLite


def _restore_file(
    url: str, store: Path, file: Path, *, force: bool, progress: Progress
) -> Restored:
    if store.exists() and file.samefile(store):
        raise InvalidInput(f"{file} is the store itself; name a backup of it.")
    with unfinished_in(store) as new:
        try:
            with _looked(_read_only(file)) as connection:
                backup = _described(connection, file, f"{file} holds no store.")
                schema.require_not_newer(connection, backup.schema)
                with driver(connection) as raw:
                    copied(raw, new, progress)
        except DiskFull:
            raise
        except StoreUnavailable:  # which would say it of the store
            raise BadFile(f"{file} cannot be read, or is damaged; it was not put back.") from None
        if wrong := damage_of(new):
            raise BadFile(f"{file} is damaged and was not put back. SQLite reports: {wrong[0]}.")
        if not force:
            _require_no_more(url, store, backup)
        _as_before(new, store)
        sync(new)
        before = _exchange(new, store, force=force)
    sync(store.absolute().parent)
    with _looked(engine_at(url, create=False)) as connection:
        found = _described(connection, store, f"{store} is not there any more.")
    # A server may have begun to record into it, and released actions are removed by themselves.
    kept = {name: count for name, count in backup.rows.items() if name != "action"}
    if any(found.rows.get(name, 0) < count for name, count in kept.items()):
        raise StoreUnavailable(f"{store} holds less than {file} now; look who else writes to it.")
    return Restored(found.schema, found.rows, before)


def _read_only(file: Path) -> sa.Engine:
    """An engine that leaves a SQLite file as it is, with nothing beside it; but where a log is
    there, which belongs to it, as any other."""
    if any(Path(f"{file}{ending}").exists() for ending in BESIDE):
        return engine_at(f"sqlite:///{file.absolute()}", create=False)
    how = {"uri": "true", "immutable": "1"}
    uri = sa.URL.create("sqlite", database=file.absolute().as_uri(), query=how)
    return make_engine(uri, cache_mb=PAGE_CACHE_MB.get(), busy_ms=BUSY_TIMEOUT_MS.get())


def _require_no_more(url: str, store: Path, backup: BackedUp) -> None:
    """Raise Conflict when something would be lost that only the store has, as far as is known."""
    kept = f"With --force it is replaced, and kept as {_free(store).name}."
    if not store.exists() or not store.stat().st_size:
        return
    try:
        with _looked(engine_at(url, create=False)) as connection:
            found = row_counts(connection)
    except (StoreUnavailable, NotFound) as error:
        raise Conflict(f"{store} cannot be read as a store: {error.message} {kept}") from None
    for name, count in sorted((found or {}).items(), key=lambda one: one[0] != "record"):
        if count > backup.rows.get(name, 0):
            raise Conflict(
                f"{store} holds more than the backup: {counted(count, 'row')} of {name}, "
                f"the backup {backup.rows.get(name, 0)}. {kept}"
            )


def _as_before(new: Path, store: Path) -> None:
    """Let the same people open the new file as the old one: who restores may be root."""
    exists = store.exists()
    model = store.stat() if exists else store.absolute().parent.stat()
    with suppress(PermissionError):
        os.chown(new, model.st_uid, model.st_gid)
    if exists:
        new.chmod(stat.S_IMODE(model.st_mode))


def _exchange(new: Path, store: Path, *, force: bool) -> Path | None:
    """Give the new file the store's name; where what was there is now."""
    if not store.exists():
        for ending in BESIDE:  # of a store that was removed: SQLite would take them for the new's
            Path(f"{store}{ending}").unlink(missing_ok=True)
        _name(new, store)
        return None
    before = _free(store)
    try:
        with held_alone(store) as alone:
            if alone:  # its log is in it now, and nobody can open either
                try:
                    os.link(store, before)  # so that there is a store at every moment
                except OSError:  # file systems without hard links
                    store.rename(before)
                new.replace(store)
                return before
    except BadFile:
        alone = None
    if alone is False and not force:
        raise Conflict(
            f"Another program has {store} open: stop the server first (what it records meanwhile "
            "would be lost), or give --force."
        )
    # The file first: whoever opens the store from now on finds none, and not one without its log.
    store.rename(before)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{store}{ending}").rename(f"{before}{ending}")
    _name(new, store)
    return before


def _name(new: Path, store: Path) -> None:
    try:
        os.link(new, store)
    except FileExistsError:
        raise Conflict(f"Another program made a store at {store} meanwhile; stop it.") from None
    except OSError:  # file systems without hard links
        new.rename(store)


def _free(store: Path) -> Path:
    """A name beside the store that no file has."""
    number = 1
    while True:
        name = store.with_name(f"{store.name}.before" + (f".{number}" if number > 1 else ""))
        if not any(Path(f"{name}{ending}").exists() for ending in ("", *BESIDE)):
            return name
        number += 1


# PostgreSQL


def _restore_dump(url: str, file: Path, *, force: bool) -> Restored:
    tables = _in_dump(file)
    engine = engine_at(url, create=False)
    before = None
    with _looked(engine) as connection:
        rows, others = row_counts(connection), others_connected(connection)
        if rows is not None and (found := schema.current_version(connection)) is not None:
            # Tables that this Braid does not know would stay, and stop the next upgrade.
            schema.require_known(found)
    if rows is not None:
        before = _free(file)
        if others and not force:
            raise Conflict(
                f"Other programs are connected to the database ({others}): stop the server first "
                "(what it records meanwhile would be lost), or give --force."
            )
        if rows["record"] and not force:
            raise Conflict(
                f"The database holds a store with {rows['record']} records and steps. With --force "
                f"it is replaced, and a dump of it kept as {before}."
            )
        with made_whole(before, force=False) as dump:
            _dump(engine.url, dump)
    _run("pg_restore", *RESTORE_OPTIONS, str(file), database=engine.url)
    with Session(engine).change() as changing:
        drop_tables(changing, keeping=tables)
    with _looked(engine) as connection:
        restored = _described(connection, file, f"{file} holds no store.")
    return Restored(restored.schema, restored.rows, before)


def _in_dump(file: Path) -> frozenset[str]:
    """The names of the tables in a dump. Raises BadFile when it is damaged or none of a store,
    SchemaMismatch for one that is too new."""
    only = ("--data-only", "--table=alembic_version", "--file=-")
    try:
        listed = _run("pg_restore", "--list", str(file))
        version = _run("pg_restore", *only, str(file))
        _run("pg_restore", f"--file={os.devnull}", str(file))  # all of it is read
    except StoreUnavailable as error:  # of the file, for no database is named
        raise BadFile(
            f"{file} cannot be read, or is damaged; it was not put back. {error.message}."
        ) from None
    tables = frozenset(re.findall(r"^\d+; \d+ \d+ TABLE \S+ (\S+)", listed, re.MULTILINE))
    found = re.search(r"^COPY .*\n(\w+)\n", version, re.MULTILINE)
    if not {"record", "origin"} <= tables or found is None:
        raise BadFile(f"{file} holds no store.")
    schema.require_known(found[1])
    return tables


def _dump(url: sa.URL, file: Path, *options: str) -> None:
    _run("pg_dump", *DUMP_OPTIONS, *options, f"--file={file}", database=url)


def _run(program: str, *arguments: str, database: sa.URL | None = None) -> str:
    """What a program of PostgreSQL writes on standard output. A password goes to it in its
    environment: `ps` shows arguments."""
    if (path := shutil.which(program)) is None:
        raise ConfigurationError(NO_PROGRAM.format(program))
    environ = inherited()
    if database is not None:
        from psycopg.conninfo import make_conninfo

        _, parts = database.get_dialect()().create_connect_args(database)
        if (password := parts.pop("password", None)) is not None:
            environ["PGPASSWORD"] = password
        arguments = (f"--dbname={make_conninfo('', **parts)}", *arguments)
    done = subprocess.run(
        [path, *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error:" in line] or [_end_of(done)]
        raise StoreUnavailable(f"{program}: {shown(lines[0].partition('error: ')[2] or lines[0])}")
    return done.stdout


def _end_of(done: subprocess.CompletedProcess[str]) -> str:
    """Of a program that said nothing."""
    if done.returncode > 0:
        return f"it failed with exit code {done.returncode}"
    return f"it was ended: {signal.strsignal(-done.returncode)}"
