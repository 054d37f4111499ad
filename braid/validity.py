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
    fields: Sequence[Field],
    documents: Iterable[Document],
    display: Display,
    *,
    of: str | None = None,
) -> list[Field]:
    """The columns, with one for why rows are invalid: in text only where any is.

    `documents` are what may be invalid: the rows, or what each has under the key `of`.
    """
    if display.format == "csv" or any("invalidated" in document for document in documents):
        why = cause if of is None else lambda row: cause(row[of])
        return [*fields, Field("Validity", why)]
    return list(fields)
