"""The load generator of fairness.py: `_fairness_load.py SORT PORT TOKEN SECONDS LOOPS`.

It makes its requests, prints a line, waits for one, sends, and prints JSON.
"""

from __future__ import annotations

import itertools
import json
import socket
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

from _http_load import body

from provenance_store.batch import Batch, encode_batch
from provenance_store.recording.recorder import Recorder
from provenance_store.sink import MemorySink

PAUSE = 0.025
"""Of the ordinary caller, between its steps."""
INPUTS = 1_980
"""With a URI and a link each, they are as many rows as a step may be."""
PADDING = 3 << 20
"""Bytes of parameters beside them: together they are below the largest body."""
BATCH_RECORDS, TOGETHER = 30_000, 500
"""Records of a batch, and of them those that are recorded together: more than some thousand rows
of one piece are refused."""
Requests = Iterator[bytes]


def http(method: str, path: str, token: str, data: bytes = b"", kind: str = "json") -> bytes:
    """A request over a kept connection."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/{kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def action(path: str, token: str, document: str) -> bytes:
    """A request to run an action whose body is this JSON."""
    name = uuid.uuid4()
    return http("POST", path, token, f'{{"request_id":"{name}","body":{document}}}'.encode())


def ordinary(token: str) -> Requests:
    """Steps of about 1 kB, twenty in a run."""
    for number in itertools.count():
        if number % 20 == 0:
            run = str(uuid.uuid4())
        yield action("/record/run", token, json.dumps(body(number, run)))


def records(token: str) -> Requests:
    """The largest steps: all the rows that there may be, and parameters to fill the body."""
    padding = json.dumps(list(range(PADDING // 9)))
    while True:
        run = str(uuid.uuid4())
        inputs = [{"name": f"f{i}", "uri": f"globus://c/{run}/{i}"} for i in range(INPUTS)]
        document = {"run": {"run_id": run}, "step": {"name": "Large"}, "inputs": inputs}
        yield action("/record/run", token, json.dumps(document)[:-1] + f',"parameters":{padding}}}')


def batches(token: str) -> Requests:
    """Batches of many records, each new."""
    while True:
        sink = MemorySink()
        recorder = Recorder(sink, environment=None)
        for first in range(0, BATCH_RECORDS, TOGETHER):
            with recorder.transaction():
                for number in range(first, first + TOGETHER):
                    recorder.data("frame", uris=[f"file:///{sink.origin.uuid}/{number}"])
        batch = Batch.joined(sink.batches)
        batch.origin.append(sink.origin)
        yield http("POST", "/api/v1/batches", token, encode_batch(batch), "msgpack")


def questions(token: str) -> Requests:
    """What takes long to answer."""
    models = '{"ask":"models","tags":["sample=Ni"],"best":"loss","limit":10}'
    found = '{"ask":"records","name":"*f1*","tags":["sample=Ni"],"limit":10}'
    while True:
        yield action("/query/run", token, models)
        yield action("/query/run", token, found)
        yield http("GET", "/api/v1/records?name=*9*&limit=1000", token)
        yield http("GET", "/api/v1/models?name=*1*&limit=1000", token)


MAKERS: dict[str, Callable[[str], Requests]] = {
    "ordinary": ordinary,
    "records": records,
    "batches": batches,
    "questions": questions,
}
AHEAD = {"ordinary": 1_000, "records": 4, "batches": 2, "questions": 400}
"""How many requests are made before the clock runs; they are made anew when they are used up."""


def exchange(line: socket.socket, request: bytes) -> int:
    """The status of the answer, which is read whole."""
    line.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(line)
    head, _, rest = data.partition(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + 15
    length, got = int(head[at:].split(b"\r\n", 1)[0]), len(rest)
    while got < length:
        got += len(_some(line))
    if b"connection: close" in head.lower():
        raise ConnectionError(head.split(b" ", 2)[1].decode())
    return int(head.split(b" ", 2)[1])


def _some(line: socket.socket) -> bytes:
    if not (chunk := line.recv(1 << 16)):
        raise ConnectionError("closed")
    return chunk


def loop(
    port: int, requests: Requests, until: float, pause: float, found: list[tuple[float, str]]
) -> None:
    line = socket.create_connection(("127.0.0.1", port), timeout=120)
    while (began := time.perf_counter()) < until:
        try:
            status = str(exchange(line, next(requests)))
        except ConnectionError as error:
            status = str(error)
            line.close()
            line = socket.create_connection(("127.0.0.1", port), timeout=120)
        found.append((time.perf_counter() - began, status))
        time.sleep(pause)
    line.close()


def main(sort: str, port: int, token: str, seconds: float, loops: int) -> None:
    made = [
        itertools.chain(list(itertools.islice(maker, AHEAD[sort])), maker)
        for maker in (MAKERS[sort](token) for _ in range(loops))
    ]
    print(flush=True)
    sys.stdin.readline()
    until = time.perf_counter() + seconds
    found: list[tuple[float, str]] = []
    pause = PAUSE if sort == "ordinary" else 0.0
    threads = [
        threading.Thread(target=loop, args=(port, requests, until, pause, found))
        for requests in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = Counter(status for _, status in found)
    print(json.dumps({"latencies": [took for took, _ in found], "statuses": statuses}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
