"""Files of others, told apart by what is in them."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provenance_store.digests import not_opened
from provenance_store.errors import InvalidInput
from provenance_store.exchange.crate.reading import OWN_HISTORY, is_metadata, read_crate
from provenance_store.exchange.import_target import Imported
from provenance_store.exchange.parsing import parse_json, read_bounded, read_json
from provenance_store.exchange.prov.importing import import_prov
from provenance_store.exchange.prov.names import NAMESPACES
from provenance_store.exchange.prov.reading import as_prov_json

if TYPE_CHECKING:
    from provenance_store.store import Store

__all__ = ["import_file"]

BEGINNING = 4096
"""So many bytes tell a format: text may begin with blanks and comments."""
SQLITE = b"SQLite format 3\x00"
SHOWN = {"jsonld": "PROV-JSONLD", "provn": "PROV-N", "xml": "PROV-XML"}
ZIP = b"PK\x03\x04"


def import_file(
    store: Store, file: Path, *, dry_run: bool = False, reverse: bool | None = None
) -> tuple[str, Imported]:
    """Import a file in one transaction; its format, and what came of it.

    A folder or a zip is taken for an RO-Crate, a SQLite file for a database of Braid-DB (`reverse`
    as for `import_braid_db`), JSON for the metadata of a crate, PROV-JSON or PROV-JSONLD, other
    text for PROV-XML or PROV-N. A crate of our own comes in by the history in it.
    Raises InvalidInput when it is none of these.
    """
    if file.is_dir():
        return _crate(store, file, None, dry_run=dry_run)
    if why := not_opened(file.stat()):
        raise InvalidInput(f"this {why.why}, and not a regular file.", path=f"{file}: $")
    with file.open("rb") as opened:
        beginning = opened.read(BEGINNING)
    if not beginning:
        raise InvalidInput("the file is empty.", path=f"{file}: $")
    if beginning.startswith(SQLITE):
        from provenance_store.exchange.braid_db import import_braid_db

        return "Braid-DB", import_braid_db(store, file, dry_run=dry_run, reverse=reverse)
    if beginning.startswith(ZIP):
        return _crate(store, file, None, dry_run=dry_run)
    name, value = _read(file, beginning)
    if name == "RO-Crate":
        return _crate(store, file, value, dry_run=dry_run)
    return name, import_prov(store, file, value=value, dry_run=dry_run, format_=name)


def _read(file: Path, beginning: bytes) -> tuple[str, Any]:
    """What format a file of text is in, by how it begins, and its JSON."""
    start = beginning.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith((b"<", b"document", b"//", b"/*")):
        with file.open("rb") as opened:
            data = read_bounded(file, opened)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidInput("the file is not text in UTF-8.", path=f"{file}: $") from None
        format_ = "xml" if start.startswith(b"<") else "provn"
        return SHOWN[format_], as_prov_json(file, text, format_)
    value = read_json(file)
    if is_metadata(value):
        return "RO-Crate", value
    if isinstance(value, dict) and "@graph" in value:
        return SHOWN["jsonld"], as_prov_json(file, json.dumps(value), "jsonld")
    return "PROV-JSON", value


def _crate(store: Store, source: Path, value: Any, *, dry_run: bool) -> tuple[str, Imported]:
    with read_crate(source, value) as crate:
        if crate.content.size(OWN_HISTORY) is not None and OWN_HISTORY in crate.entities:
            where = source / OWN_HISTORY
            history = parse_json(where, crate.content.read(OWN_HISTORY))
            if isinstance(history, dict) and NAMESPACES["braid"] in _prefixes(history):
                found = import_prov(
                    store, where, value=history, dry_run=dry_run, format_="RO-Crate", of=source
                )
                return "RO-Crate", found
        from provenance_store.exchange.crate.importing import import_crate

        return "RO-Crate", import_crate(store, crate, dry_run=dry_run)


def _prefixes(document: dict[str, Any]) -> list[Any]:
    prefixes = document.get("prefix")
    return [*prefixes.values()] if isinstance(prefixes, dict) else []
