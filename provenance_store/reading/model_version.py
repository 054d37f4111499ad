"""One model version: what made it, how well it does, what it was made from and what it made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from provenance_store import documents
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.kinds import Kind, Role, not_a_model
from provenance_store.reading.validity import validity_of
from provenance_store.reading.view import MENTIONED, Row, View
from provenance_store.sql import models, read

__all__ = ["show_version"]

USES = (Role.USED, Role.DEPLOYED)


def show_version(view: View, record_id: int, reference: str) -> dict[str, Any]:
    """The record of a model version, its curve included, with lists of what has to do with it.

    ``trained_on`` is what it was exposed to, ``facts`` the code, configuration and other facts that
    it or the steps that made it depend on, ``inputs`` what else those steps used; ``produced`` is
    what steps made that used or deployed it, and what derives from it. Each list has 1000 at most;
    ``truncated`` says whether any is cut.
    """
    row = view.first(read.records_by_id([record_id], view.viewer))
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
