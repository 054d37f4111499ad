"""Records, and how other documents mention them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from provenance_store.enums import Kind
from provenance_store.errors import NotFound
from provenance_store.references import NamesRecord
from provenance_store.results.base import (
    LEFT_OUT,
    RESTRICTED,
    Absent,
    AnyKind,
    MadeAt,
    MarkName,
    Number,
    RecordKind,
    Result,
    RoleName,
    Time,
)

__all__ = [
    "Candidate",
    "DecisionAbout",
    "ImportedBy",
    "Invalidated",
    "LateLink",
    "LinkEnd",
    "Mention",
    "Noted",
    "Part",
    "Record",
    "RecordDetail",
    "Reduced",
    "Said",
    "Same",
    "SamePlace",
    "Uri",
]


class Uri(Result, frozen=True, kw_only=True):
    """Where bytes are; the size is in bytes."""

    uri: str
    size: int | None
    digest: str | None
    media_type: str | None


class Invalidated(Result, frozen=True, kw_only=True):
    """Since when a record must not be relied on, why, and because of which record.

    Where the caller may not see the root, it is "restricted", and the time is null.
    """

    at: Time | None
    cause: str
    root: str


class Reduced(Result, frozen=True, kw_only=True):
    """When the tags, metrics and documents of a record were dropped by age, and by which rule."""

    at: Time
    note: str


class Said(Result, frozen=True, kw_only=True):
    """Something said of a record later."""

    mark: MarkName
    at: Time
    note: str


class Mention(Result, NamesRecord, frozen=True, kw_only=True):
    """A record as another document mentions it.

    One that the caller may not see is a placeholder of the kind "restricted".
    """

    id: str
    kind: AnyKind
    name: str | None
    short_id: str | Absent = LEFT_OUT
    version: int | Absent = LEFT_OUT
    status: Annotated[
        str | Absent,
        Meta(
            description="Of a step that did not succeed, or has not ended (ACTIVE), and of a model "
            "version that such a step made."
        ),
    ] = LEFT_OUT
    restricted: bool | Absent = LEFT_OUT
    invalidated: Invalidated | Absent = LEFT_OUT

    @property
    def urn(self) -> str:
        """The permanent name; ``restricted:<number>`` for what the viewer may not see."""
        return self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return shown(self.kind, self.name, self.version, self.id)

    def _spelled(self) -> str:
        return _seen(self.id)


class Part(Mention, frozen=True, kw_only=True):
    """What a step used or made; `how` is the role."""

    how: str
    uris: list[Uri] | Absent = LEFT_OUT
    tags: dict[str, Any] | Absent = LEFT_OUT
    scores: dict[str, Number] | Absent = LEFT_OUT


class Candidate(Mention, frozen=True, kw_only=True):
    """A record that a reference may stand for; of a version with its line, if that is seen. Of
    several records also what they can be told by."""

    line: str | Absent = LEFT_OUT
    passed_over: Annotated[
        list[str] | Absent,
        Meta(description="Versions that revise it, of steps that failed: a name is none of them."),
    ] = LEFT_OUT
    created_at: MadeAt | Absent = LEFT_OUT
    run_id: str | Absent | None = LEFT_OUT
    uri: str | Absent | None = LEFT_OUT


class LinkEnd(Mention, frozen=True, kw_only=True):
    """The other end of a link."""

    role: RoleName


class Record(Result, NamesRecord, frozen=True, kw_only=True):
    """A record. Models and steps have more fields than the others; in lists they come without
    hyperparameters, metrics, parameters, result and error."""

    id: Annotated[str, Meta(description="Its permanent name, urn:braid:…")]
    short_id: Annotated[str, Meta(description="Its short name, which holds in this store.")]
    kind: RecordKind
    name: str
    created_at: MadeAt
    owner: str | None
    run_id: str | None
    live: bool
    environment: str | None
    uris: list[Uri]
    tags: dict[str, Any]
    version: int | Absent = LEFT_OUT
    line: str | Absent = LEFT_OUT
    parent: str | Absent | None = LEFT_OUT
    hyperparameters: Any | Absent = LEFT_OUT
    metrics: list[dict[str, Any]] | Absent = LEFT_OUT
    scores: dict[str, Number] | Absent = LEFT_OUT
    aliases: list[str] | Absent = LEFT_OUT
    type: str | Absent = LEFT_OUT
    status: Annotated[
        str | Absent | None,
        Meta(
            description="Of a step, or of the step that made a model version, null if none did; "
            "ACTIVE until it ends."
        ),
    ] = LEFT_OUT
    action_url: str | Absent | None = LEFT_OUT
    action_id: str | Absent | None = LEFT_OUT
    run_as: str | Absent | None = LEFT_OUT
    definition_digest: str | Absent | None = LEFT_OUT
    start_time: Time | Absent | None = LEFT_OUT
    completion_time: Time | Absent | None = LEFT_OUT
    members: Annotated[
        Any, Meta(description="Of directories the files in them, as far as they are listed.")
    ] = LEFT_OUT
    parameters: Any | Absent = LEFT_OUT
    result: Any | Absent = LEFT_OUT
    error: Any | Absent = LEFT_OUT
    paths: Annotated[
        Any | Absent,
        Meta(description="Of a step the paths that its function named, and which files they are."),
    ] = LEFT_OUT
    invalidated: Invalidated | Absent = LEFT_OUT
    reduced: Reduced | Absent = LEFT_OUT

    @property
    def urn(self) -> str:
        """The permanent name, ``urn:braid:<origin uuid>:<sequence>``."""
        return self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return shown(self.kind, self.name, self.version, self.id)

    def _spelled(self) -> str:
        return self.id


class DecisionAbout(Result, frozen=True, kw_only=True):
    """A decision that a record was an option of."""

    id: str
    short_id: str
    name: str
    at: Time
    chosen: Annotated[bool, Meta(description="Whether it was taken, and not only considered.")]
    score: Any
    why: Any
    decider: Any
    policy: Any


class LateLink(Result, frozen=True, kw_only=True):
    """A link that was added after its record was closed: when, by whom, and by which rule."""

    role: RoleName
    to: str
    at: Time
    by: str
    rule: str


class Noted(Mention, frozen=True, kw_only=True):
    """A mention of a record that says when it was made, and in which run."""

    created_at: MadeAt
    run_id: str | None


class Same(Noted, frozen=True, kw_only=True):
    """A record that is one thing with another, since their bytes are equal."""

    digest: str


class SamePlace(Noted, frozen=True, kw_only=True):
    """A record with a URI of another; whether they are one thing is not known."""

    uri: str


class ImportedBy(Result, frozen=True, kw_only=True):
    """The import that brought a record: nobody here saw it happen."""

    id: str
    format: str
    at: Time
    by: Annotated[
        str | None, Meta(description="The account, for who may see everything in the store.")
    ]


class RecordDetail(Record, frozen=True, kw_only=True):
    """A record with what was said of it later and its links, one hop each way."""

    decision: Annotated[
        Any | Absent,
        Meta(description="Of a decision: question, options, chosen, why, decider, policy."),
    ] = LEFT_OUT
    decisions: Annotated[
        list[DecisionAbout] | Absent,
        Meta(description="The newest decisions that it was an option of, at most 10."),
    ] = LEFT_OUT
    imported: ImportedBy | Absent = LEFT_OUT
    marks: list[Said]
    links: list[LinkEnd]
    dependents: list[LinkEnd]
    truncated: Annotated[bool, Meta(description="Whether there are more links than listed.")]
    late_links: list[LateLink] | Absent = LEFT_OUT
    same_as: list[Same] | Absent = LEFT_OUT
    same_uri: list[SamePlace] | Absent = LEFT_OUT


def shown(kind: Kind | None, name: str | None, version: int | None, urn: str) -> str:
    """A record in one line, as `repr` shows it."""
    number = "" if version is None else f" v{version}"
    called = "" if name is None else f" {name!r}"
    return f"<{RESTRICTED if kind is None else kind.label}{called}{number} {urn}>"


def _seen(urn: str) -> str:
    if urn.startswith(RESTRICTED):
        raise NotFound("A record that you may not see cannot be named.")
    return urn
