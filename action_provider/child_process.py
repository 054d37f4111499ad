"""A process beside the worker that does work for it, asked over sockets.

A request that is being answered has a socket to the process of its own; sockets are used again,
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
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from action_provider.framing import receive, send
from provenance_store.settings import inherited

__all__ = ["Child", "ChildConnection"]

log = logging.getLogger(__name__)

END_SECONDS = 10
ENDING_SECONDS = 2


class ChildConnection(NamedTuple):
    """A socket to a process, and the process that holds its other end."""

    socket: socket.socket
    process: subprocess.Popen[bytes]


class Child:
    """A process that runs a module: started when it is needed, and again when it has ended.

    It is told the control socket's number, and the arguments, as arguments; and on its standard
    input the store's URL, which may hold a password: arguments and environments are shown by `ps`.
    """

    module = ""
    wait_seconds = 60
    """How long a request waits for its answer; a store that is locked says so much earlier."""
    memory: Mapping[str, str] = {}
    """Variables that are put into its environment."""

    def __init__(
        self, store_url: str, environ: Mapping[str, str] | None = None, *arguments: str
    ) -> None:
        self._store_url = store_url
        self._environ = environ
        self._arguments = arguments
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._idle: deque[ChildConnection] = deque()
        self._was_asked = False
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """The process's id; None before it is started and once it was let go."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """Start the process before it is needed; it gets ready by itself."""
        with self._lock:
            if self._process is None:
                self._start()

    def close(self) -> None:
        """Let the process end, and wait for it; one that was never asked has nothing to end."""
        with self._lock:
            process = self._let_go()
        self._hang_up()
        if process is not None:
            if not self._was_asked:  # perhaps it has not even begun
                process.kill()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        atexit.unregister(self.close)

    def _exchange(self, message: bytes) -> bytes:
        """The answer to a message. Raises BlockingIOError when it takes too long, and
        ConnectionError when the process ends first, or had ended long ago.

        A process that takes too long is ended: nobody waits for its answer any more, and what it
        goes on with would keep its place, and the store, from others.
        """
        connection = self._idle_connection() or self._connect()
        try:
            send(connection.socket, message)
            reply = receive(connection.socket)
        except BaseException as error:
            connection.socket.close()
            if isinstance(error, BlockingIOError):
                self.end(connection.process)
            elif isinstance(error, ConnectionError):
                self._ended(connection.process)
            raise
        self._idle.append(connection)
        return reply

    def _idle_connection(self) -> ChildConnection | None:
        """One that may be used again; those to a process that is gone are closed."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.process is self._process and connection.process.poll() is None:
                return connection
            connection.socket.close()

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        """Ask a process no more that has closed a socket because it ends: whoever asks next has a
        new one. It is seen to have ended only a moment later."""
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:  # it had no descriptor for that socket
            return
        with self._lock:
            if process is self._process:
                log.warning("%s ended; another one is started.", self.module)
                self._let_go()

    def _let_go(self) -> subprocess.Popen[bytes] | None:
        """Close the control socket: the process, if there is one, ends when it has finished."""
        process, control = self._process, self._control
        self._process = self._control = None
        if control is not None:
            control.close()
        return process

    def end(self, process: subprocess.Popen[bytes] | None) -> None:
        """Kill a process, unless another one has ended it; the next request starts a new one."""
        with self._lock:
            if process is None or process is not self._process or process.poll() is not None:
                return
            log.warning("%s took longer than %d s and is ended.", self.module, self.wait_seconds)
            process.kill()
        with suppress(subprocess.TimeoutExpired):  # a disk may keep it for longer
            process.wait(END_SECONDS)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the sockets that are not in use."""
        with suppress(IndexError):
            while True:
                self._idle.pop().socket.close()

    def _connect(self) -> ChildConnection:
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                process = self._hand_over(theirs)
        except BaseException:
            ours.close()
            raise
        # The system's own limit: with Python's every exchange would be twice as many system calls.
        # Sending has one too, for a process that is stopped takes nothing that is large.
        limit = struct.pack("ll", self.wait_seconds, 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, limit)
        return ChildConnection(ours, process)

    def _hand_over(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        """Give a socket to the process, or to a new one if it is gone.

        While one thread waits for its end another one is told that it goes on: its socket knows.
        """
        if self._process is not None and self._control is not None:
            with suppress(ConnectionError):
                if self._process.poll() is None:
                    socket.send_fds(self._control, [b"+"], [theirs.fileno()])
                    self._was_asked = True
                    return self._process
            log.warning("%s ended; another one is started.", self.module)
        process, control = self._start()
        socket.send_fds(control, [b"+"], [theirs.fileno()])
        self._was_asked = True
        return process

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        self._let_go()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(theirs.fileno()), *self._arguments],
                env={**self.memory, **inherited(self._environ)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
            )
        self._was_asked = False
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as told:
            told.write(self._store_url.encode())
        return process, self._control
