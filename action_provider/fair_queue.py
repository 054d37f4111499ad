"""Queues that are fair by identity: before a bounded number of places, and before the one that
writes.

Whoever holds the fewest places goes on next; among equals the identities take turns, however many
requests each has sent. An identity that is alone has every place. When the room to wait is full,
the longest queue gives up its newest request. A refusal says who caused it: TooManyRequests is the
caller's own doing, Busy that of others.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from action_provider.batch_pieces import ROWS_A_PIECE
from action_provider.errors import Busy, TooManyRequests
from provenance_store.sinks.group_commit import Courtesy

__all__ = ["TURNS", "FairLane", "Rates", "Turns"]

OWN = "Too many of your requests are under way; send this one again after the time in Retry-After."
OTHERS = "The server has too much to do; send the request again after the time in Retry-After."
REMEMBERED = 10_000
"""Identities whose rate is remembered; those that have been quiet are forgotten first."""


class Rates:
    """How often each identity calls: so many a second in the long run, twice as many at once.

    A rate counts only while others want to be served as well; 0 is no limit.
    """

    def __init__(self, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = a_second
        self._most = 2.0 * a_second
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, identity: str) -> float:
        """Count a call; seconds until the identity is within its rate again, 0 when it is."""
        if not self._rate:
            return 0.0
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(identity, (self._most, now))
            left = min(self._most, left + (now - at) * self._rate) - 1.0
            # Who goes on calling is not locked out for longer than it takes to calm down.
            self._left[identity] = (max(left, -self._most), now)
            if len(self._left) > REMEMBERED:
                del self._left[next(iter(self._left))]
        return 0.0 if left >= 0 else -left / self._rate

    def give_back(self, identity: str) -> None:
        """Uncount a call that `take` counted: it is going to be counted again."""
        with self._lock:
            if (known := self._left.get(identity)) is not None:
                self._left[identity] = (known[0] + 1.0, known[1])


class Entry(Enum):
    """What becomes of a request that is not turned away."""

    FREE = "goes on"
    WAITS = "waits"


class _Ticket:
    """A request that waits. `wake` is held until it may go on, or is turned away."""

    __slots__ = ("goes_on", "wake")

    def __init__(self) -> None:
        self.goes_on: bool | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class FairLane:
    """So many places, and room for so many requests that wait, for so many seconds.

    `most_of_one` is how many requests of one identity may be under way or wait.
    """

    def __init__(
        self, *, places: int, room: int, seconds: float, most_of_one: int, rates: Rates
    ) -> None:
        self._free = places
        self._room = room
        self._seconds = seconds
        self._most_of_one = most_of_one
        self._rates = rates
        self._lock = threading.Lock()
        self._working: Counter[str] = Counter()
        self._queues: dict[str, deque[_Ticket]] = {}
        self._waiting = 0

    @contextmanager
    def place(self, identity: str) -> Iterator[None]:
        """Hold a place while the block runs; as `enter`."""
        self.enter(identity)
        try:
            yield
        finally:
            self.leave(identity)

    def enter(self, identity: str) -> None:
        """Return with a place, which `leave` gives back.

        Raises TooManyRequests when the caller's own requests are in the way, Busy when those of
        others are, at once or after the seconds that one waits at most.
        """
        with self._lock:
            found = self._judged(identity)
            if found is Entry.FREE:
                return self._hold(identity)
            if isinstance(found, TooManyRequests):
                raise found
            ticket = self._wait(identity)
        ticket.wake.acquire(timeout=self._seconds)
        with self._lock:
            if ticket.goes_on is None:
                self._forget(identity, ticket)
                raise TooManyRequests(OWN) if self._own(identity) else Busy(OTHERS)
        if not ticket.goes_on:
            raise TooManyRequests(OWN)

    def enter_at_once(self, identity: str) -> bool:
        """As `enter`, where that neither waits nor raises; False, and nothing changed, else."""
        with self._lock:
            if self._judged(identity) is Entry.FREE:
                self._hold(identity)
                return True
            self._rates.give_back(identity)  # it is going to `enter`
            return False

    def _judged(self, identity: str) -> Entry | TooManyRequests:
        """Count a call, and say whether it may go on, has to wait, or why it is turned away."""
        over = self._rates.take(identity)
        if over and self._wanted_by_others(identity):
            return TooManyRequests(OWN, seconds=over)
        if self._own(identity) >= self._most_of_one:
            return TooManyRequests(OWN)
        return Entry.FREE if self._free and not self._waiting else Entry.WAITS

    def _hold(self, identity: str) -> None:
        self._free -= 1
        self._working[identity] += 1

    def leave(self, identity: str) -> None:
        """Give the place to whoever is next."""
        with self._lock:
            self._working[identity] -= 1
            if not self._working[identity]:
                del self._working[identity]
            if self._waiting:
                self._go_on(self._next())
            else:
                self._free += 1

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    @property
    def working(self) -> int:
        """How many requests have a place."""
        return self._working.total()

    def _own(self, identity: str) -> int:
        return self._working[identity] + len(self._queues.get(identity, ()))

    def _wanted_by_others(self, identity: str) -> bool:
        return any(other != identity for other in (*self._working, *self._queues))

    def _wait(self, identity: str) -> _Ticket:
        if self._waiting >= self._room:
            self._make_room(identity)
        ticket = _Ticket()
        self._queues.setdefault(identity, deque()).append(ticket)
        self._waiting += 1
        return ticket

    def _make_room(self, identity: str) -> None:
        if not self._queues:  # nobody may wait here
            raise TooManyRequests(OWN) if self._own(identity) else Busy(OTHERS)
        longest = max(self._queues, key=lambda one: len(self._queues[one]))
        own = len(self._queues.get(identity, ()))
        if own + 1 >= len(self._queues[longest]):
            raise TooManyRequests(OWN) if own else Busy(OTHERS)
        ticket = self._queues[longest][-1]
        self._forget(longest, ticket)
        ticket.goes_on = False
        ticket.wake.release()

    def _forget(self, identity: str, ticket: _Ticket) -> None:
        self._queues[identity].remove(ticket)
        self._waiting -= 1
        if not self._queues[identity]:
            del self._queues[identity]

    def _next(self) -> str:
        """Of those that wait, who holds fewest places; of equals, who had its turn longest ago."""
        return min(self._queues, key=self._working.__getitem__)

    def _go_on(self, identity: str) -> None:
        ticket = self._queues[identity].popleft()
        self._waiting -= 1
        queue = self._queues.pop(identity)
        if queue:  # to the end of the line of identities
            self._queues[identity] = queue
        self._working[identity] += 1
        ticket.goes_on = True
        ticket.wake.release()


class Turns(Courtesy):
    """One thread at a time works, and the others go on when it waits.

    All threads share one interpreter. Whoever writes gives it away at every statement, and has it
    back only when the others have made a pause; meanwhile it holds the store, for which all other
    processes wait. So nobody works while one writes.
    """

    rows = ROWS_A_PIECE
    pauses = 4.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = threading.local()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Around work; within itself it changes nothing."""
        if self._has_turn():
            yield
            return
        self._take()
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Around waiting; nothing for a thread that has no turn."""
        if not self._has_turn():
            yield
            return
        self._give()
        try:
            yield
        finally:
            self._take()

    def _has_turn(self) -> bool:
        return getattr(self._threads, "has_turn", False)

    def _take(self) -> None:
        self._lock.acquire()
        self._threads.has_turn = True

    def _give(self) -> None:
        self._threads.has_turn = False
        self._lock.release()


TURNS = Turns()
"""Those of this process."""
