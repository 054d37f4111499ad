"""Models: lines of versions, and where their branches end."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from provenance_store import documents
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.filters import ModelSearch, TagCondition
from provenance_store.ids import short_id
from provenance_store.kinds import Kind, not_a_model
from provenance_store.reading.named import told_apart
from provenance_store.reading.near import LOOKED_AT, did_you_mean, models_near
from provenance_store.reading.view import Row, View, grouped, page
from provenance_store.sql import aliases, later, pages, read
from provenance_store.sql import models as search
from provenance_store.sql.parameters import HYPERPARAMETERS
from provenance_store.times import format_time

__all__ = ["aliases_of", "find_models", "line_named", "line_of", "list_models", "show_line"]

CHOICES = 50
LISTED = 30
"""So many of the names that there are are listed."""


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
    """A page of lines that have versions as wanted, each with the best (or newest) of these; with
    `versions` a line as often as it has such versions."""
    by_data = bool(wanted.trained_on or wanted.tags)
    same = by_data and view.first(later.any_same()) is not None
    rows = view.all(search.best_of_lines(wanted, view.viewer, after, limit + 1, same=same))
    if not rows and after is None:
        _check_names(view, wanted)
    ids = [row.id for row in rows[:limit]]
    about = view.outlines(ids)
    about.payload = _hyperparameters(view, ids)
    found = _compared(view, wanted.where, ids)
    items = []
    for row, line in zip(rows, _standing(view, rows[:limit]), strict=False):
        value = float(row.rank_value) if wanted.best else None
        diverged = value is not None and abs(value) == search.WORST
        match = documents.record_outline(row, about, view.urn) | {
            "hyperparameters": about.payloads(row.id).get(HYPERPARAMETERS, {}),
            "compared": found.get(row.id, {}),
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


def _hyperparameters(view: View, ids: Sequence[int]) -> dict[int, list[Row]]:
    documented = view.chunked(lambda chunk: pages.payloads(chunk, [HYPERPARAMETERS]), ids)
    return grouped(documented, lambda row: row.record_id)


def _compared(
    view: View, conditions: Sequence[TagCondition], ids: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """The values that conditions on parameters were compared with, by version and name; of several
    of one name that fit, the first."""
    found: dict[int, dict[str, Any]] = {}
    for wanted in conditions:
        for row in view.chunked(partial(search.values_compared, wanted), ids):
            value = row.text if row.number is None else documents.read_document(row.text)
            found.setdefault(row.record_id, {}).setdefault(wanted.name, value)
    return found


def _check_names(view: View, wanted: ModelSearch) -> None:
    """Raise InvalidInput for a name that was asked for and that nothing has which is seen."""
    viewer = view.viewer
    if wanted.best:
        names = _names(view, search.measures(viewer, LOOKED_AT))
        if wanted.best not in names:
            _refuse("No model has a score or metric", wanted.best, names, "best")
    for condition in wanted.where:
        if view.first(search.has_parameter(condition, viewer)) is None:
            names = _names(view, search.parameters(viewer, LOOKED_AT))
            _refuse("No version has a hyperparameter or parameter", condition.name, names, "where")
    for condition in wanted.tags:
        if view.first(search.has_tag(condition, viewer)) is None:
            _refuse("No record has a tag", condition.name, _tag_names(view), "tag")
    if wanted.alias:
        names = _names(view, search.aliases_given(viewer, wanted.as_of))
        if wanted.alias not in names:
            then = "No version has the alias" if wanted.as_of is None else "No version had an alias"
            _refuse(then, wanted.alias, names, "alias")


def _names(view: View, query: Any) -> list[str]:
    return [row.name for row in view.all(query)]


def _tag_names(view: View) -> list[str]:
    return _names(view, search.tag_names(view.viewer, LOOKED_AT))


def _refuse(what: str, name: str, names: Sequence[str], path: str) -> None:
    """Say which names there are, where there are any."""
    if not names:
        return
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    raise InvalidInput(f"{what} {name[:80]!r}. There are: {listed}{hint}", path=path)


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
    about.payload = _hyperparameters(view, ids)
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
        kind = "record of unknown kind" if row is None else Kind(row.kind).label
        raise InvalidInput(not_a_model(reference, kind))
    return int(row.line_id)


def line_named(view: View, name: str) -> int:
    """The one line of this name; raises NotFound, or Ambiguous with the choices."""
    query = read.lines(view.viewer, None, None, CHOICES + 1).where(read.named(name))
    rows = view.all(query)
    if not rows:
        raise NotFound(f"There is no model {name[:80]!r}.{did_you_mean(models_near(view, name))}")
    if len(rows) > 1:
        raise documents.ambiguous(name, told_apart(view, [row.id for row in rows]))
    return int(rows[0].id)
