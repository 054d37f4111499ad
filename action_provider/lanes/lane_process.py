"""The process of a lane: `python -m action_provider.lanes.lane_process FD`, started by a worker.

It holds the application that the worker holds too, without lanes of its own, and answers what the
worker forwards: it looks at tokens itself, for harvests need the caller's. The store's URL is read
from standard input. Each socket has a thread, and the worker has as many sockets as places. It ends
when the control socket FD is closed at the other end.

On SQLite, where one writes at a time, it pauses after each commit, so that the others find the
store free, and where it is told to, its threads take turns, so that it holds the store for no
longer than it takes (`turns`). Its priority is that of the others, for the same reason.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import suppress

import msgspec
from flask import Flask, Response, g, request

from action_provider import logs
from action_provider.app import EXTENSION, create_app
from action_provider.fair_queue import TURNS
from action_provider.framing import receive, send
from action_provider.lanes.messages import Answered, Forwarded
from provenance_store.sql.waits import begin_question

__all__ = ["main"]

MOST_LINES = 64

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Forwarded).decode


def main(control: socket.socket, app: Flask, *, takes_turns: bool = False) -> None:
    """Serve until the worker is gone."""
    app.after_request(_told)
    if takes_turns:
        _take_turns(app)
    else:
        seconds = app.extensions[EXTENSION].options.question_seconds
        app.before_request(lambda: begin_question(seconds))
    threads: list[threading.Thread] = []
    while handles := _more(control):
        threads = [thread for thread in threads if thread.is_alive()]
        for handle in handles:
            line = socket.socket(fileno=handle)
            thread = threading.Thread(target=_serve, args=(line, app), daemon=True)
            thread.start()
            threads.append(thread)
    for thread in threads:  # the worker has closed the sockets: they end with their request
        thread.join()


def _take_turns(app: Flask) -> None:
    """Let one request at a time be worked at; not yet while Globus is asked whose it is."""
    authenticator = app.extensions[EXTENSION].authenticator

    def begin() -> None:
        if "Authorization" not in request.headers:
            return  # for whom nothing is done
        authenticator.caller(request)
        g.turn = TURNS.alone()
        g.turn.__enter__()

    def end(_: BaseException | None) -> None:
        if (turn := g.pop("turn", None)) is not None:
            turn.__exit__(None, None, None)

    app.before_request(begin)
    app.teardown_request(end)


def _more(control: socket.socket) -> list[int]:
    try:
        return list(socket.recv_fds(control, MOST_LINES, MOST_LINES)[1])
    except OSError:
        return []


def _serve(line: socket.socket, app: Flask) -> None:
    with line, suppress(OSError):
        while True:
            send(line, _encode(_answer(app, _decode(receive(line)))))


def _answer(app: Flask, request: Forwarded) -> Answered:
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> object:
        said.append((status, headers))
        return None

    chunks = app.wsgi_app(request.wsgi(), start)  # type: ignore[arg-type]
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    (status, headers), *_ = said
    kept = [(name, value) for name, value in headers if name != TALLY]
    counts = [int(n) for name, value in headers if name == TALLY for n in value.split()]
    return Answered(status, kept, body, *counts)


TALLY = "X-Braid-Tally"


def _told(response: Response) -> Response:
    if tally := g.get("tally"):
        response.headers[TALLY] = "{} {}".format(*tally)
    return response


def _run() -> None:
    logs.begin()
    app = create_app(sys.stdin.read(), create=False, lane=True)
    main(socket.socket(fileno=int(sys.argv[1])), app, takes_turns="turns" in sys.argv[2:])
    app.extensions[EXTENSION].close()


if __name__ == "__main__":
    # Whoever stops the server stops the worker, which ends when its requests are answered, and
    # this ends after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _run()
