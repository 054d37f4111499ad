"""The query parameters of the query API, a struct for each list."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = ["LineageParameters", "ModelsParameters", "NoParameters", "RecordsParameters"]
__all__ += ["ModelParameters", "NameParameters", "RunParameters", "RunsParameters"]

TIME = "RFC 3339 time, date, or a time ago such as 90m or 7d; without an offset it is taken as UTC."

MAX_TAG_FILTERS = 20

Text = Annotated[str, Meta(max_length=8192)]
KindName = Literal["fact", "data", "model", "dataset", "step"]
RoleName = Literal[
    "used",
    "deployed",
    "generated_by",
    "derived_from",
    "trained_on",
    "revision_of",
    "has_member",
    "informed_by",
]


class NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing."""


class Page(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which page of a list."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="Items on a page.")] = 25
    marker: Annotated[
        Text | None,
        Meta(description="The marker of the page before, with the same filters."),
    ] = None


class NameParameters(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is looked for."""

    reference: Annotated[
        Text,
        Meta(
            min_length=1,
            description="A URN, a short id, a URI, a name, or NAME@v3 for a version of a model; "
            "NAME@ALIAS for the one that has an alias. Of a model the name is its newest version.",
        ),
    ]


class RunParameters(Page, kw_only=True):
    """Which steps of the run."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="Steps on a page.")] = 100


class Period(Page, kw_only=True):
    """A list with times."""

    since: Annotated[Text | None, Meta(description=f"From then on: {TIME}")] = None
    until: Annotated[Text | None, Meta(description=f"Up to then: {TIME}")] = None


class RunsParameters(Period, kw_only=True):
    """Which runs."""

    flow_id: Annotated[Text | None, Meta(description="The flow's id.")] = None
    status: Annotated[
        Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED", "ENDED"] | None,
        Meta(description="How the run stands."),
    ] = None
    owner: Annotated[Text | None, Meta(description="The run owner's identity URN.")] = None
    label: Annotated[Text | None, Meta(description="The run's label; * is anything.")] = None
    tag: Annotated[
        Text | None,
        Meta(
            description="A tag of the run, or a condition on a tag of one of its steps, such as "
            "temperature_K>290."
        ),
    ] = None


class RecordsParameters(Period, kw_only=True):
    """Which records."""

    kind: Annotated[
        Literal["fact", "data", "model", "dataset", "step"] | None,
        Meta(description="What the record is."),
    ] = None
    name: Annotated[Text | None, Meta(description="Its name; * is anything.")] = None
    uri: Annotated[Text | None, Meta(description="One of its URIs; * is anything.")] = None
    digest: Annotated[Text | None, Meta(description="Digest of its bytes.")] = None
    tag: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=MAX_TAG_FILTERS,
            description="A condition on a tag: sample, sample=Ni, temperature_K>290. "
            "It may be given several times; all must hold.",
        ),
    ] = ()
    run_id: Annotated[Text | None, Meta(description="The run that it was made in.")] = None
    status: Annotated[
        Text | None,
        Meta(
            description="How a step ended: FAILED, SUCCEEDED, ACTIVE for one without an end, or "
            "another status that a step has. since and until are then about when it ended, or "
            "began if it has not."
        ),
    ] = None
    owner: Annotated[Text | None, Meta(description="Its owner's identity URN.")] = None


class ModelsParameters(Page, kw_only=True):
    """Which models."""

    name: Annotated[Text | None, Meta(description="The model's name; * is anything.")] = None
    trained_on: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=MAX_TAG_FILTERS,
            description="A record that a version was trained on, directly or not: its id, or a "
            "URI. It may be given several times; all must hold.",
        ),
    ] = ()
    tag: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=MAX_TAG_FILTERS,
            description="A condition on a tag, as for records: of a version, or of what it was "
            "trained on and what that came from, facts that it depends on, steps that made it.",
        ),
    ] = ()
    where: Annotated[
        tuple[Text, ...],
        Meta(
            max_length=MAX_TAG_FILTERS,
            description="A condition on a hyperparameter of a version, or on a parameter of the "
            "step that made it: lr<0.01, optimizer.name=adam. It may be given several times.",
        ),
    ] = ()
    alias: Annotated[Text | None, Meta(description="The version that has this alias.")] = None
    as_of: Annotated[
        Text | None,
        Meta(description=f"What was made before, and aliases as they were then: {TIME}"),
    ] = None
    best: Annotated[
        Text | None,
        Meta(
            description="A validation score, or else a metric, whose last value counts: the best "
            "version of each model is its match, the lowest first."
        ),
    ] = None
    highest: Annotated[bool, Meta(description="With best: the highest first.")] = False
    valid: Annotated[bool, Meta(description="Only versions that are not invalid.")] = False
    model: Annotated[
        Text | None,
        Meta(description="Only versions of this model: its name, or any of its versions."),
    ] = None
    versions: Annotated[
        bool,
        Meta(description="An item for each version that fits, and not one for each model."),
    ] = False


class ModelParameters(Page, kw_only=True):
    """Which versions of the model."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="Versions on a page.")] = 100


class LineageParameters(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How far to walk, and which way."""

    direction: Annotated[
        Literal["up", "down", "both"],
        Meta(description="up: what the record depends on; down: what depends on it."),
    ] = "up"
    depth: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="At most so many hops; steps are counted."),
    ] = None
    roles: Annotated[
        tuple[RoleName, ...],
        Meta(description="Go over links of this role only; it may be given several times."),
    ] = ()
    kinds: Annotated[
        tuple[KindName, ...],
        Meta(
            description="Show nodes of this kind only, the root and what may not be seen besides; "
            "the others are walked through, and a link of the role influenced_by stands for such "
            "a way; through datasets that hold the other one it has its own role, such as "
            "trained_on. It may be given several times."
        ),
    ] = ()
    folded: Annotated[
        bool, Meta(description="One node for all versions of the models of one name.")
    ] = False
    limit: Annotated[int, Meta(ge=1, le=100_000, description="At most so many nodes.")] = 10_000
