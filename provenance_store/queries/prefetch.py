"""What several callers are going to ask, asked together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provenance_store import redaction
from provenance_store.errors import BraidError
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql.dialects import pipelined
from provenance_store.values import Viewer

__all__ = ["URIS", "Prefetch", "documents_key", "heads_key", "members_key", "prefetch"]

URIS = "uris"
"""`Session.look_up_all` of the normal forms of URIs at which there are records."""


def documents_key(name: str) -> Hashable:
    """`Session.look_up_all` of runs of which a step has a document of this name."""
    return "documents", name


def heads_key(viewer: Viewer, name: str) -> Hashable:
    """`Session.look_up` of the newest versions of a model."""
    return "heads", viewer, name


def members_key(run_id: str) -> Hashable:
    """`Session.look_up` of the principals of a run."""
    return "run_members", run_id


@dataclass(slots=True)
class Prefetch:
    """What is going to be asked: of these runs what is known, and whether a step of them has a
    document of a name; of these URIs, in their normal form, whether a record is there; of these
    names the newest versions of models, by who asks."""

    runs: set[str] = field(default_factory=set)
    documents: dict[str, set[str]] = field(default_factory=dict)
    uris: dict[str, None] = field(default_factory=dict)
    heads: dict[Viewer, set[str]] = field(default_factory=dict)


def prefetch(sink: DatabaseSink, wanted: Prefetch) -> None:
    """Ask for all that is wanted at once, while `Session.read_snapshot` is open: whoever asks for
    some of it singly then has it.

    What cannot be asked together, for one of the values or for the store, is asked singly.
    """
    try:
        _ask(sink, wanted)
    except BraidError:
        return


def _ask(sink: DatabaseSink, wanted: Prefetch) -> None:
    session, prepared = sink.session, sink.prepared
    heads = {
        viewer: {name: redaction.scrub_text(name) for name in names}
        for viewer, names in wanted.heads.items()
    }
    kept = sorted({name for given in heads.values() for name in given.values()})
    with session.look() as raw, pipelined(raw, session.engine.dialect):
        runs = prepared.runs(raw, sorted(wanted.runs)) if wanted.runs else None
        often = prepared.named_often(raw, kept) if kept else None
        among: list[tuple[Hashable, Collection[str], Callable[[], set[str]]]] = [
            (documents_key(name), run_ids, prepared.documented(raw, [*run_ids], name))
            for name, run_ids in wanted.documents.items()
            if run_ids
        ]
        if wanted.uris:
            uris = [*wanted.uris]
            among.append((URIS, uris, prepared.known_uris(raw, uris)))
        if runs is not None:
            session.remember(_of_runs(wanted.runs, runs()))
        if often is not None:
            _ask_for_heads(sink, raw, heads, often())
        for what, keys, found in among:
            session.remember_among(what, keys, found())


def _ask_for_heads(
    sink: DatabaseSink, raw: Any, heads: Mapping[Viewer, Mapping[str, str]], often: Container[str]
) -> None:
    """`heads` are names as they are asked for, with those that are kept for them."""
    sent = [
        (
            viewer,
            given,
            sink.prepared.nearest_heads_of(raw, viewer, sorted({*given.values()}), often),
        )
        for viewer, given in heads.items()
    ]
    for viewer, given, find in sent:
        found = find()
        answers: dict[Hashable, Any] = {
            heads_key(viewer, name): found[kept] for name, kept in given.items() if kept in found
        }
        sink.session.remember(answers)


def _of_runs(run_ids: Collection[str], said: Mapping[str, Any]) -> dict[Hashable, Any]:
    """Of a run of which nothing is said nobody is known either."""
    answers: dict[Hashable, Any] = {("run", run_id): said.get(run_id) for run_id in run_ids}
    return answers | {members_key(run_id): () for run_id in run_ids if run_id not in said}
