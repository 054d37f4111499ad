"""What a reference named at a time that is past: aliases, and which version is the newest, move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provenance_store import redaction
from provenance_store.queries.records import CHOICES
from provenance_store.queries.view import View
from provenance_store.references import has_scheme, parts_of, spellings_of
from provenance_store.sql import harvest, names
from provenance_store.sql.dialects import driver
from provenance_store.sql.step_queries import Prepared

__all__ = ["named_then"]

FAR = 10_000
"""So many revisions are followed back to the version that was the newest then."""


def named_then(view: View, prepared: Prepared, text: str, at: int) -> list[int]:
    """The ids of what a name or a URI stood for at a time, in microseconds UTC: one where it was
    clear, else the newest first.

    As `records.candidates`, among what had been recorded by then. Paths are of other machines, so
    no file of this one is looked at.
    """
    if has_scheme(text) and (found := _at(view, text, at)):
        return found
    parts = parts_of(text)
    if parts is not None:
        name = redaction.scrub_text(parts.name)
        if parts.alias is not None:
            query = names.named_so(name, parts.alias, view.viewer, CHOICES + 1, as_of=at)
        else:
            query = names.versions(name, parts.version or 0, view.viewer, CHOICES + 1)
        if found := _by_then(view, [row.id for row in view.all(query)], at):
            return found
    if found := _named(view, prepared, redaction.scrub_text(text), at):
        return found
    for place in dict.fromkeys(spellings_of(text, here=False)):
        if found := _at(view, place, at):
            return found
    return []


def _named(view: View, prepared: Prepared, name: str, at: int) -> list[int]:
    with driver(view.connection) as raw:
        heads = [row[0] for row in prepared.nearest_heads(raw, view.viewer, name)]
    others = view.all(names.others(name, view.viewer, CHOICES + 1, until=at))
    newest = list(dict.fromkeys(_newest_then(view, heads, at)))
    known = _ancestors(view, newest)
    return [*(i for i in newest if i not in known), *(row.id for row in others)]


def _newest_then(view: View, heads: Sequence[int], at: int) -> list[int]:
    """The versions that these were revised from, as far as they are from after that time."""
    found: list[int] = []
    waiting = dict.fromkeys(heads)
    for _ in range(FAR):
        if not waiting:
            break
        rows = view.by_id(waiting)
        waiting = {}
        for row in rows.values():
            if row.created_at <= at:
                found.append(row.id)
            elif row.parent_id is not None:
                waiting[row.parent_id] = None
    return found


def _ancestors(view: View, ids: Sequence[int]) -> set[int]:
    """Those of some versions that others of them were revised from: two branches of today may
    have grown from what was one line then."""
    if len(ids) < 2:
        return set()
    some, found = set(ids), set[int]()
    for start in ids:
        here: Any = start
        for _ in range(FAR):
            row = view.by_id([here]).get(here)
            if row is None or row.parent_id is None:
                break
            here = row.parent_id
            if here in some:
                found.add(here)
                break
    return found


def _by_then(view: View, ids: Sequence[int], at: int) -> list[int]:
    rows = view.by_id(ids)
    return [i for i in ids if i in rows and rows[i].created_at <= at]


def _at(view: View, uri: str, at: int) -> list[int]:
    row = view.first(harvest.at_uri(uri, view.viewer, at, None))
    return [] if row is None else _by_then(view, [row.id], at)
