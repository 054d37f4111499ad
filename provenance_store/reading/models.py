"""Models: lines of versions, and where their branches end."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from provenance_store import documents
from provenance_store.errors import Ambiguous, InvalidInput, NotFound
from provenance_store.filters import ModelSearch
from provenance_store.ids import short_id
from provenance_store.kinds import Kind
from provenance_store.reading.view import Row, View, grouped, page
from provenance_store.sql import aliases, later, pages, read
from provenance_store.sql import models as search
from provenance_store.times import format_time

__all__ = ["aliases_of", "find_models", "line_named", "line_of", "list_models", "show_line"]

CHOICES = 50
MEASURED, LISTED = 1000, 30
"""Of so many of the newest versions the names of scores and metrics are looked for; so many are
listed."""


def list_models(
    view: View, name: str | None, after: tuple[int, int] | None, limit: int
) -> dict[str, Any]:
    """A page of lines, newest first, each with its latest version in outline."""
    rows = view.all(read.lines(view.viewer, name, after, limit + 1))
    items = _lines(view, rows[:limit]) if rows else []
    return page("models", items, rows, limit, lambda row: (row.created_at, row.id))


def find_models(
    view: View, wanted: ModelSearch, after: tuple[int, float] | None, limit: int
) -> dict[str, Any]:
    """A page of lines that have versions as wanted, each with the best (or newest) of these."""
    by_data = bool(wanted.trained_on or wanted.tags)
    same = by_data and view.first(later.any_same()) is not None
    rows = view.all(search.best_of_lines(wanted, view.viewer, after, limit + 1, same=same))
    if not rows and wanted.best and after is None:
        _check_measure(view, wanted.best)
    about = view.outlines([row.id for row in rows[:limit]])
    items = []
    for row, line in zip(rows, _standing(view, rows[:limit]), strict=False):
        value = float(row.rank_value) if wanted.best else None
        diverged = value is not None and abs(value) == search.WORST
        match = documents.record_outline(row, about, view.urn) | {
            "value": None if diverged else value,
            "diverged": diverged,
        }
        items.append(
            _named(view, row.line_id, row.line_id not in about.unseen)
            | {
                "kind": Kind.MODEL.label,
                "name": row.name,
                "version": 0,
            }
            | line
            | {"matches": row.matches, "match": match}
        )
    return page("models", items, rows, limit, lambda row: (row.id, row.rank_value))


def _check_measure(view: View, name: str) -> None:
    """Raise InvalidInput for a score or metric that no version has, as far as was looked."""
    names = [row.name for row in view.all(search.measures(view.viewer, MEASURED))]
    if name in names or not names:
        return
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    raise InvalidInput(
        f"No model has a score or metric {name[:80]!r}. There are: {listed}{hint}", path="best"
    )


def _named(view: View, line_id: int, seen: bool) -> dict[str, Any]:
    if not seen:
        return {"id": documents.RESTRICTED}
    return {"id": view.urn(line_id), "short_id": short_id(line_id)}


def _lines(view: View, rows: Sequence[Row]) -> list[dict[str, Any]]:
    lines = zip(rows, _standing(view, rows), strict=True)
    return [documents.brief(row, view.urn) | line for row, line in lines]


def _standing(view: View, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of the line of each of these: how many versions and branches, and its latest version."""
    ids = [row.line_id for row in rows]
    if not ids:
        return []
    sizes = {row.line_id: row.versions for row in view.all(read.line_sizes(ids, view.viewer))}
    ends = view.all(read.heads(view.viewer, ids))
    about = view.outlines([head.id for head in ends])
    of_line = grouped(ends, lambda head: head.line_id)
    items = []
    for row in rows:
        heads = of_line[row.line_id]
        latest = max(heads, key=lambda v: (v.depth, v.created_at, v.id), default=row)
        items.append(
            {
                "versions": sizes.get(row.line_id, 0),
                "branches": len(heads),
                "latest": documents.record_outline(latest, about, view.urn),
            }
        )
    return items


def show_line(
    view: View, line_id: int, after: tuple[int, int] | None, limit: int
) -> dict[str, Any]:
    """One line with a page of its versions by number, branches of one number by age."""
    rows = view.all(pages.versions(line_id, view.viewer, after, limit + 1))
    ids = [row.id for row in rows[:limit]]
    about = view.outlines(ids)
    documented = view.chunked(lambda chunk: pages.payloads(chunk, ["hyperparameters"]), ids)
    about.payload = grouped(documented, lambda row: row.record_id)
    revised = {row.parent_id for row in view.all(pages.revised(ids, view.viewer))}
    items = [
        documents.version_document(row, about, view.urn, head=row.id not in revised)
        for row in rows[:limit]
    ]
    named = rows[0] if rows else view.first(pages.versions(line_id, view.viewer, None, 1))
    line = documents.RESTRICTED if line_id in view.hidden([line_id]) else view.urn(line_id)
    return (
        {"id": line, "name": named.name if named else None}
        | page("versions", items, rows, limit, lambda row: (row.depth, row.id))
        | {"aliases": aliases_of(view, line_id)}
    )


def aliases_of(view: View, line_id: int) -> list[dict[str, Any]]:
    """Which version of a line had which alias, by alias, oldest first; as far as it is seen."""
    said = view.all(aliases.history(line_id))
    known = view.by_id({row.version_id for row in said if row.version_id is not None})
    items = []
    for row, following in zip_longest(said, said[1:]):
        ended = following is not None and following.name == row.name
        if row.version_id in known:
            items.append(
                {
                    "alias": row.name,
                    "version": documents.brief(known[row.version_id], view.urn),
                    "since": format_time(row.at),
                    "until": format_time(following.at) if ended else None,
                }
            )
    return items


def line_of(view: View, record_id: int, reference: str) -> int:
    """The line of a version; raises InvalidInput when the record is no model."""
    row = view.first(read.records_by_id([record_id], view.viewer))
    if row is None or row.line_id is None:
        kind = "unknown" if row is None else Kind(row.kind).label
        raise InvalidInput(f"{reference} is not a model but a {kind}.")
    return int(row.line_id)


def line_named(view: View, name: str) -> int:
    """The one line of this name; raises NotFound, or Ambiguous with the choices."""
    query = read.lines(view.viewer, None, None, CHOICES + 1).where(read.named(name))
    rows = view.all(query)
    if not rows:
        raise NotFound(f"There is no model {name[:80]!r}.")
    if len(rows) > 1:
        choices = [view.urn(row.id) for row in rows]
        message = f"{len(rows)} models are called {name[:80]!r}; give the id of one: "
        raise Ambiguous(message + ", ".join(choices[:5]) + ".", choices=choices)
    return int(rows[0].id)
