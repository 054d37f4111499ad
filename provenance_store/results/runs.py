"""Flow runs and their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta
from msgspec.structs import force_setattr

from provenance_store.results.base import Result, Time
from provenance_store.results.records import Part, Record
from provenance_store.validation.scalars import is_a

if TYPE_CHECKING:
    from provenance_store.results.listing import Listing

__all__ = ["Run", "RunLike", "RunStatus", "RunWithSteps", "StepDetail", "run_id_of"]

RunStatus = Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED", "ENDED"]


class StepDetail(Record, frozen=True, kw_only=True):
    """A step with what it used and made."""

    inputs: list[Part]
    outputs: list[Part]
    models: list[Part]
    counts: dict[str, int]
    left_out: Annotated[
        list[str],
        Meta(description="Documents of the step that only its record shows, such as its result."),
    ]


class Run(Result, frozen=True, kw_only=True):
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

    def __hash__(self) -> int:
        return hash(self.run_id)

    def __repr__(self) -> str:
        called = "" if self.label is None else f" {self.label!r}"
        return f"<run{called} {self.status} {self.run_id}>"


class RunWithSteps(Run, frozen=True, kw_only=True):
    """A flow run, and its steps in the order in which they began."""

    @property
    def steps(self) -> Listing[StepDetail]:
        """The steps, in the order in which they began, read as they are looked at."""
        found: Listing[StepDetail] = self.__dict__["_steps"]
        return found

    def to_dict(self) -> dict[str, Any]:
        """The document of the query API, with the first page of the steps."""
        return super().to_dict() | self.steps.to_dict()

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.steps._repr_html_()

    def _with(self, steps: Listing[StepDetail]) -> RunWithSteps:
        force_setattr(self, "_steps", steps)
        return self


RunLike = str | UUID | Run
"""A run: what a reader returned, or its id, of which the beginning will do where it is read."""


def run_id_of(given: RunLike) -> str:
    """The id of a run, or the beginning of it, as it was given."""
    return given.run_id if is_a(given, Run) else str(given)  # type: ignore[union-attr]
