"""The recording process: `python -m action_provider.record.desk_process FD`, started by a Desk.

The store's URL is read from standard input.

One thread takes requests that wait, records them in one commit and answers them; what comes
meanwhile is for the next group. A group is no more work than some dozen usual steps: whoever comes
while one is written waits for that one only, for in the next the identities take turns. It ends
when the control socket FD is closed at the other end.
"""

from __future__ import annotations

import contextlib
import gc
import selectors
import signal
import socket
import sys
from collections import deque

import msgspec

from action_provider import logs
from action_provider.auth import Caller
from action_provider.errors import named
from action_provider.record.actions import Actions, Answer
from action_provider.record.desk import NEEDS_GROUPS
from action_provider.record.messages import Asking, Reply, receive, send
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.ids import now

__all__ = ["main"]

MOST_LINES = 64
"""Sockets taken from the control socket at once."""

WORK_A_GROUP = 2_000
"""JSON values of the requests that are recorded together, as far as commas tell: what takes some
20 ms, the most that a request waits for others before its turn comes."""

COLLECT_AFTER = 50_000
"""Objects made, less those let go, until cycles among the newest are looked for."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Asking).decode


class _GroupsNeeded(Exception):
    """Whether the caller may do this depends on its groups, which only the worker can ask for."""


Waiting = tuple[socket.socket, Asking]


class Backlog:
    """Requests that wait, by identity."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Waiting]] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, one: Waiting) -> None:
        """Let a request wait behind those of its identity."""
        self._queues.setdefault(one[1].identity, deque()).append(one)

    def group(self) -> list[Waiting]:
        """The next group: the identities take turns, until it is work enough."""
        group: list[Waiting] = []
        work = 0
        while self._queues and work < WORK_A_GROUP:
            identity = next(iter(self._queues))
            queue = self._queues.pop(identity)
            group.append(queue.popleft())
            work += group[-1][1].data.count(b",") + 1
            if queue:  # at the end of the line of identities
                self._queues[identity] = queue
        return group


def main(control: socket.socket, actions: Actions) -> None:
    """Serve until the worker is gone."""
    _collect_seldom()
    lines = selectors.DefaultSelector()
    lines.register(control, selectors.EVENT_READ)
    backlog = Backlog()
    while True:
        ready = [key.fileobj for key, _ in lines.select(0 if backlog else None)]
        for line in ready:
            assert isinstance(line, socket.socket)
            if line is not control:
                for one in _received(lines, line):
                    backlog.put(one)
            elif not _take_lines(lines, control):
                return
        if group := backlog.group():
            _record(actions, group)


def _collect_seldom() -> None:
    """What is imported stays, and a request makes hardly any cycles: looking for them at Python's
    usual pace takes a twelfth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _take_lines(lines: selectors.BaseSelector, control: socket.socket) -> bool:
    """Take new sockets; False when the worker is gone."""
    try:
        data, handles, _, _ = socket.recv_fds(control, MOST_LINES, MOST_LINES)
    except OSError:
        return False
    for handle in handles:
        lines.register(socket.socket(fileno=handle), selectors.EVENT_READ)
    return bool(data)


def _received(lines: selectors.BaseSelector, line: socket.socket) -> list[Waiting]:
    try:
        return [(line, _decode(receive(line)))]
    except OSError:
        lines.unregister(line)
        line.close()
        return []


def _record(actions: Actions, waiting: list[Waiting]) -> None:
    logs.REQUESTS.set(",".join([asking.request_id for _, asking in waiting]))
    try:
        answers = actions.run_all(
            [(_caller(asking), asking.data) for _, asking in waiting],
            since=min(asking.since for _, asking in waiting),
        )
    except Exception as error:
        answers = [error] * len(waiting)
    for (line, asking), answer in zip(waiting, answers, strict=True):
        if isinstance(answer, Exception):
            logs.REQUESTS.set(asking.request_id)
        with contextlib.suppress(OSError):  # the thread that asked is gone
            send(line, _encode(_reply(answer)))


def _caller(asking: Asking) -> Caller:
    return Caller(
        asking.identity,
        asking.identities,
        known_groups=None if asking.groups is None else frozenset(asking.groups),
        ask_for_groups=_ask_for_groups,
        reader_group=asking.reader_group,
    )


def _ask_for_groups() -> frozenset[str]:
    raise _GroupsNeeded


def _reply(answer: Answer | Exception) -> Reply:
    if isinstance(answer, Answer):
        return Reply(answer.document, answer.is_new, answer.records, answer.steps)
    if isinstance(answer, _GroupsNeeded):
        return Reply(error=NEEDS_GROUPS)
    code, message = named(answer)
    return Reply(error=code, message=message, choices=list(getattr(answer, "choices", ())))


if __name__ == "__main__":
    # Whoever stops the server stops the worker, which ends when its requests are answered, and
    # this ends after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.begin()
    main(
        socket.socket(fileno=int(sys.argv[1])),
        Actions(
            StoreHolder(sys.stdin.read(), purge_seconds=None, create=False),
            Options.read(),
            now,
            alone=True,
        ),
    )
