"""What a body says of things that are recorded already: by id, by URI, by a step's receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flows.steps.validation_errors import BodyRefused
from provenance_store.ids import looks_like_id

__all__ = [
    "MAKING",
    "IdReference",
    "Item",
    "PathReference",
    "ReceiptReference",
    "Reference",
    "Unrecorded",
    "UriReference",
    "read_receipt",
]

MAX_RECEIPT_ITEMS = 1_000
MAKING = ("trained", "updated")
"""How a model takes part in a step that makes a version of it."""


class Item:
    """An input or output: a Reference to what is recorded already, or Defined here."""

    __slots__ = ()


class Reference(Item):
    """What is recorded already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class IdReference(Reference):
    """By URN or short id."""

    id: str


@dataclass(frozen=True, slots=True)
class UriReference(Reference):
    """By the URI of its bytes; what is not known yet is recorded when used."""

    uri: str


@dataclass(frozen=True, slots=True)
class PathReference(Reference):
    """By a path without a scheme: the file of the run that it is, as far as that can be told."""

    path: str


@dataclass(frozen=True, slots=True)
class ReceiptReference(Reference):
    """By the receipt of an earlier step: its outputs, or its model versions.

    `cut` when the receipt did not list them all. Receipts of before Braid told how a model took
    part have all of them in `made_models`.
    """

    step: str
    outputs: tuple[str, ...]
    made_models: tuple[str, ...]
    used_models: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Unrecorded(Reference):
    """Where a receipt should be, but the recording of that step had failed."""


def read_receipt(value: dict[Any, Any]) -> Reference | None:
    """A receipt, or an action status that holds one; None if it is neither."""
    if isinstance(value.get("step"), str) and isinstance(value.get("outputs"), list):
        return _receipt(value)
    if isinstance(details := value.get("details"), dict) and "status" in value:
        if isinstance(details.get("step"), str):
            return _receipt(details)
        if value["status"] in ("FAILED", "INACTIVE", "ACTIVE"):
            return Unrecorded()
        raise BodyRefused("This action status holds no receipt: it is not of a recorded step.")
    if value.keys() & _ERROR_FIELDS and not value.keys() & _ITEM_FIELDS:
        return Unrecorded()
    return None


_ERROR_FIELDS = frozenset({"Error", "Cause", "error", "code"})
"""Of what a Catch puts where a receipt should be."""
_ITEM_FIELDS = frozenset({"id", "uri", "uris", "name"})


def _receipt(value: Mapping[str, Any]) -> ReceiptReference:
    outputs = _ids(value.get("outputs"), "outputs")
    entries = value.get("models") or []
    if not isinstance(entries, list):
        raise BodyRefused("The models of a receipt must be a list.", "models")
    models = _ids([e.get("id") if isinstance(e, dict) else e for e in entries], "models")
    is_made = [not isinstance(e, dict) or e.get("how", "trained") in MAKING for e in entries]
    step = _ids([value["step"]], "step")[0]
    counts = value.get("counts")
    totals = counts if isinstance(counts, dict) else {}
    cut = totals.get("outputs", 0) != len(outputs) or totals.get("models", 0) != len(models)
    return ReceiptReference(
        step,
        outputs,
        tuple(urn for urn, made in zip(models, is_made, strict=True) if made),
        tuple(urn for urn, made in zip(models, is_made, strict=True) if not made),
        bool(totals) and cut,
    )


def _ids(values: Any, name: str) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list) or len(values) > MAX_RECEIPT_ITEMS:
        raise BodyRefused(
            "This is not an unchanged receipt; pass the receipt as the record state returned it.",
            name,
        )
    for place, value in enumerate(values):
        if not isinstance(value, str) or not looks_like_id(value):
            raise BodyRefused(
                "The ids of a receipt must be URNs such as urn:braid:<uuid>:3.", f"{name}[{place}]"
            )
    return tuple(values)
