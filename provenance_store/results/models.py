"""Models and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from msgspec.structs import force_setattr

from provenance_store.enums import Kind
from provenance_store.errors import InvalidInput
from provenance_store.references import NamesRecord
from provenance_store.results.base import LEFT_OUT, Absent, Result, Time
from provenance_store.results.records import Mention, Record, shown

if TYPE_CHECKING:
    from provenance_store.results.listing import Listing

__all__ = ["LineBrief", "Match", "Model", "ModelVersion", "Naming", "Version"]


class Match(Record, frozen=True, kw_only=True):
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


class LineBrief(Mention, frozen=True, kw_only=True):
    """A line of model versions; in a search with the best or newest of those looked for, or with
    each of them, an item for each."""

    versions: int
    branches: int
    latest: Record
    match: Match | Absent = LEFT_OUT
    matches: int | Absent = LEFT_OUT

    def __repr__(self) -> str:
        return f"<model {self.name!r} of {self.versions} versions {self.id}>"

    def _spelled(self) -> str:
        """Where a record is wanted, the version that was looked for, or the latest one."""
        return (self.match or self.latest).id


class Version(Record, frozen=True, kw_only=True):
    """A model version, without its curve; it is a head when none revises it."""

    head: bool


class Naming(Result, frozen=True, kw_only=True):
    """An alias of a model, and the version that had it from one time until another, or has it."""

    alias: str
    version: Mention
    since: Time
    until: Time | None


class Model(Result, NamesRecord, frozen=True, kw_only=True):
    """A line of model versions, and the names that versions had."""

    id: str
    name: str
    aliases: list[Naming]

    @property
    def versions(self) -> Listing[Version]:
        """The versions by number, branches of one number by age, read as they are looked at."""
        found: Listing[Version] = self.__dict__["_versions"]
        return found

    @property
    def urn(self) -> str:
        """The permanent name of its first version."""
        return self.id

    def to_dict(self) -> dict[str, Any]:
        """The document of the query API, with the first page of the versions."""
        return super().to_dict() | self.versions.to_dict()

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return shown(Kind.MODEL, self.name, None, self.id)

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.versions._repr_html_()

    def _spelled(self) -> str:
        raise InvalidInput(
            f"The model {self.name!r} has several versions; give one of them, such as "
            "model.versions.first(), or its name for the newest."
        )

    def _with(self, versions: Listing[Version]) -> Model:
        force_setattr(self, "_versions", versions)
        return self


class ModelVersion(Record, frozen=True, kw_only=True):
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
