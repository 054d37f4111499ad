"""SIGTERM, which a batch system sends when a job's time is up: sinks save what they hold."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Any
from weakref import WeakSet

from hpc.carrier import CarrierSink

__all__ = ["guard"]

_sinks: WeakSet[CarrierSink] = WeakSet()
_previous: Any = signal.SIG_DFL


def guard(sink: CarrierSink) -> None:
    """Have the sink save what it holds on SIGTERM, before whatever SIGTERM did so far.

    The handler is put in place by the main thread only, the one that Python lets do it; from
    another thread the sink joins those that are saved if a handler is there already.
    """
    global _previous
    _sinks.add(sink)
    if threading.current_thread() is threading.main_thread():
        installed = signal.getsignal(signal.SIGTERM)
        if installed is not _save:
            _previous = installed
            signal.signal(signal.SIGTERM, _save)


def _save(number: int, frame: FrameType | None) -> None:
    busy = [sink for sink in list(_sinks) if not sink.secure()]
    if busy:
        return  # which raises the signal again
    time.sleep(max([sink.grace for sink in list(_sinks)], default=0.0))
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
