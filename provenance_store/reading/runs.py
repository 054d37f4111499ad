"""Runs, and the steps of one run with what they used and made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from provenance_store import documents
from provenance_store.documents import Details
from provenance_store.errors import NotFound
from provenance_store.filters import RunFilter
from provenance_store.kinds import Kind, Role
from provenance_store.reading.view import MENTIONED, Row, View, page
from provenance_store.sql import read

__all__ = ["list_runs", "show_run"]


def list_runs(
    view: View, wanted: RunFilter, after: tuple[int, str] | None, limit: int
) -> dict[str, Any]:
    """A page of runs, latest start first."""
    rows = view.all(read.runs(wanted, view.viewer, after, limit + 1))
    tags = _tags(view, [row.run_id for row in rows[:limit]])
    items = [documents.run_document(row, tags[row.run_id]) for row in rows[:limit]]
    return page("runs", items, rows, limit, lambda row: (row.start_time, row.run_id))


def show_run(view: View, run_id: str) -> dict[str, Any]:
    """One run with its steps in the order in which they began."""
    row = view.first(read.run_by_id(run_id, view.viewer))
    if row is None:
        raise NotFound(f"There is no run {run_id[:80]}.")
    steps = view.all(read.run_steps(run_id, view.viewer))
    document = documents.run_document(row, _tags(view, [run_id])[run_id])
    return document | {"steps": _steps(view, steps)}


def _tags(view: View, run_ids: Sequence[str]) -> Mapping[str, list[str]]:
    tags: dict[str, list[str]] = defaultdict(list)
    for row in view.all(read.run_tags(run_ids)) if run_ids else ():
        tags[row.run_id].append(row.tag)
    return tags


def _steps(view: View, steps: Sequence[Row]) -> list[dict[str, Any]]:
    ids = [step.id for step in steps]
    used = view.links(ids, roles=(Role.USED, Role.DEPLOYED))
    made = view.links(ids, down=True, roles=(Role.GENERATED_BY,))
    others = {link.to_id for links in used.values() for link in links[:MENTIONED]}
    others |= {link.from_id for links in made.values() for link in links[:MENTIONED]}
    known = view.by_id(others)
    about = view.details([*ids, *known])
    return [_step(view, step, used[step.id], made[step.id], known, about) for step in steps]


def _step(
    view: View,
    step: Row,
    used: Sequence[Row],
    made: Sequence[Row],
    known: Mapping[int, Row],
    about: Details,
) -> dict[str, Any]:
    parts: dict[str, list[dict[str, Any]]] = {"inputs": [], "outputs": [], "models": []}
    ends = [(known.get(x.to_id), "inputs", Role(x.role).label) for x in used[:MENTIONED]]
    for link in made[:MENTIONED]:
        record = known.get(link.from_id)
        ends.append((record, "outputs", _made_how(record)))
    for number, (record, place, how) in enumerate(ends, start=1):
        is_model = record is not None and record.kind == Kind.MODEL
        parts["models" if is_model else place].append(_mention(view, record, about, how, number))
    counts = {name: len(items) for name, items in parts.items()}
    if max(len(used), len(made)) > MENTIONED:
        counts |= {"links_used": len(used), "links_made": len(made)}
    return documents.step_document(step, about, view.urn, **parts, counts=counts)


def _made_how(record: Row | None) -> str:
    if record is None or record.kind != Kind.MODEL:
        return Role.GENERATED_BY.label
    return "updated" if record.parent_id is not None else "trained"


def _mention(
    view: View, record: Row | None, about: Details, how: str, number: int
) -> dict[str, Any]:
    document = view.brief(record, number) | {"how": how}
    if record is None:
        return document
    extra = (
        {"scores": about.scores(record.id)}
        if record.kind == Kind.MODEL
        else {"tags": about.tags(record.id)}
    )
    return document | {"uris": about.uris(record.id)} | extra
