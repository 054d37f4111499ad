"""The end of a process: what a recorder has gathered is delivered, whichever way it ends by itself.

A script ends through `atexit`. Children of multiprocessing (fork and forkserver) leave without
it, by os._exit, after they have run multiprocessing's own finalizers; these also run when a
task raised, and when a pool is shut down in order. SIGTERM, as from Pool.terminate, is handled
by `hpc.signals`. SIGKILL and os._exit by hand cannot be noticed.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable

__all__ = ["is_worker", "run_at_end", "run_not_at_end"]

WHILE_OTHERS_RUN, LAST = 0, -1000
"""Priorities among the finalizers: before it waits for children of its own, and at the very end."""

_finalizers: dict[Callable[[], None], list[Callable[[], object]]] = {}


def is_worker() -> bool:
    """Whether this process was started by multiprocessing, or what builds on it."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def run_at_end(save: Callable[[], None]) -> None:
    """Have it called when this process ends. It does nothing when there is nothing to save."""
    run_not_at_end(save)
    atexit.register(save)
    if is_worker():
        from multiprocessing.util import Finalize

        priorities = (WHILE_OTHERS_RUN, LAST)
        made = [Finalize(None, save, exitpriority=priority) for priority in priorities]
        _finalizers[save] = [each.cancel for each in made]


def run_not_at_end(save: Callable[[], None]) -> None:
    """Forget it again."""
    atexit.unregister(save)
    for cancel in _finalizers.pop(save, ()):
        cancel()
