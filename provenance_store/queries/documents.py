"""From rows to the JSON-ready documents of the query API and of ``--format json``.

Times are RFC 3339 in UTC, ids URNs, sizes bytes. Keys are always there; what is not known is
null or empty, so that programs need not ask twice. Only ``invalidated`` and ``reduced`` are there
just for records that are; ``imported``, ``paths``, ``late_links``, ``same_as`` and ``same_uri``
where there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from provenance_store.decisions import DOCUMENT
from provenance_store.enums import CURVES, Kind, Mark, Role, Series, Special, TagType
from provenance_store.errors import Ambiguous
from provenance_store.files import MEMBERS
from provenance_store.ids import short_id
from provenance_store.times import format_time, time_if_known
from provenance_store.values import tag_value

if TYPE_CHECKING:
    from provenance_store.queries.validity import Invalidation

__all__ = [
    "FIRST_NAMED",
    "HIDDEN",
    "RESTRICTED",
    "Details",
    "ambiguous",
    "brief",
    "candidate",
    "decision_about",
    "noted",
    "read_document",
    "record_document",
    "record_outline",
    "restricted",
    "run_document",
    "shown_number",
    "shown_tag",
    "step_document",
    "validity",
    "version_document",
    "whole",
]

FIRST_NAMED = 10
"""How many of what derives from a record are named, if nothing else is wanted."""
RESTRICTED = "restricted"
"""Stands for an id where the viewer may not know it."""
HIDDEN = "a record that you may not see was invalidated"
"""The cause that is given where the root may not be seen; the time is then null."""
MOST_OF_URI = 100
"""Of the place by which a record is told apart so many characters are given, the last ones."""

Row = Any
Urn = Callable[[int], str]


@dataclass(slots=True)
class Details:
    """One-to-many rows of some records, grouped by record id."""

    uri: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    file_check: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    tag: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    metric: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    payload: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    mark: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    alias: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    invalid: Mapping[int, Invalidation] = field(default_factory=dict)
    made: Mapping[int, str | None] = field(default_factory=dict)
    """Of model versions the status of the step that made each; None where none did."""
    unseen: Set[int] = frozenset()
    """First versions and parents of model versions that the viewer may not see."""

    def named(self, version_id: int, urn: Urn) -> str:
        """The id of a first version or a parent, as far as the viewer may know it."""
        return RESTRICTED if version_id in self.unseen else urn(version_id)

    def uris(self, record_id: int) -> list[dict[str, Any]]:
        """Where the record's bytes are; a digest that was not recorded with it is the first one
        found later, with the size found."""
        checks = sorted(self.file_check.get(record_id, ()), key=lambda c: c.at, reverse=True)
        first = {c.uri: c for c in checks}
        documents = []
        for u in self.uri.get(record_id, ()):
            known = first[u.uri] if u.digest is None and u.uri in first else u
            about = {"size": known.size, "digest": known.digest, "media_type": u.media_type}
            documents.append({"uri": u.uri} | about)
        return documents

    def tags(self, record_id: int) -> dict[str, Any]:
        """The current tags; rows come oldest first, so the latest value stays."""
        latest = {t.name: t for t in self.tag.get(record_id, ())}
        return {
            name: shown_tag(t.type, t.text)
            for name, t in latest.items()
            if t.type != TagType.REMOVED
        }

    def payloads(self, record_id: int) -> dict[str, Any]:
        """The record's documents by name."""
        rows = self.payload.get(record_id, ())
        return {p.name: read_document(p.document) for p in rows}

    def curve(self, record_id: int) -> list[dict[str, Any]]:
        """The convergence curve: a mapping for each epoch, or for each step, in order.

        A point at a step may have its epoch as a value.
        """
        points: dict[tuple[int, float], dict[str, Any]] = {}
        for m in sorted(self.metric.get(record_id, ()), key=lambda m: m.name != "epoch"):
            if m.series in CURVES:
                counter = "step" if m.series == Series.STEP else "epoch"
                point = points.setdefault((m.series, m.step), {counter: whole(m.step)})
                point[m.name] = shown_number(m.value, m.special)
        return [points[place] for place in sorted(points)]

    def scores(self, record_id: int) -> dict[str, float | str | None]:
        """Validation scores by name."""
        rows = self.metric.get(record_id, ())
        return {m.name: shown_number(m.value, m.special) for m in rows if m.series == Series.SCORE}

    def is_live(self, record: Row) -> bool:
        """Whether the record still takes additions."""
        said = {m.mark for m in self.mark.get(record.id, ())}
        return (
            bool(record.live or self.made.get(record.id) == "ACTIVE") and Mark.PROMOTED not in said
        )

    def marks(self, record_id: int) -> list[dict[str, Any]]:
        """What was said of the record later, oldest first."""
        return [
            {"mark": Mark(m.mark).label, "at": format_time(m.at), "note": m.note}
            for m in self.mark.get(record_id, ())
        ]

    def reduced(self, record_id: int) -> dict[str, Any]:
        """`reduced`, for a record whose tags, metrics and documents were dropped by age."""
        said = [m for m in self.mark.get(record_id, ()) if m.mark == Mark.REDUCED]
        return {"reduced": {"at": format_time(said[-1].at), "note": said[-1].note}} if said else {}


