"""What records are and how they hang together: the named kinds, roles and marks.

The numbers are what the store keeps; they are never reused or changed.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Self

__all__ = [
    "CARRIES",
    "CURVES",
    "LARGEST",
    "PASSED_BY",
    "RUN_STATUSES",
    "SAME_AS",
    "Kind",
    "Level",
    "Mark",
    "Role",
    "Series",
    "Special",
    "TagType",
    "not_a_model",
]

RUN_STATUSES = ("ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED", "ENDED")
"""How a flow run stands: the words of Globus Flows, and ENDED where it is not known how."""


class _LabelledEnum(IntEnum):
    @property
    def label(self) -> str:
        """The name in documents and on the command line: lower case."""
        return self.name.lower()

    def __str__(self) -> str:
        return self.label

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        """A number that this version does not know: reading must not end at it.

        It is no member: whoever checks what comes in asks for the members.
        """
        if not isinstance(value, int):
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNKNOWN_{value}"
        unknown._value_ = value
        return unknown


class Kind(_LabelledEnum):
    """What a node of the graph is (Braid-DB's kinds; PROV entities but for the last)."""

    FACT = 1
    """Static knowledge: literature values, software, configuration."""
    DATA = 2
    """Something measured, simulated or computed."""
    MODEL = 3
    """One version of a machine-learning model."""
    DATASET = 4
    """A collection of records, used as one."""
    STEP = 5
    """Something that happened: a PROV activity."""


class Role(_LabelledEnum):
    """How a node depends on another; a link points from the dependent to what it depends on."""

    USED = 1
    """step -> input (prov:used)."""
    DEPLOYED = 2
    """step -> the model version that it put to work (prov:used with prov:role deployed)."""
    GENERATED_BY = 3
    """output -> step (prov:wasGeneratedBy)."""
    DERIVED_FROM = 4
    """record -> record (prov:wasDerivedFrom)."""
    TRAINED_ON = 5
    """model version -> what it was exposed to (prov:wasDerivedFrom)."""
    REVISION_OF = 6
    """model version -> the version before it (prov:wasRevisionOf)."""
    HAS_MEMBER = 7
    """dataset -> member (prov:hadMember)."""
    INFORMED_BY = 8
    """step -> an earlier step (prov:wasInformedBy)."""
    CHOSEN = 9
    """decision -> the option that was taken (prov:used with prov:role chosen)."""
    CONSIDERED = 10
    """decision -> an option that was not taken (prov:used with prov:role considered).

    What was decided does not rest on it: invalidity does not follow."""


def _same_as() -> Role:
    role = int.__new__(Role, -1)
    role._name_, role._value_ = "SAME_AS", -1
    return role


SAME_AS: Role = _same_as()
"""Shown in a lineage between records that are one thing. No link is stored with it, and it is no
member of the roles that links can have."""
PASSED_BY = (Role.INFORMED_BY, Role.CONSIDERED)
"""The roles that invalidity does not follow: a step that was only informed by an earlier one did
not use what that one made, and a decision does not rest on what it did not choose."""
CARRIES = tuple(role for role in Role if role not in PASSED_BY)
"""The roles that invalidity follows, from what is depended on to what depends."""


class TagType(_LabelledEnum):
    """The type of a tag's value."""

    STRING = 1
    INTEGER = 2
    FLOAT = 3
    BOOLEAN = 4
    REMOVED = 5
    """The tag was taken away: there is no value."""


class Series(_LabelledEnum):
    """Which numbers a metric belongs to."""

    METRIC = 1
    """A value at an epoch of training: the convergence curve."""
    SCORE = 2
    """A validation score of the finished version; its step is 0."""
    STEP = 3
    """A value at an optimizer step of training: of this curve the epoch is a value too."""


CURVES = (Series.METRIC, Series.STEP)
"""The series that are a convergence curve."""


LARGEST = 3.4028234663852886e38
"""The largest number of single precision, which models are trained in: a loss that is beyond it, or
not finite, has diverged."""


class Special(_LabelledEnum):
    """A number that is not finite, as JSON writes it in text."""

    NAN = 1
    POSITIVE_INFINITY = 2
    NEGATIVE_INFINITY = 3

    @classmethod
    def of(cls, number: float) -> Special:
        """The one that a float is, which must not be finite."""
        if math.isnan(number):
            return cls.NAN
        return cls.POSITIVE_INFINITY if number > 0 else cls.NEGATIVE_INFINITY

    @property
    def number(self) -> float:
        """The float."""
        return {1: math.nan, 2: math.inf, 3: -math.inf}[self.value]

    @property
    def text(self) -> str:
        """The text that stands for it in documents."""
        return {1: "NaN", 2: "Infinity", 3: "-Infinity"}[self.value]


class Mark(_LabelledEnum):
    """Something said about a record after it was written; the latest counts."""

    PROMOTED = 1
    """Live data became static: it takes no more additions."""
    INVALIDATED = 2
    """It must not be relied on, and nothing that derives from it; the note says why."""
    RESTORED = 3
    """It may be relied on again."""
    REDUCED = 4
    """Its tags, metrics and documents were dropped by age; the note says by which rule."""


class Level(_LabelledEnum):
    """What a member of an audience may do."""

    READ = 1
    MANAGE = 2


def not_a_model(reference: object, kind: str) -> str:
    """What is wrong with a reference to a record of another kind, where a model is needed."""
    what = "data" if kind == Kind.DATA.label else f"a {kind}"
    return f"{reference} is {what}, not a model; give the name of a model or one of its versions."
