"""The shapes of the query API's answers, for the OpenAPI document.

The store makes these documents; a test holds that they fit what is declared here. What is in them
is declared in `provenance_store.results`, which Python's readers return too.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from provenance_store.results.models import LineBrief, ModelVersion, Naming, Version
from provenance_store.results.records import Candidate, Mention, Record, RecordDetail
from provenance_store.results.runs import Run, StepDetail

__all__ = [
    "Lineage",
    "ModelLine",
    "ModelPage",
    "ModelVersion",
    "RecordDetail",
    "RecordPage",
    "RunDetail",
    "RunPage",
]


class NamedRecords(msgspec.Struct, kw_only=True):
    """What a reference names: one record where it is clear, else the choices, newest first."""

    records: list[Candidate]
    hint: Annotated[
        str | msgspec.UnsetType, Meta(description="Where there is none: names that are like it.")
    ] = msgspec.UNSET


class RunDetail(Run, frozen=True, kw_only=True):
    """A run with a page of its steps, in the order in which they began."""

    steps: list[StepDetail]
    limit: int
    has_next_page: bool
    marker: str | None


class Paged(msgspec.Struct, kw_only=True):
    """Where a page stands in its list."""

    limit: int
    has_next_page: bool
    marker: str | None


Hint = Annotated[
    str | msgspec.UnsetType,
    Meta(description="Of an empty page: a name that was asked for, and those that are like it."),
]


class RunPage(Paged, kw_only=True):
    """Runs, latest start first."""

    runs: list[Run]
    hint: Hint = msgspec.UNSET


class RecordPage(Paged, kw_only=True):
    """Records, newest first."""

    records: list[Record]
    hint: Hint = msgspec.UNSET


class ModelPage(Paged, kw_only=True):
    """Models, newest first; in a search for the best, the best first."""

    models: list[LineBrief]


class ModelLine(Paged, kw_only=True):
    """A line with a page of its versions by number, and the names that versions had."""

    id: str
    name: str
    versions: list[Version]
    aliases: list[Naming]


class Versions(msgspec.Struct):
    """Which versions a folded node stands for."""

    first: int
    last: int
    count: int


class Node(Mention, frozen=True, kw_only=True):
    """A node of a lineage, so many hops from where it began.

    A stub is one that a slice left out; a folded node stands for several versions of a model.
    """

    distance: int
    stub: bool | msgspec.UnsetType = msgspec.UNSET
    versions: Versions | msgspec.UnsetType = msgspec.UNSET


class Link(msgspec.Struct, rename={"from_id": "from", "to_id": "to"}):
    """The one depends on the other."""

    from_id: str
    to_id: str
    role: str
    through: Annotated[
        list[str] | msgspec.UnsetType,
        Meta(
            description="Of a link influenced_by the names of what is not shown between the two, "
            "where one record is: mostly a step."
        ),
    ] = msgspec.UNSET


class Lineage(msgspec.Struct, kw_only=True):
    """What was reached; `truncated` when there was more than the limit."""

    root: str
    direction: Literal["up", "down", "both"]
    depth: int | None
    nodes: list[Node]
    links: list[Link]
    truncated: bool
