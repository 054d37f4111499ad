"""The recording process, started by a `RecordingProcess`.

It is called as `python -m action_provider.recording_process.process FD`.

The store's URL is read from standard input.

One thread takes requests that wait, prepares what they write, writes it in one commit and answers;
what comes meanwhile is for the next group. On PostgreSQL another thread writes, while the next
group is prepared. A group is no more work than some dozen usual steps: whoever comes waits for what
is being prepared and written only, for in the next group the identities take turns. It ends when
the control socket FD is closed at the other end.
"""

from __future__ import annotations

import contextlib
import gc
import selectors
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Sequence

import msgspec

from action_provider import logs
from action_provider.auth import Caller
from action_provider.errors import named
from action_provider.framing import CHUNK, framed, taken
from action_provider.providers.record.actions import PreparedGroup, RecordActions, RecordAnswer
from action_provider.recording_process.client import NEEDS_GROUPS
from action_provider.recording_process.messages import RecordReply, RecordRequest
from action_provider.settings import Options
from action_provider.stores import StoreHolder
from provenance_store.ids import now

__all__ = ["main"]

MOST_CONNECTIONS = 64
"""Sockets taken from the control socket at once."""

WORK_A_GROUP = 2_000
"""JSON values of the requests that are recorded together, as far as commas tell: what takes some
20 ms, the most that a request waits for others before its turn comes."""

SWITCH_SECONDS = 0.0002
"""How long the thread that makes keeps the interpreter from the one that writes, which needs it
for a moment between two statements."""

COLLECT_AFTER = 50_000
"""Objects made, less those let go, until cycles among the newest are looked for."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(RecordRequest).decode


class _GroupsNeeded(Exception):
    """Whether the caller may do this depends on its groups, which only the worker can ask for."""


class WorkerConnection:
    """A socket to the worker, and the beginning of what has come on it."""

    __slots__ = ("_come", "_sending", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._come = bytearray()
        self._sending = threading.Lock()

    def receive(self) -> list[RecordRequest]:
        """The requests that are whole; raises OSError when no more will come."""
        if not (piece := self.socket.recv(CHUNK)):
            raise ConnectionError("the worker has closed it")
        self._come += piece
        return [_decode(message) for message in taken(self._come)]

    def send(self, messages: bytes | bytearray) -> None:
        """Send whole messages, whichever thread sends others."""
        with self._sending, contextlib.suppress(OSError):  # nobody may be there any more
            self.socket.sendall(messages)


PendingRequest = tuple[WorkerConnection, RecordRequest]
PreparedRequests = tuple[Sequence[PendingRequest], PreparedGroup]
"""The requests of a group, and what they write."""


class Backlog:
    """Requests that wait, by identity."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[PendingRequest]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def put(self, one: PendingRequest) -> None:
        """Let a request wait behind those of its identity."""
        self._queues.setdefault(one[1].identity, deque()).append(one)

    def group(self, most: int | None = None) -> list[PendingRequest]:
        """The next group, of so many requests at the most: the identities take turns, until it is
        work enough."""
        group: list[PendingRequest] = []
        work = 0
        while self._queues and work < WORK_A_GROUP and (most is None or len(group) < most):
            identity = next(iter(self._queues))
            queue = self._queues.pop(identity)
            group.append(queue.popleft())
            work += group[-1][1].data.count(b",") + 1
            if queue:  # at the end of the queue of identities
                self._queues[identity] = queue
        return group


class Writing:
    """Writes what is prepared, and answers.

    `done` can be read from when something was written meanwhile; `go_on` is to be called then.
    """

    size = 0
    """How many requests are being written meanwhile."""

    def __init__(self, actions: RecordActions) -> None:
        self._actions = actions
        self.done, self._told = socket.socketpair()

    def put(self, prepared: PreparedRequests) -> None:
        """Have a group written, and its requests answered."""
        self._write([prepared])

    def go_on(self) -> None:
        """Write what was prepared meanwhile."""

    def finish(self) -> None:
        """Return when all is written."""

    def _write(self, several: Sequence[PreparedRequests]) -> None:
        waiting = [one for some, _ in several for one in some]
        _log_for(waiting)
        try:
            answers = self._actions.write_all([group for _, group in several])
        except Exception as error:
            answers = [error] * len(waiting)
        _answer(waiting, answers)


class WritingMeanwhile(Writing):
    """Writes in a thread while the next requests are prepared: PostgreSQL has its own processes for
    its part of the work. SQLite has this one, and gains nothing.

    A commit is all that has been prepared since the last one began.
    """

    def __init__(self, actions: RecordActions) -> None:
        super().__init__(actions)
        sys.setswitchinterval(SWITCH_SECONDS)
        self._prepared: list[PreparedRequests] = []
        self._writing: list[PreparedRequests] = []
        self._begun = threading.Semaphore(0)
        threading.Thread(target=self._write_on, name="writing", daemon=True).start()

    @property
    def size(self) -> int:  # type: ignore[override]
        return sum(len(waiting) for waiting, _ in self._writing)

    def put(self, prepared: PreparedRequests) -> None:
        self._prepared.append(prepared)
        if not self._writing:
            self._begin()

    def go_on(self) -> None:
        if not self.done.recv(1):  # the thread is gone: another process begins anew
            raise SystemExit(1)
        self._writing = []
        if self._prepared:
            self._begin()

    def finish(self) -> None:
        while self._writing:
            self.go_on()

    def _begin(self) -> None:
        self._writing, self._prepared = self._prepared, []
        self._begun.release()

    def _write_on(self) -> None:
        while True:
            self._begun.acquire()
            try:
                self._write(self._writing)
            except BaseException:
                self._told.close()
                raise
            self._told.send(b"+")


