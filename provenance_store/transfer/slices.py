"""Slices: a part of a history as a store of its own, in one SQLite file.

What is taken is said by a start (records, runs, flows), a direction, and named rules: each
stands for some of the links' roles, and a rule that is left out is not followed. What a slice
mentions and does not hold is a stub: its id, kind and name. Ids, and so permanent names, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provenance_store.enums import SAME_AS, Kind, Role
from provenance_store.errors import InvalidInput, NotFound
from provenance_store.sinks.database import DatabaseSink
from provenance_store.sql.slice import COPIED, Selection, taking
from provenance_store.transfer.atomic_file import made_whole

__all__ = ["LEFT_OUT", "RULES", "SliceRequest", "Sliced", "take_slice"]

RULES: Mapping[str, frozenset[Role]] = {
    "inputs": frozenset({Role.USED, Role.DEPLOYED}),
    "steps": frozenset({Role.GENERATED_BY}),
    "sources": frozenset({Role.DERIVED_FROM}),
    "training": frozenset({Role.TRAINED_ON}),
    "revisions": frozenset({Role.REVISION_OF}),
    "members": frozenset({Role.HAS_MEMBER}),
    "earlier": frozenset({Role.INFORMED_BY}),
    "same": frozenset({SAME_AS}),
}
"""The rules that a slice follows from node to node, by name: from a step to its inputs, from what
was made to the step that made it, from what was derived to its sources, from a model version to
what it was trained on and to the version before it, from a dataset to its members, from a step to
earlier ones that informed it, from a record to others that are one thing with it; and down, all of
these the other way round."""

LEFT_OUT: Mapping[str, frozenset[str]] = {
    "tags": frozenset({"tag", "run_tag"}),
    "uris": frozenset({"uri", "file_check"}),
    "documents": frozenset({"payload", "parameter"}),
}
"""What can be kept out of a slice: tags, URIs with sizes and digests, and the documents of
records (parameters, results, errors, hyperparameters)."""
MAX_DEPTH = 1_000_000


@dataclass(frozen=True)
class SliceRequest:
    """What is to be in a slice.

    It begins with records and runs, or with everything when none are named. Then `down` adds all
    that depends on these, and `up` all that any of them depends on, each at most `depth` hops
    away. `rules` are the names of the RULES not to follow, `without` names from LEFT_OUT;
    `hide_names` takes the names out of stubs.
    """

    ids: Sequence[int] = ()
    run_ids: Sequence[str] = ()
    flow_ids: Sequence[str] = ()
    up: bool = True
    down: bool = False
    depth: int | None = None
    rules: Collection[str] = ()
    without: Collection[str] = ()
    hide_names: bool = False

    def check(self) -> None:
        """Raise InvalidInput for what makes no sense."""
        for given, known, what in (
            (self.rules, RULES, "rules"),
            (self.without, LEFT_OUT, "parts that can be left out"),
        ):
            if unknown := sorted(set(given) - known.keys()):
                names = ", ".join(known)
                raise InvalidInput(f"{unknown[0]!r:.80} is not one of the {what}: {names}.")
        if self.depth is not None and not 0 <= self.depth <= MAX_DEPTH:
            raise InvalidInput("The depth of a slice must be a whole number of hops, 0 or more.")

    @property
    def roles(self) -> frozenset[Role]:
        """The roles to follow."""
        followed = [roles for name, roles in RULES.items() if name not in self.rules]
        return frozenset().union(*followed)

    @property
    def empty_tables(self) -> frozenset[str]:
        """The tables that stay empty."""
        return frozenset().union(*(LEFT_OUT[name] for name in self.without))


@dataclass(frozen=True)
class Sliced:
    """What a slice holds: rows by table, records by kind; how many bytes its file has."""

    rows: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    size: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "records": dict(self.kinds),
            "stubs": self.rows.get("stub", 0),
            "rows": dict(self.rows),
            "size": self.size,
        }


def take_slice(
    sink: DatabaseSink,
    file: Path,
    wanted: SliceRequest,
    *,
    force: bool = False,
    progress: Callable[[str], object] = lambda what: None,
) -> Sliced:
    """Write a slice into a new file; see `Store.slice`."""
    wanted.check()
    with made_whole(file, force=force) as unfinished:
        with (
            sink.session.translated(),
            taking(sink.session.engine, unfinished) as (connection, target),
        ):
            chosen = Selection(connection)
            progress("nodes")
            _choose(chosen, wanted)
            rows = {}
            for name in COPIED:
                progress(name)
                if name not in wanted.empty_tables:
                    query = chosen.rows(name, hide_names=wanted.hide_names)
                    rows[name] = target.take(connection, name, query)
            kinds = {Kind(kind).label: count for kind, count in chosen.kinds().items()}
            progress("indexes")
        size = unfinished.stat().st_size
    return Sliced({name: count for name, count in rows.items() if count}, kinds, size)


def _choose(chosen: Selection, wanted: SliceRequest) -> None:
    if wanted.ids:
        chosen.add_ids(wanted.ids)
    if wanted.run_ids or wanted.flow_ids:
        if not chosen.add_runs(wanted.run_ids, wanted.flow_ids):
            raise NotFound("No such runs are in this store.")
    elif not wanted.ids:
        chosen.add_everything()
    if wanted.down:
        chosen.walk(down=True, roles=wanted.roles, depth=wanted.depth)
    if wanted.up:
        chosen.walk(down=False, roles=wanted.roles, depth=wanted.depth)
    chosen.close()
