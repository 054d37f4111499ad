"""Forks and ends of a process: nothing that is open or gathered then is harmed or lost.

Whatever holds connections, locks, files or numbers of its own registers here. Python calls this
module around every fork that it makes (os.fork, multiprocessing, forkserver). A fork made by C code
alone, as some application servers do, is noticed by comparing process ids.

A script ends through `atexit`. Children of multiprocessing (fork and forkserver) leave without it,
by os._exit, after multiprocessing's own finalizers; these also run when a task raised, and when a
pool is shut down in order. SIGTERM, as from Pool.terminate, is handled by `hpc.signals`. SIGKILL
and os._exit by hand cannot be noticed.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

__all__ = [
    "Forkable",
    "check",
    "is_worker",
    "leave_behind",
    "process",
    "run_at_end",
    "run_not_at_end",
    "watch",
]

process: int = os.getpid()
"""The id of this process; another one after each fork."""


class Forkable:
    """Something that is told about forks. By default there is nothing to do."""

    def before_fork(self) -> None:
        """In the parent, before the fork; must return soon, and does not raise."""

    def after_fork_in_parent(self) -> None:
        """In the parent, after the fork."""

    def after_fork_in_child(self) -> None:
        """In the child, where only the thread that forked is left.

        Locks may be held by threads that are gone, and connections belong to the parent: both
        are replaced, never used, and connections never closed (`leave_behind`).
        """


_watched: weakref.WeakValueDictionary[int, Forkable] = weakref.WeakValueDictionary()
_places = itertools.count()
_left: list[object] = []
_forking = threading.local()


def watch(thing: Forkable) -> None:
    """Have it told about forks for as long as it lives.

    What is watched later is told earlier before a fork, and later after it.
    """
    _watched[next(_places)] = thing


def check() -> None:
    """Do what is due in a child that was forked without Python knowing it."""
    if os.getpid() != process:
        _in_child()


def leave_behind(thing: object) -> None:
    """Keep what belongs to the parent process from ever being closed or collected here.

    Closing an inherited SQLite connection can damage the file under the parent, and closing one
    to PostgreSQL ends the parent's session. So it gets a reference that nothing takes away,
    not even the end of the interpreter.
    """
    if thing is None:
        return
    _left.append(thing)
    with suppress(ImportError, AttributeError):
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _things() -> list[Forkable]:
    return [thing for _, thing in sorted(_watched.items(), key=lambda item: item[0])]


def _before() -> None:
    # Other threads make things meanwhile: those that are told before are told afterwards.
    _forking.things = _things()
    for thing in reversed(_forking.things):
        thing.before_fork()


def _in_parent() -> None:
    things, _forking.things = _forking.things, []
    for thing in things:
        thing.after_fork_in_parent()


def _in_child() -> None:
    global process
    process = os.getpid()
    for thing in _things():
        thing.after_fork_in_child()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


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
