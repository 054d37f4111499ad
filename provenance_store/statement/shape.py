"""What a statement of this version looks like, field by field.

Fields that are not known are refused: a reader would take them for part of what was verified.
A later version of Braid that adds one gives it a default here, so that older statements stay
whole, and an older Braid says that it does not know the field.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["check_shape"]


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """An object with these fields and no others."""


class _Check(_Part):
    at: str
    size: int | None
    digest: str | None


class _Uri(_Part):
    uri: str
    size: int | None
    digest: str | None
    media_type: str | None
    checks: list[_Check]


class _Tag(_Part):
    type: str
    value: str


class _Document(_Part):
    bytes: int
    digest: str
    text: str | msgspec.UnsetType = msgspec.UNSET


class _Link(_Part):
    role: str
    to: str


class _Curve(_Part):
    values: int
    digest: str


class _Model(_Part):
    line: str
    parent: str | None
    version: int
    scores: dict[str, str | None]
    curve: _Curve


class _Step(_Part):
    type: str
    status: str
    action_url: str | None
    action_id: str | None
    run_as: str | None
    definition_digest: str | None
    started_at: str | None
    completed_at: str | None


class _Record(_Part):
    id: str
    kind: str
    name: str
    created_at: str
    opened_live: bool
    owner: str | None
    run_id: str | None
    environment: str | None
    uris: list[_Uri]
    tags: dict[str, _Tag]
    documents: dict[str, _Document]
    links: list[_Link]
    hidden_links: int
    model: _Model | msgspec.UnsetType = msgspec.UNSET
    step: _Step | msgspec.UnsetType = msgspec.UNSET


class _Leaf(_Part):
    id: str
    leaf: str
    record: _Record


class _Stub(_Part):
    id: str
    kind: str
    name: str | None


class _Invalidated(_Part):
    at: str | None
    cause: str
    root: str


class _Reduced(_Part):
    at: str
    note: str


class _Run(_Part):
    run_id: str
    flow_id: str | None
    flow_title: str | None
    label: str | None
    status: str | None
    run_owner: str | None
    recorded_by: str | None
    start_time: str | None
    completion_time: str | None
    tags: list[str]


class _Origin(_Part):
    who: str | None
    host: str | None
    process: int | None
    software: str | None
    started_at: str


class _Tree(_Part):
    hashing: str
    size: int
    root: str


class _Late(_Part, rename={"from_": "from"}):
    from_: str
    to: str
    role: str
    at: str
    by: str
    rule: str


class _Same(_Part, rename={"from_": "from"}):
    from_: str
    to: str
    digest: str
    at: str


class _Unconnected(_Part):
    id: str
    name: str
    status: str


class _Import(_Part):
    id: str
    format: str
    at: str
    by: str | None
    records: list[str]


class _Evidence(_Part):
    as_of: str
    root: str
    limit: int
    truncated: bool
    restricted: int
    scope: Literal["everything", "restricted"]
    stubs: list[_Stub]
    missing: list[str]
    open: list[str]
    invalidated: dict[str, _Invalidated]
    reduced: dict[str, _Reduced]
    runs: dict[str, _Run]
    origins: dict[str, _Origin]
    environments: dict[str, Any]
    tree: _Tree
    leaves: list[_Leaf]
    late_links: list[_Late] = []
    same_things: list[_Same] = []
    unconnected: list[_Unconnected] = []
    imports: list[_Import] = []


class _Predicate(_Part):
    """What is derived is compared as a whole, whatever its shape."""

    made_with: str
    claim: Any
    counts: Any
    chain: Any
    models: Any
    facts: Any
    begins_with: Any
    not_supported: Any
    evidence: _Evidence


class _Statement(_Part, rename={"type_": "_type", "predicate_type": "predicateType"}):
    type_: str
    subject: list[dict[str, Any]]
    predicate_type: str
    predicate: _Predicate


def check_shape(document: Any) -> None:
    """Raise msgspec.ValidationError, with the place, for a document of another shape."""
    msgspec.convert(document, _Statement)
