"""Runs, and the steps of one run with what they used and made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from provenance_store.enums import Kind, Role
from provenance_store.errors import Ambiguous, NotFound
from provenance_store.filters import RunFilter
from provenance_store.queries import documents
from provenance_store.queries.documents import Details
from provenance_store.queries.suggestions import run_hint
from provenance_store.queries.view import MENTIONED, Row, View, grouped, page
from provenance_store.sql import harvest, select
from provenance_store.times import format_time

__all__ = ["Call", "RunPlace", "RunStep", "list_runs", "run_steps", "show_run"]


class RunPlace(NamedTuple):
    """A place of a record of a run, in its normal form, or a document of one of its steps."""

    record_id: int
    at: int
    uri: str | None
    folder: str | None
    role: int | None
    """The first of the roles in which it depends on others; None when it depends on nothing."""
    document: str | None

    @property
    def is_made(self) -> bool:
        """Whether a step made it."""
        return self.role == Role.GENERATED_BY


class Call(NamedTuple):
    """A step by what it did: its state's name, and the functions that it called."""

    step_id: int
    name: str
    functions: frozenset[int]
    same_flow: bool = True
    """Whether its run is one of the flow that was asked for."""

    def is_like(self, other: Call) -> bool:
        """Whether it did what a step of that flow does: it has the name of its state, or called
        one of its functions."""
        same_state = self.same_flow and self.name == other.name
        return same_state or not self.functions.isdisjoint(other.functions)


class RunStep(NamedTuple):
    """A recorded step. `status` is None where its end is not known; `documents` are the names of
    what is kept with it; `reduced` when some of that was dropped by age."""

    id: int
    name: str
    type: str
    action_id: str | None
    ordinal: int | None
    status: str | None
    reduced: bool
    documents: frozenset[str]


def run_steps(view: View, run_id: str) -> list[RunStep]:
    """All visible steps of a run in the order in which they began."""
    rows = view.all(harvest.steps(run_id, view.viewer))
    kept: dict[int, set[str]] = defaultdict(set)
    for record_id, name in view.all(harvest.payload_names(run_id)) if rows else ():
        kept[record_id].add(name)
    return [RunStep._make((*row[:6], bool(row[6]), frozenset(kept[row[0]]))) for row in rows]


PAYLOAD_BUDGET = 4 << 20
"""Characters of JSON that the parameters and errors of the steps on one page come to at most."""
SHORTEST_BEGINNING = 4
"""A run may be named by so many first characters of its id, or more."""
CHOICES = 10
GOING_ON = ("ACTIVE", "INACTIVE")
"""The statuses of a run that has not ended."""
FAILED = "FAILED"
SHOWN = ("parameters", "error")
"""The documents of a step that a run shows; its result is shown with the record."""


def list_runs(
    view: View, wanted: RunFilter, after: tuple[int, str] | None, limit: int
) -> dict[str, Any]:
    """A page of runs, latest start first."""
    rows = view.all(select.runs(wanted, view.viewer, after, limit + 1))
    items = _documents(view, rows[:limit])
    found = page("runs", items, rows, limit, lambda row: (row.start_time, row.run_id))
    return found if rows or after else found | run_hint(view, wanted)


def show_run(view: View, run_id: str, after: tuple[int, int] | None, limit: int) -> dict[str, Any]:
    """One run with a page of its steps in the order in which they began."""
    row = view.first(select.run_by_id(run_id, view.viewer)) or _beginning(view, run_id)
    rows = view.all(select.run_step_lines(row.run_id, view.viewer, after, limit + 1))
    items = _steps(view, rows[:limit])
    (document,) = _documents(view, [row])
    return document | page("steps", items, rows, limit, _place)


def _beginning(view: View, text: str) -> Row:
    """The one run whose id begins so; raises NotFound, or Ambiguous with the choices."""
    long_enough = len(text) >= SHORTEST_BEGINNING
    found = view.all(select.runs_beginning(text, view.viewer, CHOICES + 1)) if long_enough else ()
    if not found:
        raise NotFound(f"There is no run {text[:80]} in this store.")
    if len(found) > 1:
        choices = [row.run_id for row in found[:CHOICES]]
        number = f"{len(found)}" if len(found) <= CHOICES else f"More than {CHOICES}"
        raise Ambiguous(f"{number} runs have an id that begins with {text}.", choices=choices)
    return found[0]


def _place(step: Row) -> tuple[int, int]:
    began = step.created_at if step.started_at is None else step.started_at
    return began, step.id


