"""Files of others, told apart by what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provenance_store.errors import InvalidInput
from provenance_store.exchange.incoming import Imported
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

    A SQLite file is taken for a database of Braid-DB (`reverse` as for `import_braid_db`), anything
    else for PROV-JSON. Raises InvalidInput when it is neither.
    """
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
        raise InvalidInput(
            "the file is a zip; unpack a run crate, and import the provenance.prov.json in it.",
            path=f"{file}: $",
        )
    return "PROV-JSON", import_prov(store, file, dry_run=dry_run)
