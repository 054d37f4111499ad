"""What follows from the evidence of a statement, and what it does not support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from provenance_store.enums import Kind
from provenance_store.statement.graph import SAME, Graph, Leaf
from provenance_store.times import UNKNOWN_TIME

__all__ = ["LATE", "Level", "derive", "not_supported"]

LATE = timedelta(hours=1)
"""A step that was recorded this long after it ended was recorded after the fact: a flow records
a step within seconds, or minutes when the recording is retried, and whoever harvests a finished
run or writes from memory comes later."""
STEP_GOES_ON = ("ACTIVE", "INACTIVE")


class Level(StrEnum):
    """How much a gap matters."""

    AGAINST = "against"
    """It speaks against the result."""
    UNSEEN = "unseen"
    """There is evidence that is not part of the statement."""
    UNPROVEN = "unproven"
    """It is said, and nothing here proves it."""


class GapRule(NamedTuple):
    """A gap: its name in JSON, its weight, what it means for one record and for several."""

    name: str
    level: Level
    one: str
    many: str
    find: Callable[[Graph], Iterable[str] | int]


def not_supported(graph: Graph) -> list[dict[str, Any]]:
    """Every gap that there is, the gravest first, each with a sentence and its records.

    Where `records` cannot be named, for they may not be seen, there is a count alone.
    """
    return [gap for rule in RULES if (gap := _applied(rule, graph)) is not None]


def _applied(rule: GapRule, graph: Graph) -> dict[str, Any] | None:
    found = rule.find(graph)
    urns = [] if isinstance(found, int) else list(dict.fromkeys(found))
    count = found if isinstance(found, int) else len(urns)
    if not count:
        return None
    told = rule.one if count == 1 else rule.many
    sentence = told.format(n=f"{count:,}", limit=f"{graph.found['limit']:,}")
    return {
        "what": rule.name,
        "level": rule.level.value,
        "text": sentence,
        "count": count,
        "records": urns,
    }


def _chosen(*kinds: str) -> Callable[[Callable[[Graph, Leaf], bool]], Callable[[Graph], list[str]]]:
    """Make a rule over the records of some kinds from a condition on one."""

    def decorate(condition: Callable[[Graph, Leaf], bool]) -> Callable[[Graph], list[str]]:
        def find(graph: Graph) -> list[str]:
            return [r["id"] for kind in kinds for r in graph.of_kind(kind) if condition(graph, r)]

        return find

    return decorate


def _invalidated(graph: Graph) -> Iterable[str]:
    return sorted(graph.found["invalidated"])


def _checks(record: Leaf) -> Iterator[tuple[str | None, str]]:
    """Pairs of the digests of one file by one algorithm, as recorded and as found later."""
    for uri in record["uris"]:
        known = {}
        if uri["digest"]:
            recorded = uri["digest"].lower()  # what was recorded before may be in upper case
            known[recorded.partition(":")[0]] = recorded
        for check in uri["checks"]:
            found = check["digest"].lower()
            yield known.setdefault(found.partition(":")[0], found), found


@_chosen("fact", "data", "dataset", "model")
def _changed(_: Graph, record: Leaf) -> bool:
    return any(before != after for before, after in _checks(record))


@_chosen("step")
def _failed(_: Graph, step: Leaf) -> bool:
    return step["step"]["status"] not in ("SUCCEEDED", *STEP_GOES_ON)


@_chosen("step")
def _unfinished(_: Graph, step: Leaf) -> bool:
    return step["step"]["status"] in STEP_GOES_ON


def _in_the_making(graph: Graph) -> Iterable[str]:
    going_on = [step for step in graph.of_kind("step") if step["step"]["status"] in STEP_GOES_ON]
    made = (urn for step in going_on for urn in graph.made_by(step))
    return [urn for urn in made if graph.records[urn]["kind"] == "model"]


@_chosen("step")
def _late(_: Graph, step: Leaf) -> bool:
    ended = step["step"]["completed_at"] or step["step"]["started_at"]
    at = step["created_at"]
    return bool(ended) and at != UNKNOWN_TIME and _time(at) - _time(ended) > LATE


@_chosen("step")
def _backwards(_: Graph, step: Leaf) -> bool:
    start, end = step["step"]["started_at"], step["step"]["completed_at"]
    return bool(start and end) and _time(end) < _time(start)


@_chosen("step", "fact", "data", "dataset")
def _assumed(_: Graph, record: Leaf) -> bool:
    return "assumed" in record["tags"]


@_chosen("fact", "data", "model")
def _no_digest(_: Graph, record: Leaf) -> bool:
    return any(not (uri["digest"] or uri["checks"]) for uri in record["uris"])


@_chosen("fact", "data", "model")
def _no_place(graph: Graph, record: Leaf) -> bool:
    if record["kind"] == "fact" and record["tags"]:
        return False
    return not record["uris"] and not _is_blank(graph, record)


@_chosen("step", "model")
def _no_environment(_: Graph, record: Leaf) -> bool:
    return record["environment"] is None


@_chosen("data", "model")
def _no_step(graph: Graph, record: Leaf) -> bool:
    if not graph.own_links(record):
        return False
    things = graph.one_thing(record)
    return not any(link["role"] == "generated_by" for one in things for link in one["links"])


@_chosen("data", "dataset", "model")
def _begins(graph: Graph, record: Leaf) -> bool:
    return graph.begins(record) and not _is_blank(graph, record)


def _is_blank(graph: Graph, record: Leaf) -> bool:
    """Whether it is only the name of a model that was trained later: the version before the first
    one, which no step used but those that made the next."""
    model = record.get("model")
    if model is None or model["parent"] is not None or record["uris"] or record["hidden_links"]:
        return False
    if model["scores"] or model["curve"]["values"]:
        return False
    made_of = {link["role"] for link in record["links"]} - {"derived_from"}
    revisions = graph.revisions_of(record)
    users = [graph.records[urn] for urn in graph.used_by(record)]
    only_trained = all(revisions.intersection(graph.made_by(step)) for step in users)
    return bool(revisions) and not made_of and only_trained


@_chosen("fact", "data", "dataset", "model", "step")
def _nobody(_: Graph, record: Leaf) -> bool:
    return record["owner"] is None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


RULES: tuple[GapRule, ...] = (
    GapRule(
        "invalidated",
        Level.AGAINST,
        "One record has been marked invalid, or derives from one that has.",
        "{n} records have been marked invalid, or derive from one that has.",
        _invalidated,
    ),
    GapRule(
        "files_changed",
        Level.AGAINST,
        "The file of one record was found to have another content than was recorded.",
        "The files of {n} records were found to have another content than was recorded.",
        _changed,
    ),
    GapRule(
        "failed_steps",
        Level.AGAINST,
        "One step of the chain did not succeed.",
        "{n} steps of the chain did not succeed.",
        _failed,
    ),
    GapRule(
        "missing_records",
        Level.AGAINST,
        "One record that is depended on is not in the store any more.",
        "{n} records that are depended on are not in the store any more.",
        lambda graph: graph.found["missing"],
    ),
    GapRule(
        "restricted",
        Level.UNSEEN,
        "One ancestor may not be seen by whoever asked for this statement.",
        "{n} ancestors may not be seen by whoever asked for this statement.",
        lambda graph: int(graph.found["restricted"]),
    ),
    GapRule(
        "omitted",
        Level.UNSEEN,
        "One ancestor was left out of the slice of the history that this store was given.",
        "{n} ancestors were left out of the slice of the history that this store was given.",
        lambda graph: [stub["id"] for stub in graph.found["stubs"]],
    ),
    GapRule(
        "truncated",
        Level.UNSEEN,
        "The limit of {limit} records was reached: what lies beyond is not told.",
        "",
        lambda graph: int(graph.found["truncated"]),
    ),
    GapRule(
        "reduced",
        Level.UNSEEN,
        "Of one record the tags, numbers and documents were dropped by age.",
        "Of {n} records the tags, numbers and documents were dropped by age.",
        lambda graph: sorted(graph.found["reduced"]),
    ),
    GapRule(
        "unconnected_steps",
        Level.UNSEEN,
        "One step of its run is not connected with it: what that step read and wrote is not known, "
        "or is of something else.",
        "{n} steps of its run are not connected with it: what these read and wrote is not known, "
        "or is of something else.",
        lambda graph: [step["id"] for step in graph.found.get("unconnected", ())],
    ),
    GapRule(
        "imported",
        Level.UNPROVEN,
        "One record came by an import: nobody here saw it happen, the imported file alone says so.",
        "{n} records came by an import: nobody here saw them happen, the imported files alone say "
        "so.",
        lambda graph: [urn for one in graph.found.get("imports", ()) for urn in one["records"]],
    ),
    GapRule(
        "added_later",
        Level.UNPROVEN,
        "Of one record a link was added after it was closed.",
        "Of {n} records links were added after they were closed.",
        lambda graph: [link["from"] for link in graph.found.get("late_links", ())],
    ),
    GapRule(
        "same_things",
        Level.UNPROVEN,
        "One record is taken for one thing with another, since their bytes have the same digest.",
        "{n} records are taken for one thing with others, since their bytes have the same digest.",
        lambda graph: [link["from"] for link in graph.found.get("same_things", ())],
    ),
    GapRule(
        "assumed",
        Level.UNPROVEN,
        "Of one record it is assumed where its files are, or which step made it, since paths are "
        "equal.",
        "Of {n} records it is assumed where their files are, or which step made them, since paths "
        "are equal.",
        _assumed,
    ),
    GapRule(
        "unfinished_steps",
        Level.UNPROVEN,
        "One step has no recorded end: it is still going on, or was cut off.",
        "{n} steps have no recorded end: they are still going on, or were cut off.",
        _unfinished,
    ),
    GapRule(
        "recorded_late",
        Level.UNPROVEN,
        "One step was recorded after the fact, more than an hour after it ended.",
        "{n} steps were recorded after the fact, more than an hour after they ended.",
        _late,
    ),
    GapRule(
        "times_disagree",
        Level.UNPROVEN,
        "One step is said to have ended before it began.",
        "{n} steps are said to have ended before they began.",
        _backwards,
    ),
    GapRule(
        "still_open",
        Level.UNPROVEN,
        "One record is live data that was never closed: it may have grown since it was used.",
        "{n} records are live data that were never closed: they may have grown since they were "
        "used.",
        lambda graph: graph.found["open"],
    ),
    GapRule(
        "versions_open",
        Level.UNPROVEN,
        "One model version is of a step that has no recorded end: it may still be completed.",
        "{n} model versions are of steps that have no recorded end: they may still be completed.",
        _in_the_making,
    ),
    GapRule(
        "no_digest",
        Level.UNPROVEN,
        "One record names a file without a digest, so nothing shows that its content is the same "
        "as then.",
        "{n} records name files without a digest, so nothing shows that their content is the same "
        "as then.",
        _no_digest,
    ),
    GapRule(
        "no_file",
        Level.UNPROVEN,
        "One record names no file at all.",
        "{n} records name no file at all.",
        _no_place,
    ),
    GapRule(
        "no_step",
        Level.UNPROVEN,
        "One record is said to derive from others, without a step that made it.",
        "{n} records are said to derive from others, without a step that made them.",
        _no_step,
    ),
    GapRule(
        "origin_unknown",
        Level.UNPROVEN,
        "One record is where the chain begins; how it was made is not recorded.",
        "{n} records are where the chain begins; how they were made is not recorded.",
        _begins,
    ),
    GapRule(
        "no_environment",
        Level.UNPROVEN,
        "One step or model version has no recorded environment: hardware, software, code.",
        "{n} steps and model versions have no recorded environment: hardware, software, code.",
        _no_environment,
    ),
    GapRule(
        "no_identity",
        Level.UNPROVEN,
        "One record was written by an account of a machine; no Globus identity stands for it.",
        "{n} records were written by accounts of machines; no Globus identity stands for them.",
        _nobody,
    ),
)
"""The gravest first. A new kind of gap is a new rule here."""


def derive(found: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a statement says beyond its evidence; from the evidence alone."""
    graph = Graph(found)
    return {
        "claim": _claim(graph),
        "counts": _counts(graph),
        "chain": [_step(graph, step) for step in graph.of_kind("step")],
        "models": [_model(graph, model) for model in graph.of_kind("model")],
        "facts": [fact["id"] for fact in graph.of_kind("fact")],
        "begins_with": [record["id"] for record in beginnings(graph)],
        "not_supported": not_supported(graph),
    }


