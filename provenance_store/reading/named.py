"""Which record a text names, among those that a viewer may see."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from provenance_store import documents, redaction
from provenance_store.errors import NotFound
from provenance_store.reading.view import View
from provenance_store.references import Parts, has_scheme, parts_of, spellings_of
from provenance_store.sql import aliases, read
from provenance_store.sql import named as sql
from provenance_store.sql.dialects import driver
from provenance_store.sql.prepared import Prepared
from provenance_store.validation.uris import normal_uri

__all__ = ["candidates", "find", "not_found", "one_of", "told_apart"]

CHOICES = 5
"""So many records of one name are listed."""


def find(view: View, prepared: Prepared, text: str) -> int:
    """The local id of the record that a URI or a name stands for: ids are not looked for.

    Of several at a URI the newest. Raises NotFound, or Ambiguous with the first choices.
    """
    return one_of(view, candidates(view, prepared, text), text)


def candidates(view: View, prepared: Prepared, text: str) -> Sequence[int]:
    """The local ids of what a URI or a name may stand for: one where it is clear."""
    if has_scheme(text) and (found := _at(view, prepared, text)) is not None:
        return [found]
    parts = parts_of(text)
    if parts is not None and (ids := _versions(view, parts)):
        return ids
    if ids := _named(view, prepared, text):
        return ids
    # Other people's paths are not of this machine, and its files are not theirs to ask about.
    for place in dict.fromkeys(spellings_of(text, here=view.viewer.everything)):
        if (found := _at(view, prepared, place)) is not None:
            return [found]
    return []


def one_of(view: View, ids: Sequence[int], text: str) -> int:
    """The one that is meant, see `find`."""
    if not ids:
        raise not_found(text)
    if len(ids) == 1:
        return ids[0]
    raise documents.ambiguous(text, told_apart(view, ids))


def told_apart(view: View, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Some records in their order, each with what it can be told by."""
    rows = view.by_id(ids)
    places: dict[int, str] = {}
    for row in view.chunked(partial(read.details, "uri"), ids):
        places.setdefault(row.record_id, row.uri)
    return [documents.candidate(rows[i], places.get(i), view.urn) for i in ids if i in rows]


def not_found(reference: object, hint: str = "") -> NotFound:
    """The error for a reference that names nothing that may be seen; the hint is a sentence after
    it."""
    return NotFound(f"There is no record {str(reference)[:200]} in this store.{hint}")


def _at(view: View, prepared: Prepared, uri: str) -> int | None:
    with driver(view.connection) as raw:
        return prepared.at_uri(raw, view.viewer, normal_uri(uri), None)


def _versions(view: View, parts: Parts) -> Sequence[int]:
    name = redaction.scrub_text(parts.name)
    if parts.alias is not None:
        query = aliases.named_so(name, parts.alias, view.viewer, CHOICES + 1)
    else:
        query = sql.versions(name, parts.version or 0, view.viewer, CHOICES + 1)
    return [row.id for row in view.all(query)]


def _named(view: View, prepared: Prepared, text: str) -> Sequence[int]:
    """The newest versions of models of this name, and other records that have it."""
    name = redaction.scrub_text(text)
    with driver(view.connection) as raw:
        heads = prepared.nearest_heads(raw, view.viewer, name)
    others = view.all(sql.others(name, view.viewer, CHOICES + 1))
    return [*(row[0] for row in heads), *(row.id for row in others)]
