"""A discrete-event simulation of nodes that report to aggregators with group commit."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Outcome", "Service", "burst", "simulate", "steady"]

GROUP_BYTES, GATHER_SECONDS = 6 << 20, 0.2
"""As the aggregator has them."""


@dataclass(frozen=True)
class Service:
    """What an aggregator takes, in seconds: for a commit, as often as was measured, for each
    record in it, and for each message; how long it and a waiting rank sleep between two looks at
    most; bytes of a message; seconds on the way there and back."""

    commits: Sequence[float]
    per_record: float
    per_message: float
    pause: float
    message_bytes: float
    travel: float = 0.0

    @property
    def per_commit(self) -> float:
        """The median."""
        return statistics.median(self.commits)

    def busy(self, records: int, commit: float) -> float:
        """How long it takes in and commits so many messages of one record each."""
        return commit + (self.per_record + self.per_message) * records

    @property
    def capacity(self) -> float:
        """Records a second when there are always enough of them for a large commit."""
        return 1 / (self.per_record + self.per_message)


@dataclass(frozen=True)
class Outcome:
    """Seconds from report to acknowledgement, sorted; the longest queue; the busy share of time."""

    latencies: Sequence[float]
    longest_queue: int
    busy: float
    ended: float

    def within(self, share: float) -> float:
        """The latency that so large a share of the reports stays within."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def steady(nodes: int, period: float, duration: float, seed: int = 1) -> list[float]:
    """When nodes report that do so once in a period, each at its own time in it."""
    drawn = random.Random(seed)
    first = [drawn.uniform(0, period) for _ in range(nodes)]
    times = [at + period * n for at in first for n in range(int(duration // period) + 1)]
    return sorted(at for at in times if at < duration)


def burst(nodes: int, within: float, seed: int = 1) -> list[float]:
    """When nodes report that all do so within so many seconds."""
    drawn = random.Random(seed)
    return sorted(drawn.uniform(0, within) for _ in range(nodes))


def simulate(arrivals: Sequence[float], service: Service, *, aggregators: int = 1) -> Outcome:
    """Reports go to the aggregators in turn; each commits together what has arrived meanwhile."""
    latencies: list[float] = []
    longest, worked, ended = 0, 0.0, 0.0
    for place in range(aggregators):
        found, queue, busy, end = _serve(arrivals[place::aggregators], service, seed=place)
        latencies += found
        longest, worked, ended = max(longest, queue), worked + busy, max(ended, end)
    share = worked / aggregators / ended if ended else 0.0
    return Outcome(sorted(latencies), longest, share, ended)


def _serve(
    arrivals: Sequence[float], service: Service, *, seed: int
) -> tuple[list[float], int, float, float]:
    drawn = random.Random(seed)
    most = max(1, int(GROUP_BYTES / service.message_bytes))
    if service.per_message:
        most = max(1, min(most, int(GATHER_SECONDS / service.per_message)))
    latencies: list[float] = []
    place, free, longest, worked = 0, 0.0, 0, 0.0
    while place < len(arrivals):
        at = free
        if arrivals[place] > free:  # asleep, and looks after a while
            at = arrivals[place] + drawn.uniform(0, service.pause)
        end = place
        while end < len(arrivals) and arrivals[end] <= at:
            end += 1
        longest = max(longest, end - place)
        end = min(end, place + most)
        busy = service.busy(end - place, drawn.choice(service.commits))
        free, worked = at + busy, worked + busy
        later = drawn.uniform(0, service.pause) + service.travel
        latencies += [free - arrived + later for arrived in arrivals[place:end]]
        place = end
    return latencies, longest, worked, free
