"""The load generator of http_record.py: `_http_load.py PORT TOKEN SECONDS` prints JSON.

Raw keep-alive sockets and requests made beforehand, so that the generator is not the limit.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import uuid

CONNECTIONS = 16
STEPS_IN_A_RUN = 20


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


def answer(connection: socket.socket) -> int:
    """Read one response; its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (chunk := connection.recv(65536)):
            raise ConnectionError("the server closed the connection")
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    at = head.lower().index(b"content-length:") + 15
    missing = int(head[at:].split(b"\r\n", 1)[0]) - len(rest)
    while missing > 0:
        missing -= len(connection.recv(65536))
    return int(head.split(b" ", 2)[1])


def load(port: int, token: str, seconds: float) -> dict[str, object]:
    """Keep CONNECTIONS connections busy for so long: requests, the 99 % latency, statuses."""
    latencies: list[float] = []
    statuses: dict[int, int] = {}
    start = threading.Barrier(CONNECTIONS + 1)
    until = 0.0

    def one(place: int) -> None:
        prepared: list[bytes] = []
        while len(prepared) < seconds * 200 + 10:
            run = str(uuid.uuid4())
            prepared += [request(step, run, token) for step in range(STEPS_IN_A_RUN)]
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            start.wait()
            for data in prepared:
                began = time.perf_counter()
                connection.sendall(data)
                status = answer(connection)
                ended = time.perf_counter()
                if ended > until:
                    return
                latencies.append(ended - began)
                statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=one, args=(place,)) for place in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    while start.n_waiting < CONNECTIONS:
        time.sleep(0.01)
    until = time.perf_counter() + seconds
    start.wait()
    for thread in threads:
        thread.join()
    slow = sorted(latencies)[int(len(latencies) * 0.99)] if latencies else 0.0
    return {"requests": len(latencies), "slow": slow, "statuses": statuses}


if __name__ == "__main__":
    print(json.dumps(load(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))))
