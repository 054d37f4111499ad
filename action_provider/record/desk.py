"""Recording in a process of its own, beside the worker that speaks HTTP.

The worker's threads share one interpreter, and SQLite's driver hands it over at every statement,
so sixteen threads that record take turns more than they work. One process that takes all waiting
requests, makes their records and writes them in one commit does more.

A request that is being recorded has a socket to the process of its own; sockets are used again,
and were handed over on a control socket. When the worker ends, however it ends, the control
socket closes and the process finishes what it has begun and ends too.
"""

from __future__ import annotations

import atexit
import logging
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from action_provider.auth import Caller
from action_provider.errors import error_named
from action_provider.record.actions import Answer
from action_provider.record.messages import Asking, Reply, receive, send
from provenance_store.errors import StoreUnavailable
from provenance_store.settings import inherited

__all__ = ["NEEDS_GROUPS", "Desk"]

log = logging.getLogger(__name__)

NEEDS_GROUPS = "NeedsGroups"
"""The process cannot ask Globus on the caller's behalf; the worker does, and asks again."""
WAIT_SECONDS = 60
"""How long a request waits for its answer; a store that is locked says so much earlier."""
END_SECONDS = 10
MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 28), "MALLOC_TOP_PAD_": str(1 << 22)}
"""Tells glibc to keep memory that was freed: SQLite needs some 100 kB for each list that a question
compares with, and to give it back and take it anew costs more than to answer the question."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Reply).decode


class Desk:
    """`Actions.run` in another process, which is started at once and again when it has ended."""

    def __init__(self, store_url: str, environ: Mapping[str, str] | None = None) -> None:
        self._store_url = store_url
        self._environ = environ
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle: deque[socket.socket] = deque()
        with self._lock:
            self._start()
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """The process's id; None once it was let go."""
        return None if self._process is None else self._process.pid

    def run(self, caller: Caller, data: bytes) -> Answer:
        """As `Actions.run`. Raises StoreUnavailable when the process ends while it records.

        Asking again is safe then: a request that was recorded is answered as before.
        """
        reply = self._ask(caller, caller.known_groups, data)
        if reply.error == NEEDS_GROUPS:
            reply = self._ask(caller, caller.groups, data)
        if reply.error is not None:
            raise error_named(reply.error, reply.message, reply.choices)
        return Answer(reply.document, reply.is_new, reply.records, reply.steps)

    def close(self) -> None:
        """Let the process end, and wait for it."""
        with self._lock:
            process, control = self._process, self._control
            self._process = self._control = None
        self._hang_up()
        if control is not None:
            control.close()
        if process is not None:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        atexit.unregister(self.close)

    def _ask(self, caller: Caller, groups: frozenset[str] | None, data: bytes) -> Reply:
        told = None if groups is None else list(groups)
        identities = list(caller.identities)
        asking = _encode(
            Asking(caller.identity, identities, told, caller.reader_group, data, time.monotonic())
        )
        try:
            try:
                return self._exchange(asking)
            except ConnectionError:  # The process may have ended long ago; a new one is asked once.
                self._hang_up()
                return self._exchange(asking)
        except BlockingIOError:  # Asking again would only make it wait for longer.
            raise StoreUnavailable("Recording takes too long; send the request again.") from None
        except OSError:
            raise StoreUnavailable("Recording was interrupted; send the request again.") from None

    def _exchange(self, message: bytes) -> Reply:
        try:
            line = self._idle.pop()
        except IndexError:
            line = self._connect()
        try:
            send(line, message)
            reply = _decode(receive(line))
        except BaseException:
            line.close()
            raise
        self._idle.append(line)
        return reply

    def _hang_up(self) -> None:
        """Close the sockets that are not in use."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                self._hand_over(theirs)
        except BaseException:
            ours.close()
            raise
        # The system's own limit: with Python's every exchange would be twice as many system calls.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", WAIT_SECONDS, 0))
        return ours

    def _hand_over(self, line: socket.socket) -> None:
        if self._process is None or self._process.poll() is not None:
            if self._process is not None:
                log.warning("The recording process ended; another one is started.")
            self._start()
        assert self._control is not None
        socket.send_fds(self._control, [b"+"], [line.fileno()])

    def _start(self) -> None:
        if self._control is not None:
            self._control.close()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "action_provider.record.desk_process", str(theirs.fileno())],
                env=MEMORY | inherited(self._environ),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
            )
        # Arguments and environments are shown by `ps`, and a store's URL may hold a password.
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as told:
            told.write(self._store_url.encode())
