"""SIGTERM, which a batch system sends when a job's time is up: sinks save what they hold.

Pools end their workers with it too, and then wait for their end. A child has the handler only
once it records itself, so that workers that do not record are as they would be without us.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from provenance_store.processes import Forkable, watch

if TYPE_CHECKING:
    from hpc.buffered_sink import BufferedSink

__all__ = ["guard"]

NUDGE = signal.SIGURG
"""What wakes a main thread; by default it does nothing, and hardly anybody uses it."""
NUDGES = 40
LONGEST_PAUSE = 1.0

_sinks: WeakSet[BufferedSink] = WeakSet()
_previous: Any = signal.SIG_DFL


def guard(sink: BufferedSink, *, is_child: bool) -> None:
    """Have the sink save what it holds on SIGTERM, before whatever SIGTERM did so far.

    The handler is put in place by the main thread only, the one that Python lets do it; from
    another thread the sink joins those that are saved if a handler is there already. `is_child`
    says that another process may wait for the end of this one.
    """
    global _previous
    _sinks.add(sink)
    if threading.current_thread() is threading.main_thread():
        installed = signal.getsignal(signal.SIGTERM)
        if installed is not _save:
            _previous = installed
            signal.signal(signal.SIGTERM, _save)
        if is_child:
            _nudger.start()


def _save(number: int, frame: FrameType | None) -> None:
    _nudger.handled.set()
    busy = [sink for sink in list(_sinks) if not sink.secure()]
    if busy:
        return  # which raises the signal again
    time.sleep(max([sink.grace for sink in list(_sinks)], default=0.0))
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class _Nudger(Forkable):
    """Sees to it that the handler runs while the main thread waits for a lock.

    Python runs it between two instructions of the main thread. A signal that comes after the last
    of these, and before the thread sleeps, would be handled when the lock is free: in a worker
    of a pool that is being terminated, never. So a thread that the C handler wakes interrupts the
    sleep, with another signal, until the handler has run.
    """

    def __init__(self) -> None:
        self.handled = threading.Event()
        self._pipe: tuple[int, int] | None = None
        watch(self)

    def start(self) -> None:
        """Begin, unless somebody else uses what is needed: an event loop, for one."""
        if self._pipe is not None or signal.getsignal(NUDGE) != signal.SIG_DFL:
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before, warn_on_full_buffer=False)
            os.close(reader)
            os.close(writer)
            return
        self._pipe = reader, writer
        signal.signal(NUDGE, _nothing)
        threading.Thread(target=self._watch, args=(reader,), name="sigterm", daemon=True).start()

    def after_fork_in_child(self) -> None:
        self.handled = threading.Event()
        _sinks.clear()
        with suppress(ValueError):  # forked by C code, and noticed by another thread
            if signal.getsignal(signal.SIGTERM) is _save:
                signal.signal(signal.SIGTERM, _previous)
            if self._pipe is not None:
                signal.set_wakeup_fd(-1)
                signal.signal(NUDGE, signal.SIG_DFL)
        if self._pipe is not None:
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def _watch(self, reader: int) -> None:
        while data := os.read(reader, 1):
            if data[0] == signal.SIGTERM:
                self._nudge()

    def _nudge(self) -> None:
        self.handled.clear()
        pause = 0.01
        for _ in range(NUDGES):
            if self.handled.wait(pause):
                return
            signal.pthread_kill(threading.main_thread().ident or 0, NUDGE)
            pause = min(2 * pause, LONGEST_PAUSE)


def _nothing(number: int, frame: FrameType | None) -> None:
    """That it came is enough: what waits is interrupted, and due handlers run."""


_nudger = _Nudger()
