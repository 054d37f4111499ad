"""Whether ranks of the same machine are alive, as their process tells."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence, Set

from provenance_store.rows import OriginRow

__all__ = ["RankLiveness"]

LOOK_EVERY = 2.0


class RankLiveness:
    """Looks after the processes of ranks, by the origins in the order of ranks.

    Only processes that can be seen at the beginning are watched: ranks on other machines, or in
    containers of their own, are left to the launcher, which ends the job when one of them dies.
    """

    def __init__(self, members: Sequence[OriginRow]) -> None:
        here = platform.node()
        seen = {rank: row.process for rank, row in enumerate(members) if row.host == here}
        self._processes = {rank: process for rank, process in seen.items() if _is_alive(process)}
        self._next_look = 0.0

    def dead(self, ranks: Set[int]) -> list[int]:
        """Those of the ranks whose process has gone; looks once in two seconds."""
        if time.monotonic() < self._next_look:
            return []
        self._next_look = time.monotonic() + LOOK_EVERY
        watched = sorted(ranks & self._processes.keys())
        return [rank for rank in watched if not _is_alive(self._processes[rank])]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