def shown_tag(tag_type: int, text: str) -> Any:
    """A tag's value as JSON has it; numbers that are not finite are text there."""
    value = tag_value(tag_type, text)
    if isinstance(value, float) and not math.isfinite(value):
        return Special.of(value).text
    return value


def shown_number(value: float | None, special: int | None) -> float | str | None:
    """A number of a curve as JSON has it: of one that was not finite the text, None where it is
    not known which it was."""
    if value is None and special in (1, 2, 3):
        return Special(special).text
    return value


def whole(number: float) -> float:
    """A number as an integer where it is one."""
    return int(number) if float(number).is_integer() else number


def read_document(text: str) -> Any:
    """A document that is kept as JSON text; one that is none is shown as text."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, TypeError, RecursionError):
        return {"_unreadable": str(text)[:4096]}


def brief(record: Row, urn: Urn) -> dict[str, Any]:
    """What stands for a record where another one mentions it; with a `status` for a step that did
    not succeed, and for a model version that such a step made."""
    document = {
        "id": urn(record.id),
        "short_id": short_id(record.id),
        "kind": Kind(record.kind).label,
        "name": record.name,
    }
    if record.depth is not None:
        document["version"] = record.depth
    ended = getattr(record, "ended", None)  # which a row has that was asked for by its id
    return document if ended in (None, "SUCCEEDED") else document | {"status": ended}


def candidate(record: Row, uri: str | None, urn: Urn) -> dict[str, Any]:
    """`brief`, and what one of several records of one name can be told by."""
    return noted(record, urn) | {"uri": uri}


def noted(record: Row, urn: Urn) -> dict[str, Any]:
    """`brief`, and when it was made and in which run."""
    made = {"created_at": time_if_known(record.created_at), "run_id": record.run_id}
    return brief(record, urn) | made


def ambiguous(reference: str, candidates: Sequence[Mapping[str, Any]], most: int = 5) -> Ambiguous:
    """The error for a reference that may stand for any of these, the first of them told apart."""
    first = candidates[:most]
    told = [_told(each) for each in first]
    return Ambiguous(
        f"{reference[:80]!r} names several records; give the id of one:",
        choices=[str(each["id"]) for each in first],
        told=[*told, "..."] if len(candidates) > most else told,
    )


def _told(one: Mapping[str, Any]) -> str:
    """A record in one line: its short id, kind, when it was made, and its place or else its run.

    Of what a server of an earlier version answers, the id.
    """
    version = f" v{one['version']}" if "version" in one else ""
    about = [f"{one['kind']}{version}"]
    if made := one.get("created_at"):
        about.append(f"made {made[:19].replace('T', ' ')}")
    if uri := one.get("uri"):
        about.append(f"at {uri if len(uri) <= MOST_OF_URI else f'...{uri[3 - MOST_OF_URI :]}'}")
    elif run_id := one.get("run_id"):
        about.append(f"in run {run_id}")
    return f"{one.get('short_id') or one['id']} ({', '.join(about)})"


def validity(invalid: Invalidation | None, urn: Urn) -> dict[str, Any]:
    """`invalidated`, for a record that is: since when, why, and the record that it began with.

    Of one that the viewer may not see nothing is told.
    """
    if invalid is None:
        return {}
    if not invalid.root_seen:
        return {"invalidated": {"at": None, "cause": HIDDEN, "root": RESTRICTED}}
    about = {"at": format_time(invalid.at), "cause": invalid.cause, "root": urn(invalid.root_id)}
    return {"invalidated": about}


def restricted(number: int) -> dict[str, Any]:
    """What stands for a record that the viewer may not see: nothing but that there is one."""
    return {"id": f"restricted:{number}", "kind": "restricted", "name": None, "restricted": True}


def record_document(record: Row, details: Details, urn: Urn) -> dict[str, Any]:
    """A whole record without its links."""
    document = record_outline(record, details, urn)
    payloads = details.payloads(record.id)
    if record.kind == Kind.MODEL and record.depth is not None:
        document["hyperparameters"] = payloads.get("hyperparameters", {})
        document["metrics"] = details.curve(record.id)
    if MEMBERS in payloads:
        document["members"] = payloads[MEMBERS]
    if record.kind == Kind.STEP:
        document |= {name: payloads.get(name) for name in ("parameters", "result", "error")}
        if DOCUMENT in payloads:
            document[DOCUMENT] = payloads[DOCUMENT]
        if "paths" in payloads:
            document["paths"] = payloads["paths"]
    return document


def decision_about(decision: Row, option: str, urn: Urn) -> dict[str, Any]:
    """A decision as it is shown with one of its options: whether that was chosen, and why."""
    said = None if decision.document is None else read_document(decision.document)
    said = said if isinstance(said, dict) else {}  # a client may have written anything there
    options = said.get("options")
    dicts = (one for one in (options if isinstance(options, list) else ()) if type(one) is dict)
    own = next((one for one in dicts if one.get("id") == option), {})
    return {
        "id": urn(decision.id),
        "short_id": short_id(decision.id),
        "name": decision.name,
        "at": format_time(decision.at),
        "chosen": decision.role == Role.CHOSEN,
        "score": own.get("score"),
        "why": own.get("why") or said.get("why"),
        "decider": said.get("decider"),
        "policy": said.get("policy"),
    }


def record_outline(record: Row, details: Details, urn: Urn) -> dict[str, Any]:
    """A record as lists show it: without its curve and the documents kept with it."""
    document = brief(record, urn) | {
        "created_at": time_if_known(record.created_at),
        "owner": record.owner,
        "run_id": record.run_id,
        "live": details.is_live(record),
        "environment": record.environment,
        "uris": details.uris(record.id),
        "tags": details.tags(record.id),
    }
    if record.kind == Kind.MODEL:
        document |= _model_part(record, details, urn)
    if record.kind == Kind.STEP:
        document |= _step_part(record)
    document |= validity(details.invalid.get(record.id), urn)
    return document | details.reduced(record.id)


def _model_part(record: Row, details: Details, urn: Urn) -> dict[str, Any]:
    if record.depth is None:
        return {}
    return {
        "status": details.made.get(record.id),
        "line": details.named(record.line_id, urn),
        "parent": None if record.parent_id is None else details.named(record.parent_id, urn),
        "scores": details.scores(record.id),
        "aliases": [row.name for row in details.alias.get(record.id, ())],
    }


def _step_part(record: Row) -> dict[str, Any]:
    return {
        "type": record.type,
        "status": record.status or "ACTIVE",
        "action_url": record.action_url,
        "action_id": record.action_id,
        "run_as": record.run_as,
        "definition_digest": record.definition_digest,
        "start_time": time_if_known(record.started_at),
        "completion_time": time_if_known(record.completed_at),
    }


def step_document(
    record: Row,
    details: Details,
    urn: Urn,
    *,
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]],
    counts: Mapping[str, int],
    left_out: Sequence[str],
) -> dict[str, Any]:
    """A step of a run with what it used and made, its parameters and its error.

    `left_out` names the documents that only the record itself shows. An action that failed without
    raising an error comes with its result, which tells why.
    """
    payloads = details.payloads(record.id)
    return record_outline(record, details, urn) | {
        "parameters": payloads.get("parameters"),
        **({"result": payloads["result"]} if "result" in payloads else {}),
        "error": payloads.get("error"),
        "left_out": list(left_out),
        "inputs": list(inputs),
        "outputs": list(outputs),
        "models": list(models),
        "counts": dict(counts),
    }


def version_document(record: Row, details: Details, urn: Urn, *, head: bool) -> dict[str, Any]:
    """A model version in the list of its line, without its curve; `head` when none revises it."""
    hyperparameters = details.payloads(record.id).get("hyperparameters", {})
    outline = record_outline(record, details, urn)
    return outline | {"hyperparameters": hyperparameters, "head": head}


def run_document(run: Row, tags: Iterable[str], recorded_by: str | None) -> dict[str, Any]:
    """A run with the field names of Globus Flows.

    `run_owner` is what was said by whoever recorded the run, `recorded_by`.
    """
    return {
        "run_id": run.run_id,
        "flow_id": run.flow_id,
        "flow_title": run.flow_title,
        "label": run.label,
        "status": run.status,
        "run_owner": run.run_owner,
        "recorded_by": recorded_by,
        "start_time": time_if_known(run.start_time),
        "completion_time": time_if_known(run.completion_time),
        "tags": list(tags),
    }
