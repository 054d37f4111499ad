"""How text and CSV show that something must not be relied on."""

from __future__ import annotations

from braid.output import Document, Field

__all__ = ["cause", "marked", "validity"]


def cause(document: Document) -> str:
    """Why a record is invalid; empty when it is not."""
    found = document.get("invalidated")
    return f"INVALID: {found['cause']}" if found else ""


def marked(text: str, document: Document) -> str:
    """What stands for a record, with a mark when it is invalid."""
    return f"{text} (INVALID)" if "invalidated" in document else text


def validity(of: str | None = None) -> Field:
    """The column for why rows are invalid, or what each has under the key `of`: in text only where
    any is."""
    return Field(
        "Validity", cause if of is None else lambda row: cause(row[of]), rank=1, sparse=True
    )
