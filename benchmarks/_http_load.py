"""The load generator of http_record.py: `_http_load.py PORT TOKEN SECONDS` prints JSON.

Raw keep-alive sockets in one thread and requests made beforehand, so that the generator neither
is the limit nor takes much of the processors that it shares with the server.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
import uuid
from collections import Counter

CONNECTIONS = 16
STEPS_IN_A_RUN = 20
MOST_A_SECOND = 400


def body(number: int, run: str) -> dict[str, object]:
    """One step: 2 inputs, 1 output, 1 model."""
    place = f"globus://6c54cade-bde5-45c1-bdea-f4bd71dba2cc/experiment/{run}"
    return {
        "run": {
            "run_id": run,
            "flow_id": "0f3d5a34-21b4-4a7f-9d1c-5d0f8c4b2c11",
            "run_owner": "urn:globus:auth:identity:ae341a98-d274-11e5-b888-dbae3a8ba545",
        },
        "step": {
            "name": "Train",
            "type": "Action",
            "action_url": "https://compute.actions.globus.org/v3",
            "action_id": f"tg_{run}_{number}",
            "status": "SUCCEEDED",
        },
        "parameters": {"endpoint_id": "4b116d3c-1703-4f8f-9f6f-39921e5864df", "epochs": 10},
        "inputs": [
            {"name": f"scan-{number}.h5", "uri": f"{place}/scan-{number}.h5", "size": 8388608},
            {"name": f"peaks-{number}.csv", "uri": f"{place}/peaks-{number}.csv"},
        ],
        "outputs": [{"name": f"report-{number}.txt", "uri": f"{place}/report-{number}.txt"}],
        "models": [
            {"name": f"braggnn-{run}", "how": "trained", "uri": f"{place}/model-{number}.pt"}
        ],
        "tags": {"sample": "Ni"},
    }


def request(number: int, run: str, token: str) -> bytes:
    """The HTTP request that records it."""
    document = {"request_id": str(uuid.uuid4()), "body": body(number, run)}
    data = json.dumps(document).encode()
    head = (
        "POST /record/run HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Line:
    """A kept connection that sends its requests one after the other."""

    def __init__(self, port: int, prepared: list[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._prepared = iter(prepared)
        self._data = b""
        self.began = 0.0

    def ask(self) -> None:
        """Send the next request."""
        self.began = time.perf_counter()
        self.socket.sendall(next(self._prepared))

    def answer(self) -> int | None:
        """Read what has come: the status once the response is whole, None before."""
        if not (chunk := self.socket.recv(65536)):
            raise ConnectionError("the server closed the connection")
        self._data += chunk
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return None
        at = head.lower().index(b"content-length:") + 15
        if len(rest) < int(head[at:].split(b"\r\n", 1)[0]):
            return None
        self._data = b""
        return int(head.split(b" ", 2)[1])


def prepare(seconds: float, token: str) -> list[bytes]:
    """More requests than a connection can send in so long: whole runs, step by step."""
    prepared: list[bytes] = []
    while len(prepared) < seconds * MOST_A_SECOND + 10:
        run = str(uuid.uuid4())
        prepared += [request(step, run, token) for step in range(STEPS_IN_A_RUN)]
    return prepared


def load(port: int, token: str, seconds: float) -> dict[str, object]:
    """Keep CONNECTIONS connections busy for so long: requests, the 99 % latency, statuses."""
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    lines = [Line(port, prepare(seconds, token)) for _ in range(CONNECTIONS)]
    ready = select.epoll()
    by_handle = {line.socket.fileno(): line for line in lines}
    for handle in by_handle:
        ready.register(handle, select.EPOLLIN)
    until = time.perf_counter() + seconds
    for line in lines:
        line.ask()
    while (now := time.perf_counter()) < until:
        for handle, _ in ready.poll(until - now):
            line = by_handle[handle]
            if (status := line.answer()) is None:
                continue
            if (ended := time.perf_counter()) > until:
                break
            latencies.append(ended - line.began)
            statuses[status] += 1
            line.ask()
    slow = sorted(latencies)[int(len(latencies) * 0.99)] if latencies else 0.0
    return {"requests": len(latencies), "slow": slow, "statuses": statuses}


if __name__ == "__main__":
    print(json.dumps(load(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
