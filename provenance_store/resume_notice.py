"""The notice about which version a model goes on from, when it is named without its version."""

from __future__ import annotations

from collections.abc import Sequence

from provenance_store.display import counted

__all__ = ["IN_PYTHON", "ON_THE_COMMAND_LINE", "told_of_resuming"]

LISTED = 5
IN_PYTHON = "To go on from another version, give its id: model(ID, resume=True)."
ON_THE_COMMAND_LINE = (
    "To go on from another version, give its ID in place of the name, with --resume or --update."
)


def told_of_resuming(
    name: str, version: int, status: str | None, passed_over: Sequence[str], other: str
) -> str | None:
    """Which version a model goes on from, unless that is simply its newest and complete one.

    `passed_over` are the ids of later versions whose step failed; `other` says how the caller
    takes another version.
    """
    begin = f"{name[:80]} goes on from v{version}"
    if passed_over:
        listed = ", ".join([*passed_over[:LISTED], *(["..."] if len(passed_over) > LISTED else [])])
        later = counted(
            len(passed_over),
            "later version is passed over because its step failed",
            "later versions are passed over because their steps failed",
        )
        return f"{begin}; {later}: {listed}. {other}"
    if status == "FAILED":
        return f"{begin}, whose step failed: it has no version that did not fail."
    if status == "ACTIVE":
        return f"{begin}, which is not complete: its step goes on, or was killed. {other}"
    return None
