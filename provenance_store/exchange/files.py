"""Files of others, told apart by what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance_store.errors import InvalidInput
from provenance_store.exchange.bounded import parse_json, read_json
from provenance_store.exchange.crate_reading import OWN_HISTORY, is_metadata, read_crate
from provenance_store.exchange.incoming import Imported
from provenance_store.exchange.names import NAMESPACES
from provenance_store.exchange.prov_import import import_prov
from provenance_store.measuring import not_opened

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["import_file"]

SQLITE = b"SQLite format 3\x00"
ZIP = b"PK\x03\x04"


def import_file(
    store: Store, file: Path, *, dry_run: bool = False, reverse: bool = False
) -> tuple[str, Imported]:
    """Import a file in one transaction; its format, and what came of it.

    A folder or a zip is taken for an RO-Crate, a SQLite file for a database of Braid-DB (`reverse`
    as for `import_braid_db`), JSON for the metadata of a crate or for PROV-JSON. A crate of our
    own comes in by the history in it. Raises InvalidInput when it is none of these.
    """
    if file.is_dir():
        return _crate(store, file, None, dry_run=dry_run)
    if why := not_opened(file.stat()):
        raise InvalidInput(f"this {why.why}, and not a regular file.", path=f"{file}: $")
    with file.open("rb") as opened:
        beginning = opened.read(len(SQLITE))
    if not beginning:
        raise InvalidInput("the file is empty.", path=f"{file}: $")
    if beginning == SQLITE:
        from provenance_store.exchange.braid_db import import_braid_db

        return "Braid-DB", import_braid_db(store, file, dry_run=dry_run, reverse=reverse)
    if beginning.startswith(ZIP):
        return _crate(store, file, None, dry_run=dry_run)
    value = read_json(file)
    if is_metadata(value):
        return _crate(store, file, value, dry_run=dry_run)
    return "PROV-JSON", import_prov(store, file, value=value, dry_run=dry_run)


def _crate(store: Store, source: Path, value: Any, *, dry_run: bool) -> tuple[str, Imported]:
    with read_crate(source, value) as crate:
        if crate.content.size(OWN_HISTORY) is not None and OWN_HISTORY in crate.entities:
            where = source / OWN_HISTORY
            history = parse_json(where, crate.content.read(OWN_HISTORY))
            if isinstance(history, dict) and NAMESPACES["braid"] in _prefixes(history):
                return "RO-Crate", import_prov(store, where, value=history, dry_run=dry_run)
        from provenance_store.exchange.crate_import import import_crate

        return "RO-Crate", import_crate(store, crate, dry_run=dry_run)


def _prefixes(document: dict[str, Any]) -> list[Any]:
    prefixes = document.get("prefix")
    return [*prefixes.values()] if isinstance(prefixes, dict) else []
