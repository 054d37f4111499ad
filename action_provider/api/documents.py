"""The shapes of the query API's answers, for the OpenAPI document.

The store makes these documents; a test holds that they fit what is declared here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

__all__ = ["Line", "Lineage", "ModelPage", "RecordDetail", "RecordPage", "RunDetail", "RunPage"]

Time = Annotated[str, Meta(description="RFC 3339, in UTC.")]
MadeAt = Annotated[
    str | None,
    Meta(description="RFC 3339, in UTC; null of what was imported and has no known time."),
]
Kind = Literal["fact", "data", "model", "dataset", "step", "restricted"]
RunStatus = Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED", "ENDED"]


class Uri(msgspec.Struct):
    """Where bytes are; the size is in bytes."""

    uri: str
    size: int | None
    digest: str | None
    media_type: str | None


class Invalidated(msgspec.Struct):
    """Since when a record must not be relied on, why, and because of which record.

    Where the caller may not see the root, it is "restricted", and the time is null.
    """

    at: Time | None
    cause: str
    root: str


class Reduced(msgspec.Struct):
    """When the tags, metrics and documents of a record were dropped by age, and by which rule."""

    at: Time
    note: str


class Said(msgspec.Struct):
    """Something said of a record later."""

    mark: Literal["promoted", "invalidated", "restored", "reduced"]
    at: Time
    note: str


class Mention(msgspec.Struct, kw_only=True):
    """A record as another document mentions it.

    One that the caller may not see is a placeholder of the kind "restricted".
    """

    id: str
    kind: Kind
    name: str | None
    short_id: str | msgspec.UnsetType = msgspec.UNSET
    version: int | msgspec.UnsetType = msgspec.UNSET
    status: Annotated[
        str | msgspec.UnsetType,
        Meta(
            description="Of a step that did not succeed, or has not ended (ACTIVE), and of a model "
            "version that such a step made."
        ),
    ] = msgspec.UNSET
    restricted: bool | msgspec.UnsetType = msgspec.UNSET
    invalidated: Invalidated | msgspec.UnsetType = msgspec.UNSET


class Part(Mention, kw_only=True):
    """What a step used or made; `how` is the role."""

    how: str
    uris: list[Uri] | msgspec.UnsetType = msgspec.UNSET
    tags: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    scores: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET


class Candidate(Mention, kw_only=True):
    """A record that a reference may stand for; of a version with its line, if that is seen. Of
    several records also what they can be told by."""

    line: str | msgspec.UnsetType = msgspec.UNSET
    passed_over: Annotated[
        list[str] | msgspec.UnsetType,
        Meta(description="Versions that revise it, of steps that failed: a name is none of them."),
    ] = msgspec.UNSET
    created_at: MadeAt | msgspec.UnsetType = msgspec.UNSET
    run_id: str | msgspec.UnsetType | None = msgspec.UNSET
    uri: str | msgspec.UnsetType | None = msgspec.UNSET


class Named(msgspec.Struct, kw_only=True):
    """What a reference names: one record where it is clear, else the choices, newest first."""

    records: list[Candidate]
    hint: Annotated[
        str | msgspec.UnsetType, Meta(description="Where there is none: names that are like it.")
    ] = msgspec.UNSET


class LinkEnd(Mention, kw_only=True):
    """The other end of a link."""

    role: str


class Record(msgspec.Struct, kw_only=True):
    """A record. Models and steps have more fields than the others; in lists they come without
    hyperparameters, metrics, parameters, result and error."""

    id: Annotated[str, Meta(description="Its permanent name, urn:braid:…")]
    short_id: Annotated[str, Meta(description="Its short name, which holds in this store.")]
    kind: Kind
    name: str
    created_at: MadeAt
    owner: str | None
    run_id: str | None
    live: bool
    environment: str | None
    uris: list[Uri]
    tags: dict[str, Any]
    version: int | msgspec.UnsetType = msgspec.UNSET
    line: str | msgspec.UnsetType = msgspec.UNSET
    parent: str | msgspec.UnsetType | None = msgspec.UNSET
    hyperparameters: Any | msgspec.UnsetType = msgspec.UNSET
    metrics: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    scores: dict[str, float | None] | msgspec.UnsetType = msgspec.UNSET
    aliases: list[str] | msgspec.UnsetType = msgspec.UNSET
    type: str | msgspec.UnsetType = msgspec.UNSET
    status: Annotated[
        str | msgspec.UnsetType | None,
        Meta(
            description="Of a step, or of the step that made a model version, null if none did; "
            "ACTIVE until it ends."
        ),
    ] = msgspec.UNSET
    action_url: str | msgspec.UnsetType | None = msgspec.UNSET
    action_id: str | msgspec.UnsetType | None = msgspec.UNSET
    run_as: str | msgspec.UnsetType | None = msgspec.UNSET
    definition_digest: str | msgspec.UnsetType | None = msgspec.UNSET
    start_time: Time | msgspec.UnsetType | None = msgspec.UNSET
    completion_time: Time | msgspec.UnsetType | None = msgspec.UNSET
    members: Annotated[
        Any, Meta(description="Of directories the files in them, as far as they are listed.")
    ] = msgspec.UNSET
    parameters: Any | msgspec.UnsetType = msgspec.UNSET
    result: Any | msgspec.UnsetType = msgspec.UNSET
    error: Any | msgspec.UnsetType = msgspec.UNSET
    paths: Annotated[
        Any | msgspec.UnsetType,
        Meta(description="Of a step the paths that its function named, and which files they are."),
    ] = msgspec.UNSET
    invalidated: Invalidated | msgspec.UnsetType = msgspec.UNSET
    reduced: Reduced | msgspec.UnsetType = msgspec.UNSET


class DecisionAbout(msgspec.Struct, kw_only=True):
    """A decision that a record was an option of."""

    id: str
    short_id: str
    name: str
    at: str
    chosen: Annotated[bool, Meta(description="Whether it was taken, and not only considered.")]
    score: Any
    why: Any
    decider: Any
    policy: Any


class LateLink(msgspec.Struct, kw_only=True):
    """A link that was added after its record was closed: when, by whom, and by which rule."""

    role: str
    to: str
    at: Time
    by: str
    rule: str


class Noted(Mention, kw_only=True):
    """A mention of a record that says when it was made, and in which run."""

    created_at: MadeAt
    run_id: str | None


class Same(Noted, kw_only=True):
    """A record that is one thing with another, since their bytes are equal."""

    digest: str


class SamePlace(Noted, kw_only=True):
    """A record with a URI of another; whether they are one thing is not known."""

    uri: str


class ImportedBy(msgspec.Struct):
    """The import that brought a record: nobody here saw it happen."""

    id: str
    format: str
    at: str
    by: Annotated[
        str | None, Meta(description="The account, for who may see everything in the store.")
    ]


class RecordDetail(Record, kw_only=True):
    """A record with what was said of it later and its links, one hop each way."""

    decision: Annotated[
        Any | msgspec.UnsetType,
        Meta(description="Of a decision: question, options, chosen, why, decider, policy."),
    ] = msgspec.UNSET
    decisions: Annotated[
        list[DecisionAbout] | msgspec.UnsetType,
        Meta(description="The newest decisions that it was an option of, at most 10."),
    ] = msgspec.UNSET
    imported: ImportedBy | msgspec.UnsetType = msgspec.UNSET
    marks: list[Said]
    links: list[LinkEnd]
    dependents: list[LinkEnd]
    truncated: Annotated[bool, Meta(description="Whether there are more links than listed.")]
    late_links: list[LateLink] | msgspec.UnsetType = msgspec.UNSET
    same_as: list[Same] | msgspec.UnsetType = msgspec.UNSET
    same_uri: list[SamePlace] | msgspec.UnsetType = msgspec.UNSET


class StepDetail(Record, kw_only=True):
    """A step with what it used and made."""

    inputs: list[Part]
    outputs: list[Part]
    models: list[Part]
    counts: dict[str, int]
    left_out: Annotated[
        list[str],
        Meta(description="Documents of the step that only its record shows, such as its result."),
    ]


class Run(msgspec.Struct, kw_only=True):
    """A flow run, with the field names of Globus Flows."""

    run_id: str
    flow_id: str | None
    flow_title: str | None
    label: str | None
    status: RunStatus | None
    run_owner: Annotated[str | None, Meta(description="As whoever recorded the run says.")]
    recorded_by: Annotated[str | None, Meta(description="Who recorded the run: an identity URN.")]
    start_time: Time | None
    completion_time: Time | None
    last_heard_at: Annotated[
        Time | None,
        Meta(description="Of a run that goes on: when anything was last recorded of it."),
    ]
    tags: list[str]


class RunDetail(Run, kw_only=True):
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


class Match(Record, kw_only=True):
    """A model version that was looked for; `value` is its score or metric, if that was asked.

    It has `diverged` where that was not finite, or beyond single precision (3.4e38): it has no
    value then, and is last.
    """

    compared: Annotated[
        dict[str, Any],
        Meta(description="The values of parameters that `where` compared, by name."),
    ]
    value: float | None
    diverged: bool


class LineBrief(Mention, kw_only=True):
    """A line of model versions; in a search with the best or newest of those looked for, or with
    each of them, an item for each."""

    versions: int
    branches: int
    latest: Record
    match: Match | msgspec.UnsetType = msgspec.UNSET
    matches: int | msgspec.UnsetType = msgspec.UNSET


class ModelPage(Paged, kw_only=True):
    """Models, newest first; in a search for the best, the best first."""

    models: list[LineBrief]


class Version(Record, kw_only=True):
    """A model version, without its curve; it is a head when none revises it."""

    head: bool


class Naming(msgspec.Struct, kw_only=True):
    """An alias of a model, and the version that had it from one time until another, or has it."""

    alias: str
    version: Mention
    since: Time
    until: Time | None


class Line(Paged, kw_only=True):
    """A line with a page of its versions by number, and the names that versions had."""

    id: str
    name: str
    versions: list[Version]
    aliases: list[Naming]


class ModelVersion(Record, kw_only=True):
    """A model version with what made it and what came of it; lists have 1000 items at most."""

    environment_document: Annotated[
        Any, Meta(description="Hardware, software and code, of the version or of its step.")
    ]
    made_by: list[Mention]
    fine_tuned_from: list[Mention]
    trained_on: list[Mention]
    facts: Annotated[
        list[Mention], Meta(description="Code, configuration and other facts it depends on.")
    ]
    inputs: Annotated[list[Mention], Meta(description="What else the steps that made it used.")]
    revised_by: list[Mention]
    used_by: list[Mention]
    produced: Annotated[
        list[Mention], Meta(description="What steps made that used it, and what derives from it.")
    ]
    truncated: Annotated[bool, Meta(description="Whether any of the lists is cut.")]


class Versions(msgspec.Struct):
    """Which versions a folded node stands for."""

    first: int
    last: int
    count: int


class Node(Mention, kw_only=True):
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
