"""How long calls wait for a store that another program holds, or that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from provenance_store.errors import BraidError, StoreUnavailable

__all__ = [
    "SharedAttempt",
    "WaitedInVain",
    "Waits",
    "begin_question",
    "end_question",
    "reading_ends",
]

SHORTER = 0.1
"""Part of the usual wait that is left to callers while the store is known to be held."""


_question = threading.local()


def begin_question(seconds: float) -> None:
    """What this thread reads from now on is given up after so many seconds in all, in however
    many transactions."""
    _question.ends = time.monotonic() + seconds


def end_question() -> None:
    """What this thread reads may take its time again."""
    _question.ends = None


def reading_ends(longest: float | None) -> float | None:
    """When what begins to be read now is given up (`time.monotonic`); None for never. It takes no
    longer than `longest`, if given, and not beyond the end of the question that it is part of."""
    ends: float | None = getattr(_question, "ends", None)
    if longest is None:
        return ends
    own = time.monotonic() + longest
    return own if ends is None else min(own, ends)


class WaitedInVain(StoreUnavailable):
    """The store was waited for, and is still locked or does not answer; try again."""


class Waits:
    """The one time limit of all waiting for a store, and what is known of the last wait.

    A wait of the whole time that was in vain is remembered for as long as it took: who comes
    meanwhile waits a tenth of the time. So callers who queue for a few threads, or for a lock
    that is not released, do not wait for the whole time one after the other.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._threads = threading.local()
        self._in_vain_at: float | None = None

    @property
    def patience(self) -> float:
        """How long, in seconds, a call that comes now may wait."""
        at = self._in_vain_at
        if at is not None and time.monotonic() - at < self.seconds:
            return self.seconds * SHORTER
        return self.seconds

    def deadline(self) -> float:
        """When a call that begins to wait now gives up, by `time.monotonic`."""
        since = getattr(self._threads, "since", None)
        return (time.monotonic() if since is None else since) + self.patience

    def left(self, deadline: float | None = None) -> float:
        """Seconds until then, by default until `deadline()`; 0 when it has passed."""
        return max(0.0, (self.deadline() if deadline is None else deadline) - time.monotonic())

    def is_short(self, seconds: float) -> bool:
        """Whether so many seconds are clearly less than the usual wait."""
        return seconds < 0.9 * self.seconds

    @contextmanager
    def since(self, began: float | None) -> Iterator[None]:
        """While it is open, what this thread waits for counts from `began` (`time.monotonic`).

        With None, it counts from the beginning of each wait as usual.
        """
        self._threads.since = began
        try:
            yield
        finally:
            self._threads.since = None

    def refused(self, error: StoreUnavailable) -> None:
        """A call fails with this error; it is remembered when it has waited."""
        if isinstance(error, WaitedInVain) and self.patience == self.seconds:
            self._in_vain_at = time.monotonic()

    def answered(self) -> None:
        """The store was to be had."""
        self._in_vain_at = None


class SharedAttempt:
    """A lock whose holder tries something for all that wait for it: if that fails, it fails for
    all of them, with the same error, and nobody of them tries again.

    Without it, callers that queue for something which takes its time to fail would each wait for
    that time, one after the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed_at = 0.0
        self._error: BraidError | None = None

    def __enter__(self) -> None:
        began = time.monotonic()
        self._lock.acquire()
        error = self._error
        if error is not None and self._failed_at >= began:
            self._lock.release()
            raise type(error)(error.message)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, BraidError):
            self._error, self._failed_at = error, time.monotonic()
        else:
            self._error = None
        self._lock.release()
