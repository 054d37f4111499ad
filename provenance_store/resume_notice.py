"""What is said where a model that is named goes on."""

from __future__ import annotations

from collections.abc import Sequence

from provenance_store.display import counted

__all__ = ["told_of_resuming"]

LISTED = 5


def told_of_resuming(
    name: str, version: int, status: str | None, passed_over: Sequence[str]
) -> str | None:
    """One sentence on the version that a model goes on from, where that is not plainly its newest
    complete one; None else. `passed_over` are the ids of later versions whose step failed."""
    begin = f"{name[:80]} goes on from v{version}"
    if passed_over:
        listed = ", ".join([*passed_over[:LISTED], *(["..."] if len(passed_over) > LISTED else [])])
        later = counted(
            len(passed_over),
            "later version is passed over because its step failed",
            "later versions are passed over because their steps failed",
        )
        return f"{begin}; {later}: {listed} (give an id to go on from that version)."
    if status == "FAILED":
        return f"{begin}, whose step failed: it has no version that did not fail."
    if status == "ACTIVE":
        return f"{begin}, which is not complete: its step goes on, or was killed."
    return None
