"""How text and CSV show that something must not be relied on."""

from __future__ import annotations

from braid.output import Document, Field, Form

__all__ = ["bad_end", "cause", "ended", "marked", "validity"]


def cause(document: Document) -> str:
    """Why a record is invalid; empty when it is not."""
    found = document.get("invalidated")
    return f"INVALID: {found['cause']}" if found else ""


def bad_end(document: Document) -> str:
    """How a step ended that did not succeed, or the one that made a model version, such as FAILED;
    "not ended" where it goes on, empty for all else."""
    status = document.get("status")
    words = {"ACTIVE": "not ended", "SUCCEEDED": ""}
    return words.get(status, str(status)) if status else ""


def marked(text: str, document: Document) -> str:
    """What stands for a record, with a mark when it is invalid or its step did not succeed."""
    ended = bad_end(document)
    marks = [*([ended] if ended else []), *(["INVALID"] if "invalidated" in document else [])]
    return f"{text} ({', '.join(marks)})" if marks else text


def ended(of: str | None = None) -> Field:
    """The column for how the steps of model versions ended, or of what each row has under the key
    `of`: in text only where any did not succeed."""

    def version(row: Document) -> Document:
        return row if of is None else row[of]

    return Field(
        "Status",
        lambda row: version(row).get("status"),
        Form.WHOLE,
        sparse=True,
        people=lambda row: bad_end(version(row)),
    )


def validity(of: str | None = None) -> Field:
    """The column for why rows are invalid, or what each has under the key `of`: in text only where
    any is."""
    return Field(
        "Validity", cause if of is None else lambda row: cause(row[of]), rank=1, sparse=True
    )
