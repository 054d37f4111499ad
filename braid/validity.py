"""How text and CSV show that something must not be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from braid.output import Display, Document, Field

__all__ = ["cause", "marked", "marked_fields"]


def cause(document: Document) -> str:
    """Why a record is invalid; empty when it is not."""
    found = document.get("invalidated")
    return f"INVALID: {found['cause']}" if found else ""


def marked(text: str, document: Document) -> str:
    """What stands for a record, with a mark when it is invalid."""
    return f"{text} (INVALID)" if "invalidated" in document else text


def marked_fields(
    fields: Sequence[Field], documents: Iterable[Document], display: Display
) -> list[Field]:
    """The columns, with one for why rows are invalid: in text only where any is."""
    if display.format == "csv" or any("invalidated" in document for document in documents):
        return [*fields, Field("Validity", cause)]
    return list(fields)
