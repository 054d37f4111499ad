"""Models: lines of versions, where their branches end, and one version with all that made it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from provenance_store.enums import Kind, Role, not_a_model
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.filters import ModelSearch, TagCondition
from provenance_store.ids import short_id
from provenance_store.queries import documents
from provenance_store.queries.records import told_apart
from provenance_store.queries.suggestions import LOOKED_AT, did_you_mean, models_near
from provenance_store.queries.validity import validity_of
from provenance_store.queries.view import MENTIONED, Row, View, grouped, page
from provenance_store.sql import known_later, models, names, select
from provenance_store.sql import models as search
from provenance_store.sql.models import HYPERPARAMETERS
from provenance_store.times import format_time

__all__ = [
    "aliases_of",
    "find_models",
    "line_named",
    "line_of",
    "list_models",
    "show_line",
    "show_version",
]

USES = (Role.USED, Role.DEPLOYED)


def show_version(view: View, record_id: int, reference: str) -> dict[str, Any]:
    """The record of a model version, its curve included, with lists of what has to do with it.

    ``trained_on`` is what it was exposed to, ``facts`` the code, configuration and other facts that
    it or the steps that made it depend on, ``inputs`` what else those steps used; ``produced`` is
    what steps made that used or deployed it, and what derives from it. Each list has 1000 at most;
    ``truncated`` says whether any is cut.
    """
    row = view.first(select.records_by_id([record_id], view.viewer))
    if row is None:
        raise NotFound(f"There is no record {reference} in this store.")
    if row.depth is None:
        raise InvalidInput(not_a_model(reference, Kind(row.kind).label))
    around = _Around(view, record_id)
    steps = around.known_steps()
    digest = row.environment or next((step.environment for step in steps if step.environment), None)
    return (
        documents.record_document(row, view.details([record_id]), view.urn)
        | {"environment_document": _environment(view, digest)}
        | around.lists()
        | {"truncated": around.truncated}
    )


def _environment(view: View, digest: str | None) -> Any:
    row = None if digest is None else view.first(models.environment([digest]))
    return None if row is None else documents.read_document(row.document)


class _Around:
    """The records within two links of a version, by how they have to do with it."""

    def __init__(self, view: View, record_id: int) -> None:
        self._view = view
        self.truncated = False
        self._up = self._links([record_id])
        self._down = self._links([record_id], down=True)
        makers = self._ends(self._up, Role.GENERATED_BY)
        users = self._ends(self._down, *USES)
        self._used = self._ends(self._links(makers, roles=USES), *USES)
        made = self._links(users, down=True, roles=(Role.GENERATED_BY,))
        self._made = self._ends(made, Role.GENERATED_BY)
        self._known = view.by_id(
            {*(other for _, other in (*self._up, *self._down)), *self._used, *self._made}
        )
        self._invalid = validity_of(view, self._known)

    def known_steps(self) -> list[Row]:
        """The steps that made it, as far as they are seen."""
        makers = self._ends(self._up, Role.GENERATED_BY)
        return [self._known[step] for step in makers if step in self._known]

    def lists(self) -> dict[str, list[dict[str, Any]]]:
        """What stands in the document, list by list."""
        trained_on = self._ends(self._up, Role.TRAINED_ON)
        derived_from = self._ends(self._up, Role.DERIVED_FROM)
        parents = self._ends(self._up, Role.REVISION_OF)
        models = [i for i in (*trained_on, *derived_from) if self._is(i, Kind.MODEL)]
        data = [i for i in trained_on if i not in models]
        beside = [i for i in (*derived_from, *self._used) if i not in (*data, *models, *parents)]
        facts = [i for i in beside if self._is(i, Kind.FACT)]
        return {
            "made_by": self._mentions(self._ends(self._up, Role.GENERATED_BY)),
            "fine_tuned_from": self._mentions([*parents, *models]),
            "trained_on": self._mentions(data),
            "facts": self._mentions(facts),
            "inputs": self._mentions(i for i in beside if i not in facts),
            "revised_by": self._mentions(self._ends(self._down, Role.REVISION_OF)),
            "used_by": self._mentions(self._ends(self._down, *USES)),
            "produced": self._mentions([*self._made, *self._ends(self._down, Role.DERIVED_FROM)]),
        }

    def _links(
        self, ids: Sequence[int], *, down: bool = False, roles: Sequence[Role] = ()
    ) -> list[tuple[int, int]]:
        """(role, the other end) of the links of these, at most 1000 of each."""
        if not ids:
            return []
        found = self._view.links(ids, down=down, roles=roles, limit=MENTIONED + 1)
        for links in found.values():
            self.truncated |= len(links) > MENTIONED
        return [
            (link.role, link.from_id if down else link.to_id)
            for one in ids
            for link in found[one][:MENTIONED]
        ]

    def _ends(self, links: Iterable[tuple[int, int]], *roles: Role) -> list[int]:
        return list(dict.fromkeys(other for role, other in links if role in roles))

    def _is(self, record_id: int, kind: Kind) -> bool:
        row = self._known.get(record_id)
        return row is not None and row.kind == kind

    def _mentions(self, ids: Iterable[int]) -> list[dict[str, Any]]:
        wanted = list(dict.fromkeys(ids))
        self.truncated |= len(wanted) > MENTIONED
        return [
            self._view.brief(self._known.get(record_id), number, self._invalid)
            for number, record_id in enumerate(wanted[:MENTIONED], start=1)
        ]


CHOICES = 50
LISTED = 30
"""So many of the names that there are are listed."""


def list_models(
    view: View, name: str | None, after: tuple[int, int] | None, limit: int
) -> dict[str, Any]:
    """A page of lines, newest first, each with its latest version in outline."""
    rows = view.all(select.lines(view.viewer, name, after, limit + 1))
    items = _lines(view, rows[:limit]) if rows else []
    return page("models", items, rows, limit, lambda row: (row.created_at, row.id))


def find_models(
    view: View, wanted: ModelSearch, after: tuple[int, float] | None, limit: int
) -> dict[str, Any]:
    """A page of lines that have versions as wanted, each with the best (or newest) of these; with
    `versions` a line as often as it has such versions."""
    by_data = bool(wanted.trained_on or wanted.tags)
    same = by_data and view.first(known_later.any_same()) is not None
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
    documented = view.chunked(lambda chunk: select.payloads(chunk, [HYPERPARAMETERS]), ids)
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
    sizes = {row.line_id: row.versions for row in view.all(select.line_sizes(ids, view.viewer))}
    ends = view.all(select.heads(view.viewer, ids))
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
    rows = view.all(select.version_lines(line_id, view.viewer, after, limit + 1))
    ids = [row.id for row in rows[:limit]]
    about = view.outlines(ids)
    about.payload = _hyperparameters(view, ids)
    revised = {row.parent_id for row in view.all(select.revised(ids, view.viewer))}
    items = [
        documents.version_document(row, about, view.urn, head=row.id not in revised)
        for row in rows[:limit]
    ]
    named = rows[0] if rows else view.first(select.version_lines(line_id, view.viewer, None, 1))
    line = documents.RESTRICTED if line_id in view.hidden([line_id]) else view.urn(line_id)
    return (
        {"id": line, "name": named.name if named else None}
        | page("versions", items, rows, limit, lambda row: (row.depth, row.id))
        | {"aliases": aliases_of(view, line_id)}
    )


def aliases_of(view: View, line_id: int) -> list[dict[str, Any]]:
    """Which version of a line had which alias, by alias, oldest first; as far as it is seen."""
    said = view.all(names.history(line_id))
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
    row = view.first(select.records_by_id([record_id], view.viewer))
    if row is None or row.line_id is None:
        kind = "record of unknown kind" if row is None else Kind(row.kind).label
        raise InvalidInput(not_a_model(reference, kind))
    return int(row.line_id)


def line_named(view: View, name: str) -> int:
    """The one line of this name; raises NotFound, or Ambiguous with the choices."""
    query = select.lines(view.viewer, None, None, CHOICES + 1).where(select.named(name))
    rows = view.all(query)
    if not rows:
        raise NotFound(
            f"There is no model {name[:80]} in this store.{did_you_mean(models_near(view, name))}"
        )
    if len(rows) > 1:
        raise documents.ambiguous(name, told_apart(view, [row.id for row in rows]))
    return int(rows[0].id)
