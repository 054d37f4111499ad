"""What an error of a database means: try again, a value it cannot hold, a store that is away."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError

from provenance_store.errors import DiskFull, StoreDamaged, StoreUnavailable
from provenance_store.sql.waits import WaitedInVain

__all__ = [
    "INCOMPLETE",
    "PUT_BACK",
    "SILENT",
    "TOO_LONG",
    "cannot_hold",
    "should_retry",
    "unavailable",
]

PUT_BACK = "`braid store restore BACKUP` puts a backup back"
"""What each message about a store that is lost or damaged says last."""
_SERIALIZATION = {"40001", "40P01"}
_LOCK_NOT_AVAILABLE = "55P03"
_CANCELED = "57014"
TOO_LONG = "This takes too long to find out; ask for less."
BUSY = "The store is busy; try again."
LOCKED = "The store is locked by another program; try again."
SILENT = "The database server does not answer; try again."
SLOW = "The database took too long to answer; try again."
FULL = "The disk that holds the store is full; nothing of this was written."
DAMAGED = f"The store's file is damaged: `braid store check` says where, {PUT_BACK}."
NOT_SQLITE = f"The store's file is not a SQLite database; if it was a store, {PUT_BACK}."
_KINDS: dict[str, type[StoreUnavailable]] = {
    **dict.fromkeys((BUSY, LOCKED, SILENT, SLOW), WaitedInVain),
    **dict.fromkeys((DAMAGED, NOT_SQLITE), StoreDamaged),
    FULL: DiskFull,
}
_CANNOT_WRITE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_TRUNCATE,
}
"""What SQLite says where no room is left, a quota or a limit of file size included."""


def should_retry(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed when tried again at once.

    Serialization failures, deadlocks and connections that were lost; a write may have been
    committed before its connection broke, which is harmless: writing again changes nothing.
    """
    code = getattr(error.orig, "sqlstate", None)
    return code in _SERIALIZATION or error.connection_invalidated


def cannot_hold(error: Exception) -> bool:
    """Whether the database refused a value for what it is: a number of more than 64 bits, a text
    that is no Unicode, one that is too long for PostgreSQL to index, or no value at all."""
    too_long_to_index = "54000"
    origin = getattr(error, "orig", None)
    return (
        isinstance(error, DataError | OverflowError | UnicodeError)
        or getattr(origin, "sqlstate", None) == too_long_to_index
        or "binding parameter" in str(origin)  # SQLite's driver
        or "cannot adapt type" in str(origin)  # psycopg
    )


def unavailable(error: DBAPIError) -> StoreUnavailable | None:
    """The error to raise when the store is locked, full, read-only or away; None if it is not."""
    if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
        return WaitedInVain(LOCKED)
    if getattr(error.orig, "sqlstate", None) == _CANCELED:
        return StoreUnavailable(TOO_LONG)
    if (missing := _MISSING.get(getattr(error.orig, "sqlstate", None) or "")) is not None:
        return StoreUnavailable(missing)
    if getattr(error.orig, "sqlite_errorcode", None) in _CANNOT_WRITE:
        return DiskFull(FULL)
    text = str(error.orig).lower()
    for sign, message in _SIGNS:
        if sign in text:
            return _KINDS.get(message, StoreUnavailable)(message)
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        if getattr(error.orig, "sqlstate", None) in ("28P01", "28000"):
            return StoreUnavailable("The database server refused the login; check the store's URL.")
        return StoreUnavailable("The store cannot be reached; check its URL and the server.")
    return None


INCOMPLETE = f"The database holds no Braid store any more, or not all of one; {PUT_BACK}."
_MISSING = {
    "42P01": INCOMPLETE,
    "42703": INCOMPLETE,
    "3F000": INCOMPLETE,
    "3D000": f"The database of the store's URL does not exist; once it is created, {PUT_BACK}.",
    "42501": "The database does not let the user of the store's URL do this; give it the rights.",
}
"""Of PostgreSQL: no such table, column or schema, and no right."""
_SIGNS = (
    ("no such table", INCOMPLETE),
    ("no such column", INCOMPLETE),
    ("locked", LOCKED),
    ("does not answer", SILENT),
    ("timeout expired", SILENT),
    ("too long to answer", SLOW),
    ("interrupted", TOO_LONG),
    ("busy", BUSY),
    ("disk is full", FULL),
    ("no space left", FULL),
    ("disk i/o", "The disk that holds the store reports an error; nothing of this was written."),
    ("readonly", "The store is read-only; give write permission to its file and folder."),
    ("read-only", "The store is read-only; give write permission to its file and folder."),
    ("unable to open", "The store's file cannot be opened; its folder must exist and be writable."),
    ("not a database", NOT_SQLITE),
    ("malformed", DAMAGED),
)