def main(control: socket.socket, actions: RecordActions, writing: Writing) -> None:
    """Serve until the worker is gone."""
    _collect_seldom()
    connections = selectors.DefaultSelector()
    connections.register(control, selectors.EVENT_READ)
    connections.register(writing.done, selectors.EVENT_READ)
    backlog = Backlog()
    last = 0
    while True:
        for key, _ in connections.select(0 if _is_due(backlog, writing) else None):
            if key.data is not None:
                for one in _received(connections, key.data):
                    backlog.put(one)
            elif key.fileobj is writing.done:
                writing.go_on()
            elif not _take_connections(connections, control):
                writing.finish()
                return
        if _is_due(backlog, writing):
            # Half of those that are under way: while these are worked at, the worker and its
            # callers have the others to do with. With all of them the two would only take turns.
            group = backlog.group(most=max(1, (len(backlog) + last + 1) // 2))
            if group:
                last = len(group)
                _prepare(actions, group, writing)


def _is_due(backlog: Backlog, writing: Writing) -> bool:
    """Whether to make a group now: few at a time are more work than many."""
    return len(backlog) > writing.size // 2


def _collect_seldom() -> None:
    """What is imported stays, and a request makes hardly any cycles: looking for them at Python's
    usual pace takes a twelfth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _take_connections(connections: selectors.BaseSelector, control: socket.socket) -> bool:
    """Take new sockets; False when the worker is gone."""
    try:
        data, handles, _, _ = socket.recv_fds(control, MOST_CONNECTIONS, MOST_CONNECTIONS)
    except OSError:
        return False
    for handle in handles:
        connection = WorkerConnection(socket.socket(fileno=handle))
        connections.register(connection.socket, selectors.EVENT_READ, connection)
    return bool(data)


def _received(
    connections: selectors.BaseSelector, connection: WorkerConnection
) -> list[PendingRequest]:
    try:
        return [(connection, request) for request in connection.receive()]
    except OSError:
        connections.unregister(connection.socket)
        connection.socket.close()
        return []


def _prepare(actions: RecordActions, waiting: list[PendingRequest], writing: Writing) -> None:
    _log_for(waiting)
    try:
        group = actions.prepare_all(
            [(_caller(request), request.data) for _, request in waiting],
            since=min(request.since for _, request in waiting),
        )
    except Exception as error:
        _answer(waiting, [error] * len(waiting))
    else:
        writing.put((waiting, group))


def _log_for(waiting: Sequence[PendingRequest]) -> None:
    """Name these requests in what this thread logs."""
    logs.REQUESTS.set(",".join([request.request_id for _, request in waiting]))


def _answer(waiting: Sequence[PendingRequest], answers: Sequence[RecordAnswer | Exception]) -> None:
    # Those of one connection together: the worker is woken once for all.
    replies: dict[WorkerConnection, bytearray] = {}
    for (connection, request), answer in zip(waiting, answers, strict=True):
        if isinstance(answer, Exception):
            logs.REQUESTS.set(request.request_id)
        message = framed(_encode(_reply(answer, request.number)))
        replies.setdefault(connection, bytearray()).extend(message)
    for connection, messages in replies.items():
        connection.send(messages)


def _caller(request: RecordRequest) -> Caller:
    return Caller(
        request.identity,
        request.identities,
        known_groups=None if request.groups is None else frozenset(request.groups),
        ask_for_groups=_ask_for_groups,
        reader_group=request.reader_group,
    )


def _ask_for_groups() -> frozenset[str]:
    raise _GroupsNeeded


def _reply(answer: RecordAnswer | Exception, number: int) -> RecordReply:
    if isinstance(answer, RecordAnswer):
        told = (answer.document, answer.is_new, answer.records, answer.steps)
        return RecordReply(*told, number=number)
    if isinstance(answer, _GroupsNeeded):
        return RecordReply(error=NEEDS_GROUPS, number=number)
    code, message = named(answer)
    choices = list(getattr(answer, "choices", ()))
    return RecordReply(error=code, message=message, choices=choices, number=number)


if __name__ == "__main__":
    # Whoever stops the server stops the worker, which ends when its requests are answered, and
    # this ends after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logs.begin()
    url = sys.stdin.read()
    on_file = url.startswith("sqlite:")
    stores = StoreHolder(url, purge_seconds=None, create=False)
    actions = RecordActions(stores, Options.read(), now, alone=on_file)
    writing = Writing(actions) if on_file else WritingMeanwhile(actions)
    main(socket.socket(fileno=int(sys.argv[1])), actions, writing)
