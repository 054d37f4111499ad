"""What all results have in common: documents of the query API as objects with attributes.

The classes are the shapes of the documents too: OpenAPI describes them from the same
declarations, with the types that JSON has. In Python a time is an aware datetime in UTC, a kind,
role or mark the member of its enumeration, a number that is not finite a float, and what a document
leaves out None. `Result.to_dict` gives the document again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta
from msgspec.structs import force_setattr

from provenance_store.enums import SAME_AS, Kind, Mark, Role, Special
from provenance_store.errors import BadFile
from provenance_store.results.html import details
from provenance_store.times import rfc3339

__all__ = [
    "LEFT_OUT",
    "RESTRICTED",
    "Absent",
    "AnyKind",
    "MadeAt",
    "MarkName",
    "Number",
    "RecordKind",
    "Result",
    "RoleName",
    "Time",
    "read",
]

RESTRICTED = "restricted"
"""The kind, in documents, of what the viewer may not see."""
LEFT_OUT: Any = UNSET
"""The default of a field that some documents leave out."""

if TYPE_CHECKING:  # what Python has
    Time = datetime
    MadeAt = datetime | None
    RecordKind = Kind
    AnyKind = Kind | None
    RoleName = Role
    MarkName = Mark
    Number = float | None
    Absent: TypeAlias = None
else:  # what JSON has
    Time = Annotated[datetime, Meta(description="RFC 3339, in UTC.")]
    MadeAt = Annotated[
        datetime | None,
        Meta(description="RFC 3339, in UTC; null of what was imported and has no known time."),
    ]
    RecordKind = AnyKind = Annotated[
        str, Meta(extra_json_schema={"enum": sorted([*(kind.label for kind in Kind), RESTRICTED])})
    ]
    RoleName = str
    MarkName = Annotated[str, Meta(extra_json_schema={"enum": sorted(mark.label for mark in Mark)})]
    Number = Annotated[
        float | str | None,
        Meta(description="A number; NaN, Infinity and -Infinity are written as text."),
    ]
    Absent = msgspec.UnsetType

_ENUMS: dict[str, type[IntEnum]] = {"kind": Kind, "role": Role, "mark": Mark}
"""The fields of documents that name a member of an enumeration."""
_NUMBERS = ("scores", "metrics")
"""The fields whose texts are numbers that are not finite."""
_SPECIAL = {special.text: special.number for special in Special}

T = TypeVar("T")


class Result(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """A document of the query API with attributes; what it leaves out is None."""

    def __post_init__(self) -> None:
        absent = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is UNSET:
                absent.append(name)
                force_setattr(self, name, None)
            elif name in _ENUMS and type(value) is str:
                force_setattr(self, name, _member(_ENUMS[name], value))
            elif name in _NUMBERS:
                force_setattr(self, name, _numbers(value))
        force_setattr(self, "_absent", frozenset(absent))

    def to_dict(self) -> dict[str, Any]:
        """The document of the query API: nothing but what JSON has, times as RFC 3339 text."""
        return {
            name: _word(name, value) if name in _ENUMS else _document(value)
            for name, value in self._present()
        }

    def _present(self) -> Iterator[tuple[str, Any]]:
        """The fields that the document has, with their values."""
        absent: frozenset[str] = self.__dict__["_absent"]
        return (
            (name, getattr(self, name)) for name in self.__struct_fields__ if name not in absent
        )

    def _repr_html_(self) -> str:
        return details(Result.to_dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return read, (self.to_dict(), type(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self


def read(document: Mapping[str, Any], kind: type[T]) -> T:
    """A document as a result of that class.

    Raises BadFile where a store that no Braid wrote has values of other types.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise BadFile(
            f"The store is damaged and cannot be read here: {error}. "
            "`braid store check` lists everything that is wrong."
        ) from None


def _member(enum: type[IntEnum], word: str) -> IntEnum | str | None:
    """The member of that name; None for what may not be seen, the word itself where there is none,
    or a number where that is of a later version."""
    if (member := enum.__members__.get(word.upper())) is not None:
        return member
    if word == RESTRICTED:
        return None
    if enum is Role and word == SAME_AS.label:
        return SAME_AS
    unknown, _, number = word.rpartition("_")
    return enum(int(number)) if unknown == "unknown" and number.isdecimal() else word


def _word(name: str, value: Any) -> Any:
    if value is None:
        return RESTRICTED if name == "kind" else None
    return value.name.lower() if isinstance(value, IntEnum) else value


def _numbers(value: Any) -> Any:
    """Scores by name, or the points of a curve, with floats for numbers that are not finite."""
    if isinstance(value, list):
        return [_numbers(point) for point in value]
    if isinstance(value, dict):
        return {
            name: _SPECIAL.get(number, number) if type(number) is str else number
            for name, number in value.items()
        }
    return value


def _document(value: Any) -> Any:
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Mapping):
        return {name: _document(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_document(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return Special.of(value).text
    return value