def beginnings(graph: Graph) -> list[Leaf]:
    """Data, datasets and models of which nothing says what they came from."""
    kinds = ("data", "dataset", "model")
    return [record for kind in kinds for record in graph.of_kind(kind) if graph.begins(record)]


def _claim(graph: Graph) -> dict[str, Any]:
    root = graph.root
    claim = {name: root[name] for name in ("id", "kind", "name", "created_at")}
    if "model" in root:
        claim["version"] = root["model"]["version"]
    same = graph.ends(root, SAME)
    return claim | {
        "made_by": graph.ends(root, "generated_by"),
        "derived_from": graph.ends(root, "derived_from", "revision_of", "trained_on"),
        **({"same_as": same} if same else {}),
    }


def _counts(graph: Graph) -> dict[str, Any]:
    kinds = Counter(record["kind"] for record in graph.records.values())
    uris = [uri for record in graph.records.values() for uri in record["uris"]]
    return {
        "records": {kind.label: kinds[kind.label] for kind in Kind},
        "runs": len({r["run_id"] for r in graph.records.values() if r["run_id"]}),
        "uris": len(uris),
        "uris_with_digest": sum(bool(uri["digest"] or uri["checks"]) for uri in uris),
    }


def _step(graph: Graph, step: Leaf) -> dict[str, Any]:
    return {
        "step": step["id"],
        "used": graph.ends(step, "used", "deployed"),
        "after": graph.ends(step, "informed_by"),
        "made": [record["id"] for record in graph.ordered(graph.made_by(step))],
    }


def _model(graph: Graph, model: Leaf) -> dict[str, Any]:
    return {
        "model": model["id"],
        "made_by": graph.ends(model, "generated_by"),
        "revision_of": graph.ends(model, "revision_of"),
        "trained_on": graph.ends(model, "trained_on"),
        "derived_from": graph.ends(model, "derived_from"),
        "used_by": graph.used_by(model),
    }
