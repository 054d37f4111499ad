"""Gunicorn's worker with threads, made safe against callers that are slow, many, or no HTTP at all.

Requests are read by the main loop, without waiting, and given to a thread when they are complete:
a caller that sends slowly, or half a request, costs a connection for some seconds and never a
thread. What an application can answer without waiting for anything itself (`Quick`) needs none
either: the main loop begins with it, and answers when its reply has come. Whether the process
lives is answered by the main loop as well, which waits for nothing, whatever all threads wait for.

Answers to what is no request have the shape of every other error, and the log names the kind of
fault; gunicorn's own would repeat what was sent.
"""

from __future__ import annotations

import errno
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from action_provider.settings import ACCESS_LOG
from braid.web_server.connection import Connection, Outgoing, Stage
from braid.web_server.limits import Limits, connections_possible
from braid.web_server.requests import ALIVE, TIMEOUT, Refusal, faulty, log_refused, refusal

__all__ = ["STOPS", "Quick", "Worker"]

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""Signals that are held back while a worker is forked, see `braid.web_server.server`."""
TURN_SECONDS = 1.0
LOOK_SECONDS = 0.25
"""How often connections are looked through for those whose time is over."""
PAUSE_SECONDS = 0.25
"""How long no connection is accepted after the system had no descriptor for one."""
QUIET_SECONDS = 60.0
"""How long the same trouble is not logged again."""
NO_CONNECTION = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EPROTO, errno.EPERM)
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINGER_BYTES = 256 << 20


Respond = Callable[[Callable[..., Any]], Iterable[bytes]]
"""Gives the body of an answer, and its head to a `start_response`."""


class Quick(Protocol):
    """The requests that an application answers without a thread, see `WithoutThread`."""

    served: bool

    @property
    def handle(self) -> int | None:
        """The descriptor that replies come from, if there is one."""

    def wants(self, data: bytes | bytearray) -> bool:
        """Whether a request that begins like this may be one of these."""

    def begin(self, environ: dict[str, Any]) -> int | None:
        """Begin with a request; the number of its reply, None for one that is for a thread."""

    def send(self) -> bool:
        """Send what was begun; whether that was all."""

    def finished(self) -> tuple[list[tuple[int, Respond | None]], bool]:
        """What has come: by number what answers, None for a thread; whether more may come."""

    def overdue(self) -> list[tuple[int, Respond | None]]:
        """The same of what has taken too long."""

    def hang_up(self) -> None:
        """Close the descriptor."""


class _AnsweredWithoutThread(NamedTuple):
    """A request that was begun without a thread."""

    conn: Connection
    request: Any
    outgoing: Outgoing
    response: Any
    environ: dict[str, Any]


class _ReadRequest:
    """The request that is being answered, once it has been read."""

    request: Any = None


class Worker(ThreadWorker):  # type: ignore[misc]
    """A main loop that accepts, reads, waits and closes; threads that answer whole requests."""

    alive: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits: Limits = getattr(self.app, "limits", Limits())
        self._waiting: dict[Connection, None] = {}
        """Connections that no thread has, in the order in which they began to wait."""
        self._body_bytes = 0
        self._unsent_bytes = 0
        self._paused_until = 0.0
        self._full = False
        """Somebody waits to connect, and no connection could be ended for that."""
        self._looked = 0.0
        self._logged: dict[str, float] = {}
        self._quick: Quick | None = None
        self._quick_handle: int | None = None
        self._sent_all = True
        self._begun: dict[int, _AnsweredWithoutThread] = {}

    def init_signals(self) -> None:
        """Handle signals from now on, those too that came since the process was forked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def run(self) -> None:
        """Serve until told to stop, then let the requests end that have begun."""
        possible = connections_possible(self.limits.connections, threads=self.cfg.threads)
        self.worker_connections = possible
        wake = self.method_queue
        self.poller.register(wake.fileno(), selectors.EVENT_READ, wake.run_callbacks)
        self._quick = getattr(getattr(self.wsgi, "wsgi_app", None), "quick", None)
        if self._quick is not None:
            self._quick.served = True
        while self.alive and self.is_parent_alive():
            self._turn(accepting=True)
        self._stop()

    def _turn(self, *, accepting: bool) -> None:
        """Wait for events, for a second at most, and handle them."""
        now = time.monotonic()
        self._full = self._full and self.nr_conns >= self.worker_connections
        paused = now < self._paused_until
        self.set_accept_enabled(accepting and not paused and not self._full)
        self.wait_for_and_dispatch_events(PAUSE_SECONDS if paused else TURN_SECONDS)
        if self._quick is not None:
            self._send_begun(self._quick)
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self.notify()
            self._end_overdue(now)
            if self._quick is not None:
                self._finish_all(self._quick.overdue())

    def _stop(self) -> None:
        linger = time.monotonic() + STOP_KEEPALIVE_LINGER
        for conn in (conn for conn in self._waiting if conn.stage is not Stage.ANSWER):
            conn.deadline = min(conn.deadline, linger)
        end = time.monotonic() + self.cfg.graceful_timeout
        while self.nr_conns > 0 and time.monotonic() < end:
            self._looked = 0.0
            self._turn(accepting=False)
        for conn in list(self._waiting):
            self._drop(conn)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()
        for listener in self.sockets:
            listener.close()

    # Accepting

    def accept(self, listener: Any) -> None:
        """Take a new connection; without a descriptor for it, wait and make room."""
        if self.nr_conns >= self.worker_connections and not self._make_room():
            self._full = True
            self._log_seldom("All %s connections are busy.", str(self.worker_connections))
            return
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in NO_DESCRIPTOR:
                self._pause(error)
            elif error.errno not in NO_CONNECTION:
                raise
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname(), self.limits)
        self._wait_for(conn, Stage.HEAD, self.limits.head_seconds)
        self._bound_address(conn)

    def _pause(self, error: OSError) -> None:
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        self._log_seldom("No connection can be accepted for now: %s", error.strerror or "")
        self._make_room()

    def _make_room(self) -> bool:
        """End the connection that is missed least: one that ends anyway, one that is idle, one of
        the address with most unfinished requests. What has been sent whole is answered: False if
        all connections are of that kind."""
        for stage in (Stage.LINGER, Stage.IDLE):
            if found := next((c for c in self._waiting if c.stage is stage), None):
                self._drop(found)
                return True
        addresses = Counter(conn.address for conn in self._unfinished())
        if addresses:
            ((busiest, _),) = addresses.most_common(1)
            self._drop(next(conn for conn in self._unfinished() if conn.address == busiest))
        return bool(addresses)

    def _bound_address(self, conn: Connection) -> None:
        most = self.limits.unfinished_per_address
        if len(self._waiting) <= most:
            return
        same = [other for other in self._unfinished() if other.address == conn.address]
        if len(same) > most:
            self._log_seldom("An address has more than %s unfinished requests.", str(most))
            self._drop(same[0])

    def _unfinished(self) -> Iterator[Connection]:
        stages = (Stage.HEAD, Stage.BODY, Stage.ANSWER)
        return (conn for conn in self._waiting if conn.stage in stages)

    # Reading

    def _wait_for(self, conn: Connection, stage: Stage, seconds: float) -> None:
        """Have the main loop read what comes on a connection, for so long."""
        conn.enter(stage, seconds)
        self._waiting[conn] = None
        if not conn.watched:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._readable, conn))
            conn.watched = True

    def _readable(self, conn: Connection, _: Any) -> None:
        if conn not in self._waiting:
            # It was dropped in this very turn, to make room, or it sends while it is answered.
            self._unwatch(conn)
            return
        try:
            piece = conn.receive()
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._drop(conn)
        elif conn.stage is Stage.LINGER:
            conn.enter(Stage.LINGER, self.limits.linger_idle_seconds)
            conn.lingered += len(piece)
            if conn.lingered > LINGER_BYTES:
                self._drop(conn)
        else:
            self._take(conn, piece)

    def _take(self, conn: Connection, piece: bytes) -> None:
        """Go on with a request; a thread gets it when it is complete."""
        incoming = conn.incoming
        before = incoming.body_bytes
        limits = self.limits
        whole = incoming.feed(piece, head_bytes=limits.head_bytes, most=limits.body_bytes)
        self._body_bytes += incoming.body_bytes - before
        if whole:
            del self._waiting[conn]
            if incoming.asks_whether_alive:
                conn.say(ALIVE)
                self._part(conn)
            elif not self._begin(conn):
                self._unwatch(conn)
                self.enqueue_req(conn)
            return
        if conn.stage is Stage.IDLE:
            conn.enter(Stage.HEAD, limits.head_seconds)
        if incoming.head:
            self._expect_body(conn)

    def _expect_body(self, conn: Connection) -> None:
        if conn.stage is not Stage.BODY:
            conn.enter(Stage.BODY, 0)
            if conn.incoming.continues:
                conn.say(CONTINUE)
                conn.told_to_continue = True
        conn.deadline = self.limits.body_deadline(conn.since, conn.incoming.body_bytes)
        if self._body_bytes > self.limits.bodies_bytes:
            self._log_seldom(
                "Requests on their way have more than %s bytes.", str(self._body_bytes)
            )
            bodies = [other for other in self._waiting if other.stage is Stage.BODY]
            sent: Counter[str] = Counter()
            for other in bodies:
                sent[other.address] += other.incoming.body_bytes
            ((worst, _),) = sent.most_common(1)
            self._drop(next(other for other in bodies if other.address == worst))

    # Answering without a thread

    def _begin(self, conn: Connection) -> bool:
        """Begin with a request that needs no thread; False for any other."""
        quick, incoming = self._quick, conn.incoming
        if quick is None or not quick.wants(incoming.data):
            return False
        if not incoming.whole or incoming.continues:
            return False
        outgoing = Outgoing(conn.sock, conn.client, conn.server)
        try:
            request = conn.parse_whole()
            response, environ = wsgi.create(request, outgoing, conn.client, conn.server, self.cfg)
            environ["wsgi.multithread"] = True
            number = quick.begin(environ)
        except Exception as error:  # A thread meets it again, and answers.
            conn.put_back(error)
            return False
        if number is None:
            request.body = environ["wsgi.input"]
            conn.put_back(request)
            return False
        self._begun[number] = _AnsweredWithoutThread(conn, request, outgoing, response, environ)
        return True

    def _send_begun(self, quick: Quick) -> None:
        """Send all that was begun in this turn together."""
        if (handle := quick.handle) is None:
            return
        if handle != self._quick_handle:  # A thread has opened it.
            self.poller.register(handle, selectors.EVENT_READ, self._replies_come)
            self._quick_handle, self._sent_all = handle, True
        if (sent_all := quick.send()) is not self._sent_all:
            events = selectors.EVENT_READ | (0 if sent_all else selectors.EVENT_WRITE)
            self.poller.modify(handle, events, self._replies_come)
            self._sent_all = sent_all

    def _replies_come(self, handle: int) -> None:
        assert self._quick is not None
        finished, goes_on = self._quick.finished()
        if not goes_on:
            self.poller.unregister(handle)
            self._quick_handle = None
            self._quick.hang_up()
        self._finish_all(finished)

    def _finish_all(self, finished: Iterable[tuple[int, Respond | None]]) -> None:
        for number, respond in finished:
            begun = self._begun.pop(number)
            conn = begun.conn
            if respond is not None:
                self._end_request(conn, self._respond(begun, respond))
                continue
            begun.request.body = begun.environ["wsgi.input"]
            conn.put_back(begun.request)
            self._unwatch(conn)
            self.enqueue_req(conn)

    def _respond(self, begun: _AnsweredWithoutThread, respond: Respond) -> bool:
        """Send an answer as far as its client takes it; True when the connection can be used
        again."""
        conn, response = begun.conn, begun.response
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not self.alive or not self.cfg.keepalive:
            response.force_close()

        def answer(asked: _ReadRequest) -> bool:
            asked.request = begun.request
            for piece in respond(response.start_response):
                response.write(piece)
            response.close()
            conn.answer(begun.outgoing.whole())
            return not response.should_close() and conn.finish()

        return self._guarded(conn, answer)

    # Answering

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread; True when the connection can be used again."""

        def answer(asked: _ReadRequest) -> bool:
            said = Outgoing(conn.sock, conn.client, conn.server)
            request = asked.request = conn.parse()
            if not conn.incoming.whole:  # The answer says so, or the next request would be lost.
                request.force_close()
            kept: bool = self.handle_request(request, said)
            conn.answer(said.whole())
            return kept and conn.finish()

        return self._guarded(conn, answer)

    def _guarded(self, conn: Connection, answer: Callable[[_ReadRequest], bool]) -> bool:
        """What `answer` says of whether the connection can be used again; False after a fault,
        which is answered here, or logged where nobody is there to read the answer."""
        asked = _ReadRequest()
        try:
            return answer(asked)
        except (NoMoreData, StopIteration):
            self.log.debug("A connection ended within a request.")
        except OSError as error:
            self.log.debug("A connection ended: %s", type(error).__name__)
        except Exception as error:
            said = Outgoing(conn.sock, conn.client, conn.server)
            self.handle_error(asked.request, said, conn.client, error)
            with suppress(OSError):
                conn.answer(said.whole())
        return False

    def finish_request(self, conn: Connection, done: Future[bool]) -> None:
        """Keep the connection for the next request, or end it; runs in the main loop."""
        self._end_request(conn, not done.cancelled() and done.exception() is None and done.result())

    def _end_request(self, conn: Connection, kept: bool) -> None:
        self._body_bytes -= conn.incoming.body_bytes
        if conn.unsent:
            self._let_read(conn, kept)
        else:
            self._go_on(conn, kept)

    def _let_read(self, conn: Connection, kept: bool) -> None:
        """Send the rest of an answer as the client reads it: that holds no thread."""
        conn.goes_on = kept
        conn.enter(Stage.ANSWER, self.limits.answer_seconds)
        self._waiting[conn] = None
        self._unsent_bytes += len(conn.unsent)
        try:
            self._unwatch(conn)
            self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._writable, conn))
            conn.watched = True
        except (OSError, KeyError, ValueError):
            self._drop(conn)
            return
        self._bound_address(conn)
        self._bound_answers()

    def _bound_answers(self) -> None:
        """Of the address that leaves most unread, the largest answer goes first."""
        most = self.limits.answers_bytes
        while self._unsent_bytes > most:
            self._log_seldom("Answers that nobody reads have more than %s bytes.", str(most))
            unread: Counter[str] = Counter()
            answers = [conn for conn in self._waiting if conn.stage is Stage.ANSWER]
            for conn in answers:
                unread[conn.address] += len(conn.unsent)
            ((worst, _),) = unread.most_common(1)
            of_it = (conn for conn in answers if conn.address == worst)
            self._drop(max(of_it, key=lambda conn: len(conn.unsent)))

    def _writable(self, conn: Connection, _: Any) -> None:
        if conn not in self._waiting:
            return  # It was dropped in this very turn, to make room.
        before = len(conn.unsent)
        try:
            conn.send_some()
        except OSError:
            self._drop(conn)
            return
        self._unsent_bytes -= before - len(conn.unsent)
        if not conn.unsent:
            self._forget(conn)
            self._go_on(conn, conn.goes_on)

    def _go_on(self, conn: Connection, kept: bool) -> None:
        try:
            if not kept:
                self._part(conn)
                return
            rest = conn.next_request()
            idle = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
            self._wait_for(conn, Stage.IDLE, idle)
            if rest:
                self._take(conn, rest)
        except (OSError, KeyError, ValueError):
            self._drop(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer an exception from outside the application."""
        said = refusal(exc)
        self._log_refusal(said, req, f": {faulty(exc)}")
        with suppress(OSError):
            client.sendall(said.answer)

    def _log_refusal(self, said: Refusal, request: Any, why: str) -> None:
        self.log.warning("A request was answered %s%s", said.status, why)
        if ACCESS_LOG.get() == "on":
            log_refused(said, request)

    # Closing

    def _end_overdue(self, now: float) -> None:
        for conn in [conn for conn in self._waiting if conn.deadline <= now]:
            if conn.stage in (Stage.HEAD, Stage.BODY) and conn.incoming.data:
                self._log_refusal(TIMEOUT, None, ".")
                self._forget(conn)
                self._body_bytes -= conn.incoming.body_bytes
                conn.say(TIMEOUT.answer)
                self._part(conn)
            else:
                self._drop(conn)

    def _part(self, conn: Connection) -> None:
        """Close a connection so that its client can read the answer: closed at once, while there is
        something unread, the system would throw the answer away with it."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self._wait_for(conn, Stage.LINGER, self.limits.linger_idle_seconds)
        except (OSError, KeyError, ValueError):
            self._drop(conn)

    def _forget(self, conn: Connection) -> None:
        """Have the main loop read nothing more of a connection."""
        del self._waiting[conn]
        self._unwatch(conn)

    def _unwatch(self, conn: Connection) -> None:
        if conn.watched:
            conn.watched = False
            with suppress(OSError, KeyError, ValueError):
                self.poller.unregister(conn.sock)

    def _drop(self, conn: Connection) -> None:
        """Close a connection at once."""
        if conn in self._waiting:
            if conn.stage in (Stage.HEAD, Stage.BODY):
                self._body_bytes -= conn.incoming.body_bytes
            if conn.stage is Stage.ANSWER:
                self._unsent_bytes -= len(conn.unsent)
            del self._waiting[conn]
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.close()

    def _log_seldom(self, message: str, detail: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(message, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._logged[message] = now
            self.log.warning(message, detail)
