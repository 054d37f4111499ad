"""What readers return: the documents of the query API as objects, and lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance_store.lazy_exports import names_of

if TYPE_CHECKING:
    from provenance_store.results.base import Result
    from provenance_store.results.listing import Listing
    from provenance_store.results.models import LineBrief, Match, Model, ModelVersion, Version
    from provenance_store.results.records import Mention, Record, RecordDetail
    from provenance_store.results.runs import Run, RunWithSteps, StepDetail
    from provenance_store.results.statement import Statement

__all__ = [
    "LineBrief",
    "Listing",
    "Match",
    "Mention",
    "Model",
    "ModelVersion",
    "Record",
    "RecordDetail",
    "Result",
    "Run",
    "RunWithSteps",
    "Statement",
    "StepDetail",
    "Version",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "provenance_store.results.base": ("Result",),
        "provenance_store.results.listing": ("Listing",),
        "provenance_store.results.models": (
            "LineBrief",
            "Match",
            "Model",
            "ModelVersion",
            "Version",
        ),
        "provenance_store.results.records": ("Mention", "Record", "RecordDetail"),
        "provenance_store.results.runs": ("Run", "RunWithSteps", "StepDetail"),
        "provenance_store.results.statement": ("Statement",),
    },
)
