"""Which records came by an import: nobody here saw them happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provenance_store.ids import SEQUENCE_BITS
from provenance_store.queries.view import View
from provenance_store.sql import imports, surrounding_records
from provenance_store.times import format_time

__all__ = ["imports_of"]


def imports_of(view: View, ids: Sequence[int]) -> list[tuple[int, dict[str, Any], list[int]]]:
    """(time, document, record ids) of the imports that brought some of these records, by their ids.

    A document has ``id``, ``format``, ``at`` and ``by``: the account, for who may see everything.
    Where the records of an import came on to another store, their writing sessions tell of it.
    """
    found: dict[str, tuple[int, dict[str, Any], list[int]]] = {}

    def add(uuid: str, format_: str, at: int, by: str, record_id: int) -> None:
        shown = by or None if view.viewer.everything else None
        about = {"id": uuid, "format": format_, "at": format_time(at), "by": shown}
        found.setdefault(uuid, (at, about, []))[2].append(record_id)

    known = imports.of_records(view.connection, ids)
    for record_id, entry in known.items():
        add(entry.uuid, entry.format, entry.at, entry.by, record_id)
    others = [record_id for record_id in ids if record_id not in known]
    numbers = sorted({record_id >> SEQUENCE_BITS for record_id in others})
    sessions = {
        row.no: (*told, row)
        for row in view.chunked(surrounding_records.origins, numbers)
        if (told := imports.import_in(row.software)) is not None
    }
    for record_id in others:
        if (session := sessions.get(record_id >> SEQUENCE_BITS)) is not None:
            format_, uuid, row = session
            add(uuid or row.uuid, format_, row.started_at, row.who, record_id)
    return [found[uuid] for uuid in sorted(found)]
