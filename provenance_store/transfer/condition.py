"""In what condition a store is: its schema, the rights on it, room, its log, damage.

What is wrong is found out before a server or a program stumbles over it; `braid doctor` shows it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from provenance_store.display import size
from provenance_store.errors import (
    BraidError,
    ConfigurationError,
    NotFound,
    SchemaMismatch,
    StoreDamaged,
    StoreUnavailable,
)
from provenance_store.opening import engine_at, open_store, store_file
from provenance_store.sql import schema
from provenance_store.sql.failures import PUT_BACK
from provenance_store.sql.session import Session
from provenance_store.sql.sqlite_copies import damage, damage_of, damage_told, rights_missing
from provenance_store.sql.tables import SCHEMA_VERSION

__all__ = ["Finding", "Status", "examine", "problems"]

Status = Literal["ok", "warn", "fail", "skip"]
"""`warn` works today and will not stay so, or not for all; `fail` does not work; `skip` was not
looked at."""

ROOM_FAIL, ROOM_WARN = 64 << 20, 1 << 30
"""Bytes that are free on the disk of a store, at the least."""
LOG_WARN = 256 << 20
"""Bytes of a SQLite log: it is put into the file after 16 MB, unless somebody reads on and on."""
UNTIL_THEN = "Until then what needs the store fails, and a server answers 503."
LOOK_SECONDS = 10.0
"""How long damage is looked for."""
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "fuse.sshfs", "9p", "ceph"}
)


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, in a sentence, and what to do about it."""

    check: str
    status: Status
    said: str
    todo: str = ""

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"check": self.check, "status": self.status, "said": self.said, "todo": self.todo}


def examine(url: str, shown: str) -> Iterator[Finding]:
    """What can be said of the store at a URL, which messages name as `shown`. Changes nothing."""
    try:
        file = store_file(url)
        if file is not None and not file.absolute().parent.is_dir():
            raise ConfigurationError(f"The folder {file.absolute().parent} does not exist.")
        engine = engine_at(url, create=False)
    except NotFound:
        yield Finding(
            "store",
            "warn",
            f"There is no store at {shown} yet.",
            f"What records first makes one, or `braid serve`; if one was there, {PUT_BACK}.",
        )
        if file is not None:
            yield from _place(file)
        return
    except (ConfigurationError, StoreUnavailable) as error:
        told = f"{shown}: {error.message}"
        yield Finding("store", "fail", told, "Correct BRAID_STORE_URL, or give --store.")
        return
    try:
        yield from _inside(engine, shown)
    except BraidError as error:
        yield Finding("store", "fail", f"{shown}: {error.message}", UNTIL_THEN)
    finally:
        engine.dispose()
    if file is not None:
        yield from _place(file)


def problems(url: str) -> list[str]:
    """Everything that is wrong with the store at a URL, a sentence each: as `Store.check`, and
    also of a store that is too damaged to be opened."""
    try:
        with open_store(url, create=False) as store:
            return store.check()
    except StoreDamaged:
        if (file := store_file(url)) is None:
            raise
        return damage_told(damage_of(file, 10))


def _inside(engine: sa.Engine, shown: str) -> Iterator[Finding]:
    session = Session(engine)
    with session.read() as connection:
        found = schema.current_version(connection)
        if found is None:
            yield Finding(
                "store",
                "warn",
                f"The database {shown} is empty.",
                "`braid store init` makes a store.",
            )
            return
        yield Finding("store", "ok", f"{shown} can be read.")
        yield _schema(connection, found)
        if missing := rights_missing(connection):
            yield Finding(
                "store rights",
                "fail",
                f"The user of the database may not {missing} in the store's tables.",
                "Let the user of BRAID_STORE_URL own the tables, or GRANT it the rights.",
            )
    session.longest = LOOK_SECONDS
    try:
        with session.read() as connection:
            wrong = damage(connection)
    except StoreUnavailable:
        yield Finding(
            "integrity",
            "skip",
            f"The store was not looked through in {LOOK_SECONDS:.0f} seconds.",
            "`braid store check` takes its time.",
        )
        return
    if not wrong:
        yield Finding("integrity", "ok", "No damage was found; `braid store check` looks closer.")
    else:
        yield Finding(
            "integrity",
            "fail",
            f"The database reports damage: {wrong[0]}.",
            f"Stop what has the store open; {PUT_BACK}, `braid store check` says more.",
        )


def _schema(connection: sa.Connection, found: str) -> Finding:
    try:
        schema.require_not_newer(connection, found)
    except SchemaMismatch as error:
        return Finding("schema", "fail", error.message, "Install the Braid that upgraded it.")
    if found < SCHEMA_VERSION:
        return Finding(
            "schema",
            "warn",
            f"The store has schema {found}, this Braid has {SCHEMA_VERSION}.",
            "Make a backup; `braid serve` upgrades it when it starts, or `braid store upgrade`.",
        )
    return Finding("schema", "ok", f"The store has schema {found}; this Braid can write to it.")


def _place(file: Path) -> Iterator[Finding]:
    """Of a SQLite store: its file, folder and disk."""
    folder = file.absolute().parent
    closed = [path for path in (folder, file) if path.exists() and not os.access(path, os.W_OK)]
    if closed:
        yield Finding(
            "store rights",
            "fail",
            f"{closed[0]} cannot be written to by this user ({_user()}).",
            "Give the file and its folder to the user that `braid serve` runs as, and ask as that "
            "user.",
        )
    else:
        yield Finding("store rights", "ok", f"File and folder can be written to by {_user()}.")
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH:
        yield Finding(
            "store privacy",
            "warn",
            f"Every user of this machine can read {file}.",
            f"chmod o= {file}",
        )
    yield _room(file, folder)
    if file.exists():
        yield _log(file)
    if (kind := _file_system(folder)) in NETWORK:
        yield Finding(
            "store disk",
            "fail",
            f"{folder} is on a network file system ({kind}), where SQLite's locks do not hold.",
            "Move the store to a local disk, or use PostgreSQL.",
        )


def _log(file: Path) -> Finding:
    log = Path(f"{file}-wal")
    waiting = _bytes_of(log)
    if waiting <= LOG_WARN:
        return Finding("store log", "ok", f"{size(waiting)} are not in the file yet.")
    return Finding(
        "store log",
        "warn",
        f"{log.name} has {size(waiting)}, which are not in the file yet.",
        "A program that reads for long keeps it from that: `fuser` shows which have it open.",
    )


def _room(file: Path, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    taken = _bytes_of(file)
    said = f"{size(free)} are free beside a store of {size(taken)}."
    if free < ROOM_FAIL:
        return Finding("disk room", "fail", said, "Make room: a full disk stops recording.")
    if free < max(ROOM_WARN, taken // 10):
        return Finding(
            "disk room",
            "warn",
            said,
            "Make room, or drop details of old records: `braid store reduce`.",
        )
    return Finding("disk room", "ok", said)


def _bytes_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _user() -> str:
    """Who asks, as the system names it."""
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):  # a container without this user
        return f"uid {os.geteuid()}"


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on; empty where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    best, kind = "", ""
    place = os.path.realpath(folder)
    for line in mounts.splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # a blank is \\040
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, type_
    return kind
