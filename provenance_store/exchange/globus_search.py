"""Globus Search: an entry for a record or a run, ready for `SearchClient.ingest`.

The document is a GIngest with one GMetaEntry, or a GMetaList of several.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.exchange.catalog import lineage_summary
from provenance_store.exchange.extract import Extract
from provenance_store.exchange.prov.names import NAMESPACES, encoded

__all__ = ["MAX_BYTES", "ingest_document", "to_gmeta"]

VERSION: Final = "2016-11-09"
PRINCIPALS: Final = (
    NAMESPACES["identity"],
    NAMESPACES["group"],
    "public",
    "all_authenticated_users",
)
"""How what Globus Search shows entries to begins."""
MAX_BYTES: Final = 10_000_000
"""What Globus Search takes in one request, in bytes of JSON."""


def to_gmeta(
    extract: Extract, *, run_id: str | None = None, visible_to: Sequence[str] = ()
) -> dict[str, Any]:
    """The GMetaEntry of the one root of an extract, or of a run.

    It is visible to those that may see the root, or to `visible_to` instead. Tags are a list of
    names and values, for Globus Search holds every field to one type. Raises InvalidInput when
    nobody is named.
    """
    readers = list(visible_to) or [who for who in extract.readers if who.startswith(PRINCIPALS)]
    if not readers:
        raise InvalidInput(
            "Nobody is known who may see this, so nobody could find it: name principals with "
            "--visible-to, such as all_authenticated_users or public."
        )
    if run_id is not None:
        subject = f"{NAMESPACES['run']}{encoded(run_id)}"
        content: dict[str, Any] = {"kind": "run", **extract.runs[run_id]}
    else:
        (subject,) = extract.roots
        content = _content(extract.records[subject])
    return {
        "@datatype": "GMetaEntry",
        "@version": VERSION,
        "subject": subject,
        "visible_to": readers,
        "content": content | {"lineage": lineage_summary(extract)},
    }


def ingest_document(entries: Sequence[dict[str, Any]]) -> str:
    """The GIngest of some entries as JSON text; raises TooLarge over ten million bytes."""
    data: dict[str, Any] = {"@datatype": "GMetaList", "@version": VERSION, "gmeta": list(entries)}
    if len(entries) == 1:
        data = entries[0]
    document: dict[str, Any] = {"@datatype": "GIngest", "@version": VERSION}
    document |= {"ingest_type": data["@datatype"], "ingest_data": data}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if (size := len(text.encode())) > MAX_BYTES:
        raise TooLarge(
            f"The entries come to {size} bytes, and Globus Search takes {MAX_BYTES} at once: "
            "export fewer records into one file."
        )
    return text


def _content(record: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "kind", "name", "version", "created_at", "owner", "run_id", "invalidated")
    content = {name: record[name] for name in names if record.get(name) is not None}
    content["uris"] = [{k: v for k, v in u.items() if v is not None} for u in record["uris"][:100]]
    content["tags"] = [_tag(name, value) for name, value in sorted(record["tags"].items())]
    for name in ("hyperparameters", "scores"):
        if record.get(name):
            values = sorted(record[name].items())
            content[name] = [_tag(key, value) for key, value in values if value is not None]
    return content


def _tag(name: str, value: Any) -> dict[str, Any]:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    found: dict[str, Any] = {"name": name, "value": shown}
    if isinstance(value, int | float) and not isinstance(value, bool):
        found["number"] = float(value)
    return found