def _documents(view: View, rows: Sequence[Row]) -> list[dict[str, Any]]:
    tags = _tags(view, [row.run_id for row in rows])
    audiences = sorted({row.audience for row in rows if row.audience is not None})
    said = view.all(select.who_recorded(audiences)) if audiences else ()
    owners = {row.digest: row.owner for row in said}
    heard = _last_heard(view, [row for row in rows if row.status in GOING_ON])
    return [
        documents.run_document(row, tags[row.run_id], owners.get(row.audience))
        | {"last_heard_at": format_time(heard.get(row.run_id))}
        for row in rows
    ]


def _last_heard(view: View, rows: Sequence[Row]) -> Mapping[str, int]:
    """When anything was last recorded of runs that go on, as far as is known here."""
    heard: dict[str, int] = {row.run_id: row.heard_at for row in rows}
    for last in view.all(select.last_records(list(heard))) if heard else ():
        heard[last.run_id] = max(heard[last.run_id], last.at)
    return heard


def _tags(view: View, run_ids: Sequence[str]) -> Mapping[str, list[str]]:
    tags: dict[str, list[str]] = defaultdict(list)
    for row in view.all(select.run_tags(run_ids)) if run_ids else ():
        tags[row.run_id].append(row.tag)
    return tags


def _steps(view: View, steps: Sequence[Row]) -> list[dict[str, Any]]:
    ids = [step.id for step in steps]
    used = view.links(ids, roles=(Role.USED, Role.DEPLOYED))
    made = view.links(ids, down=True, roles=(Role.GENERATED_BY,))
    others = {link.to_id for links in used.values() for link in links[:MENTIONED]}
    others |= {link.from_id for links in made.values() for link in links[:MENTIONED]}
    known = view.by_id(others)
    about = view.outlines([*ids, *known])
    failed = {step.id for step in steps if step.status == FAILED}
    about.payload, left_out = _payloads(view, ids, failed)
    return [
        _step(view, step, used[step.id], made[step.id], known, about, left_out[step.id])
        for step in steps
    ]


def _payloads(
    view: View, ids: Sequence[int], failed: Collection[int]
) -> tuple[dict[int, list[Row]], dict[int, list[str]]]:
    """The parameters and errors of steps, as many of the first as there is room for, and of a
    failed one without an error the result; and the names of the other documents that are kept
    with them."""
    place = {record_id: number for number, record_id in enumerate(ids)}
    left_out: dict[int, list[str]] = defaultdict(list)
    shown: set[int] = set()
    room = PAYLOAD_BUDGET
    rows = view.chunked(select.payload_sizes, ids)
    sizes = grouped(rows, lambda row: row.record_id)
    telling: set[int] = set()
    for record_id in sorted(sizes, key=place.__getitem__):
        names = {row.name for row in sizes[record_id]}
        is_told_by_result = record_id in failed and "error" not in names
        here = (*SHOWN, "result") if is_told_by_result else SHOWN
        wanted = [row for row in sizes[record_id] if row.name in here]
        left_out[record_id] = [row.name for row in sizes[record_id] if row.name not in here]
        room -= sum(row.size for row in wanted)
        if room >= 0:
            shown.add(record_id)
            telling |= {record_id} if is_told_by_result else set()
        else:
            left_out[record_id] += [row.name for row in wanted]
    found = [*view.chunked(lambda chunk: select.payloads(chunk, SHOWN), sorted(shown))]
    found += view.chunked(lambda chunk: select.payloads(chunk, ("result",)), sorted(telling))
    return grouped(found, lambda row: row.record_id), left_out


def _step(
    view: View,
    step: Row,
    used: Sequence[Row],
    made: Sequence[Row],
    known: Mapping[int, Row],
    about: Details,
    left_out: Sequence[str],
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
    return documents.step_document(step, about, view.urn, **parts, counts=counts, left_out=left_out)


def _made_how(record: Row | None) -> str:
    if record is None or record.kind != Kind.MODEL:
        return Role.GENERATED_BY.label
    return "updated" if record.parent_id is not None else "trained"


def _mention(
    view: View, record: Row | None, about: Details, how: str, number: int
) -> dict[str, Any]:
    document = view.brief(record, number, about.invalid) | {"how": how}
    if record is None:
        return document
    extra = (
        {"scores": about.scores(record.id)}
        if record.kind == Kind.MODEL
        else {"tags": about.tags(record.id)}
    )
    return document | {"uris": about.uris(record.id)} | extra
