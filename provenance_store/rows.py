"""The rows of the store's tables, one NamedTuple a table, fields in the order of its columns.

A row is a plain tuple to the database driver and to the wire. Times are microseconds since 1970
(UTC), sizes bytes, digests ``algorithm:hex``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "ROWS",
    "ActionRow",
    "AliasRow",
    "AudienceMemberRow",
    "AudienceRow",
    "EnvironmentRow",
    "FileCheckRow",
    "LateLinkRow",
    "LinkRow",
    "MarkRow",
    "MetricRow",
    "OriginRow",
    "OutcomeRow",
    "PayloadRow",
    "RecordRow",
    "RunEventRow",
    "RunTagRow",
    "SameAsRow",
    "StepRow",
    "StubRow",
    "TagRow",
    "UriRow",
    "VersionRow",
]


class OriginRow(NamedTuple):
    """A writing session. `no` is local to one store or one batch, `uuid` holds everywhere."""

    no: int
    uuid: str
    who: str
    host: str
    process: int
    software: str
    started_at: int


class EnvironmentRow(NamedTuple):
    """Hardware, software and code version, stored once under the digest of its JSON document."""

    digest: str
    document: str


class AudienceRow(NamedTuple):
    """Who owns and who may see: stored once under the digest of owner and members."""

    digest: str
    owner: str


class AudienceMemberRow(NamedTuple):
    """One principal (a Globus identity or group URN) of an audience; `level` is a Level."""

    digest: str
    principal: str
    level: int


class RecordRow(NamedTuple):
    """A node of the graph. `kind` is a Kind; `live` is 1 while it was opened for additions."""

    id: int
    kind: int
    name: str
    created_at: int
    live: int
    run_id: str | None
    environment: str | None
    audience: str | None


class StepRow(NamedTuple):
    """What is known of a step when it starts; `id` is its record's."""

    id: int
    type: str
    action_url: str | None
    action_id: str | None
    run_as: str | None
    definition_digest: str | None
    ordinal: int | None
    started_at: int | None


class OutcomeRow(NamedTuple):
    """How a step ended; a step without one is still active or was cut off."""

    id: int
    status: str
    completed_at: int | None


class VersionRow(NamedTuple):
    """Where a model version stands: `line_id` is version 0 of its line, `depth` its number."""

    id: int
    line_id: int
    parent_id: int | None
    depth: int


class StubRow(NamedTuple):
    """A node that was left out of a slice: `kind` is a Kind, `name` None where it is hidden."""

    id: int
    kind: int
    name: str | None


class LinkRow(NamedTuple):
    """`from_id` depends on `to_id`; `role` is a Role."""

    to_id: int
    from_id: int
    role: int


class LateLinkRow(NamedTuple):
    """Who added a link after its step had ended, by which rule: stands beside the row in `link`.

    `by` is a principal, or the login name of who opened the store; `rule` says in a few words what
    the link was found by.
    """

    from_id: int
    id: int
    to_id: int
    role: int
    at: int
    by: str
    rule: str


class SameAsRow(NamedTuple):
    """Two records are one thing, since their bytes are equal: a row in each direction."""

    record_id: int
    other_id: int
    id: int
    at: int
    digest: str


class AliasRow(NamedTuple):
    """A name that a version of a model line was given at one time; the latest (at, id) counts.

    `version_id` None takes the name away.
    """

    line_id: int
    name: str
    id: int
    version_id: int | None
    at: int


class UriRow(NamedTuple):
    """Where a record's bytes are."""

    record_id: int
    uri: str
    size: int | None
    digest: str | None
    media_type: str | None


class FileCheckRow(NamedTuple):
    """The size and digest that the file at one URI of a record was found to have at a time.

    A record's own rows never change; this is how a digest becomes known afterwards.
    """

    record_id: int
    id: int
    uri: str
    at: int
    size: int
    digest: str


class TagRow(NamedTuple):
    """A tag as set at one time; the latest (set_at, id) of a name is the current value.

    `text` is the exact value (``true``/``false`` for booleans), `number` the same as a double
    for comparisons.
    """

    record_id: int
    name: str
    id: int
    type: int
    text: str
    number: float | None
    set_at: int


class MetricRow(NamedTuple):
    """A number of a model version: `series` is a Series, `step` the epoch or step, any number.

    `value` is None where the number was not finite; `special`, a Special, then says which it was,
    or None where that is not known.
    """

    record_id: int
    series: int
    name: str
    step: int | float
    value: float | None
    special: int | None = None


class PayloadRow(NamedTuple):
    """A JSON document of a record: parameters, result, error, hyperparameters."""

    record_id: int
    name: str
    document: str


class MarkRow(NamedTuple):
    """Something said of a record later; `mark` is a Mark.

    `cause_id` is the record itself where it is invalidated or restored: its descendants have no
    marks of their own, they follow it.
    """

    id: int
    record_id: int
    mark: int
    at: int
    note: str
    cause_id: int | None


class RunEventRow(NamedTuple):
    """What became known of a flow run at one time; a field that is None says nothing."""

    run_id: str
    id: int
    at: int
    flow_id: str | None
    flow_title: str | None
    label: str | None
    status: str | None
    run_owner: str | None
    start_time: int | None
    completion_time: int | None
    audience: str | None


class RunTagRow(NamedTuple):
    """A Globus tag of a run."""

    run_id: str
    tag: str


class ActionRow(NamedTuple):
    """An answered action of the action provider; `document` is its status as JSON."""

    action_id: str
    creator: str
    request_id: str
    body_digest: str
    status: str
    document: str
    step_id: int | None
    audience: str
    created_at: int
    release_at: int


ROWS: dict[str, type[tuple[Any, ...]]] = {
    "origin": OriginRow,
    "environment": EnvironmentRow,
    "audience": AudienceRow,
    "audience_member": AudienceMemberRow,
    "record": RecordRow,
    "step": StepRow,
    "outcome": OutcomeRow,
    "version": VersionRow,
    "stub": StubRow,
    "uri": UriRow,
    "file_check": FileCheckRow,
    "tag": TagRow,
    "metric": MetricRow,
    "payload": PayloadRow,
    "mark": MarkRow,
    "link": LinkRow,
    "late_link": LateLinkRow,
    "same_as": SameAsRow,
    "alias": AliasRow,
    "run_event": RunEventRow,
    "run_tag": RunTagRow,
    "action": ActionRow,
}
"""The row of each table that a batch carries."""
