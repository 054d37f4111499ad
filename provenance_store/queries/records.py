"""Records: which one a text names, lists, and one with its links."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from provenance_store import redaction
from provenance_store.enums import RUN_STATUSES, Role
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.filters import RecordFilter
from provenance_store.queries import documents
from provenance_store.queries.imported import imports_of
from provenance_store.queries.suggestions import hint
from provenance_store.queries.validity import Invalidation, validity_of
from provenance_store.queries.view import MENTIONED, Row, View, page
from provenance_store.references import Parts, has_scheme, parts_of, spellings_of
from provenance_store.sql import known_later, names, select
from provenance_store.sql import names as sql
from provenance_store.sql.dialects import driver
from provenance_store.sql.select import decisions_about
from provenance_store.sql.step_queries import Prepared
from provenance_store.times import format_time
from provenance_store.validation.uris import normal_uri

__all__ = [
    "candidates",
    "find",
    "late_links",
    "list_records",
    "not_found",
    "one_of",
    "show_record",
    "told_apart",
]

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
    for row in view.chunked(partial(select.details, "uri"), ids):
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
        query = names.named_so(name, parts.alias, view.viewer, CHOICES + 1)
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


HINTS = 10
"""Of other records at the same places at most so many are named."""

MOST_DECISIONS = 10
"""So many decisions about a record are shown with it, the newest."""


def list_records(
    view: View, wanted: RecordFilter, after: tuple[int, int] | None, limit: int
) -> dict[str, Any]:
    """A page of records, newest first, without their curves and documents."""
    rows = view.all(select.records(wanted, view.viewer, after, limit + 1))
    if not rows and after is None and wanted.status is not None:
        _check_status(view, wanted.status)
    about = view.outlines([row.id for row in rows[:limit]])
    items = [documents.record_outline(row, about, view.urn) for row in rows[:limit]]
    found = page("records", items, rows, limit, lambda row: (row.created_at, row.id))
    return found if rows or after else found | hint(view, wanted)


def _check_status(view: View, status: str) -> None:
    """Raise InvalidInput for a status that no step ever has, and none is known to have."""
    if status in RUN_STATUSES or view.first(select.with_status(status, view.viewer)) is not None:
        return
    near = difflib.get_close_matches(status.upper(), RUN_STATUSES, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    message = f"No step has the status {status[:40]!r}. Steps are ACTIVE, SUCCEEDED or FAILED{hint}"
    raise InvalidInput(message, path="status")


def show_record(view: View, record_id: int) -> dict[str, Any]:
    """One record with its links one hop up and down."""
    row = view.first(select.records_by_id([record_id], view.viewer))
    if row is None:
        raise NotFound("There is no such record in this store.")
    up = view.links([record_id], limit=MENTIONED + 1)[record_id]
    down = view.links([record_id], down=True, limit=MENTIONED + 1)[record_id]
    known = view.by_id({link.to_id for link in up} | {link.from_id for link in down})
    invalid = validity_of(view, known)
    about = view.details([record_id])
    return documents.record_document(row, about, view.urn) | {
        "marks": about.marks(record_id),
        "links": _ends(view, [(link.to_id, link.role) for link in up], known, invalid),
        "dependents": _ends(view, [(link.from_id, link.role) for link in down], known, invalid),
        "truncated": max(len(up), len(down)) > MENTIONED,
        **_known_later(view, record_id),
    }


def _known_later(view: View, record_id: int) -> dict[str, Any]:
    """What became known of a record later, where there is any of it.

    `imported`: the import that brought it; `decisions`: those that it was an option of;
    `late_links`: links that were added when it was closed; `same_as`: other records that are one
    thing with it; `same_uri`: others at one of its places, of which nothing tells whether they are.
    """
    rows = view.all(known_later.same_things([record_id]).limit(MENTIONED))
    there = view.all(known_later.at_same_uris(record_id, view.viewer, HINTS))
    one = {row.other_id for row in rows}
    known = view.by_id({*one, *(row.id for row in there)})
    decisions = view.all(decisions_about(record_id, view.viewer, MOST_DECISIONS))
    urn = view.urn(record_id)
    told: dict[str, Any] = {
        "imported": next((about for _, about, _ in imports_of(view, [record_id])), None),
        "decisions": [documents.decision_about(each, urn, view.urn) for each in decisions],
        "late_links": late_links(view, record_id),
        "same_as": [
            documents.noted(known[row.other_id], view.urn) | {"digest": row.digest}
            for row in rows
            if row.other_id in known
        ],
        "same_uri": [
            documents.noted(known[row.id], view.urn) | {"uri": row.uri}
            for row in there
            if row.id in known and row.id not in one
        ],
    }
    return {name: value for name, value in told.items() if value}


def late_links(view: View, record_id: int) -> list[dict[str, Any]]:
    """Which of a record's links were added after it was closed, when, by whom and why; the first
    ones, oldest first."""
    rows = view.all(known_later.late_links([record_id]).limit(MENTIONED))
    hidden = view.hidden(row.to_id for row in rows)
    return [
        {
            "role": Role(row.role).label,
            "to": documents.RESTRICTED if row.to_id in hidden else view.urn(row.to_id),
            "at": format_time(row.at),
            "by": row.by,
            "rule": row.rule,
        }
        for row in rows
    ]


def _ends(
    view: View,
    ends: Sequence[tuple[int, int]],
    known: Mapping[int, Row],
    invalid: Mapping[int, Invalidation],
) -> list[dict[str, Any]]:
    return [
        {"role": Role(role).label} | view.brief(known.get(other), number, invalid)
        for number, (other, role) in enumerate(ends[:MENTIONED], start=1)
    ]
