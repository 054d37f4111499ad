"""How many durable record steps a second, beside the bare toolkit that stores nothing.

Run `python benchmarks/http_record.py` (or `make bench`). It starts servers with the same gunicorn
settings: the action provider with a store that is synchronous to disk, one on SQLite (``sqlite``)
and one on PostgreSQL where that is installed (``postgresql``), with the worker class and the shared
metrics of `braid serve` (the worker has a recording process beside it, which the others have no
use for); action-provider-tools' blueprint with a callback that keeps nothing (``bare``), and the
same blueprint with the provider's JSON Schema to check (``checking``). All get the same bodies of
about 1 kB (1 step, 2 inputs, 1 output, 1 model) with the same token, in turns, from a load
generator in a process of its own. The ratios of the median requests per second to those of
``bare`` have budgets; the turns are short and many, for the speed of a machine that others use too
changes within seconds. `--seconds` is the length of a turn, `--rounds` how many there are,
`--store` the URL of the one store that is measured instead.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from _postgres import BenchmarkServer  # noqa: E402
from _results import Result, tell  # noqa: E402

from action_provider import shared_metrics  # noqa: E402
from flows.sandbox import Sandbox  # noqa: E402

FLOORS = ("bare", "checking")
BUDGETS = {"sqlite": 0.9, "postgresql": 0.6}
"""The least ratio to the floor, by the kind of store."""
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
LOAD = Path(__file__).with_name("_http_load.py")
THREADS = 16
WARM_UP = 4.0


def measure(port: int, token: str, seconds: float) -> tuple[float, float]:
    """Requests per second and the latency that 99 % stay within, in seconds."""
    command = [sys.executable, str(LOAD), str(port), token, str(seconds)]
    done = subprocess.run(command, check=True, timeout=60 + seconds, stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    if set(result["statuses"]) != {"202"}:
        raise SystemExit(f"not everything was recorded: {result['statuses']}")
    return result["requests"] / seconds, result["slow"]


@contextlib.contextmanager
def gunicorn(name: str, environ: dict[str, str], workers: int) -> Iterator[int]:
    """A server of one of the applications; gives its port when it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = name if name in FLOORS else "braid"
    command = [sys.executable, "-m", "gunicorn", f"_http_apps:{app}()", "--log-level", "error"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    command += ["--worker-class", "braid.web_server.worker.Worker" if app == "braid" else "gthread"]
    command += ["--threads", str(THREADS), "--keep-alive", "60"]
    environ = {**os.environ, **environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
    with shared_metrics.folder() as metrics:
        if app == "braid":
            environ[shared_metrics.FOLDER_VARIABLE] = str(metrics)
        process = subprocess.Popen(command, env=environ, cwd=ROOT / "benchmarks")
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/record/", timeout=30).close()
            return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--store", default=None)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        urls = stack.enter_context(stores(options.store))
        client = sandbox.add_client("braid")
        scope = sandbox.add_scope(client, "action_all")
        token = sandbox.token_for(sandbox.add_identity("ada@example.org"), scope)
        environ = {
            **sandbox.environ(),
            "BRAID_CLIENT_ID": client.client_id,
            "BRAID_CLIENT_SECRET": client.client_secret,
            "BRAID_SCOPE": scope,
        }
        compare(options, environ, token, urls)


@contextlib.contextmanager
def stores(given: str | None) -> Iterator[dict[str, str]]:
    """The URLs of the stores to be measured, by their kind."""
    if given:
        yield {"sqlite" if given.startswith("sqlite:") else "postgresql": given}
        return
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        urls = {"sqlite": f"sqlite:///{folder}/store.db"}
        if (server := BenchmarkServer.find()) is not None:
            stack.enter_context(server)
            urls["postgresql"] = stack.enter_context(server.passing_database())
        yield urls


def compare(
    options: argparse.Namespace, environ: dict[str, str], token: str, urls: dict[str, str]
) -> None:
    """The servers in turns, then the ratios."""
    names = (*FLOORS, *urls)
    rates: dict[str, list[float]] = {name: [] for name in names}
    slow: dict[str, list[float]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in names:
            store = {"BRAID_STORE_URL": urls[name]} if name in urls else {}
            server = gunicorn(name, {**environ, **store}, options.workers)
            ports[name] = stack.enter_context(server)
        for port in ports.values():
            measure(port, token, WARM_UP)
        for turn in range(options.rounds):
            for name in sorted(names, reverse=bool(turn % 2)):
                rate, latency = measure(ports[name], token, options.seconds)
                rates[name].append(rate)
                slow[name].append(latency)
    medians = {name: statistics.median(rates[name]) for name in names}
    for name in urls:
        ratios = sorted(our / bare for our, bare in zip(rates[name], rates["bare"], strict=True))
        print(f"ratios of the rounds, {name}:", " ".join(f"{ratio:.2f}" for ratio in ratios))
    latency = {name: statistics.median(slow[name]) * 1000 for name in names}
    for name in names:
        print(f"{name:11}{medians[name]:7.0f} requests/s   99 % within {latency[name]:5.0f} ms")
    tell("http_record", [each for name in urls for each in results(name, medians, latency[name])])


def results(name: str, medians: dict[str, float], latency: float) -> list[Result]:
    what = f"durable recording of a flow step over HTTP, {NAMES[name]}"
    ours, unit = medians[name], "requests/s"
    return [
        Result(
            what=what,
            ours=ours,
            unit=unit,
            floor=medians["bare"],
            floor_is="the bare toolkit blueprint that stores nothing, same server and workers",
            budget=BUDGETS[name],
            at_least=True,
            note=f"99 % within {latency:.0f} ms",
        ),
        Result(
            what=f"{what}, beside the toolkit with the same schema",
            ours=ours,
            unit=unit,
            floor=medians["checking"],
            floor_is="the toolkit blueprint that stores nothing and checks the same JSON Schema",
        ),
    ]


if __name__ == "__main__":
    main()
