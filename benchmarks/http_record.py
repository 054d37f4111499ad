"""How many durable record steps a second, beside the bare toolkit that stores nothing.

Run `python benchmarks/http_record.py` (or `make bench`). It starts three servers with the same
gunicorn settings: the action provider with a SQLite store that is synchronous to disk
(``braid``, with the worker class and the shared metrics of `braid serve`;
on SQLite its worker has a recording process beside it, which the others have no use
for), action-provider-tools' blueprint with a callback that keeps nothing (``bare``), and
the same blueprint with the provider's JSON Schema to check (``checking``). All get the same
bodies of about 1 kB (1 step, 2 inputs, 1 output, 1 model) with the same token, in turns, from a
load generator in a process of its own. The ratio of the median requests per second of ``braid``
and ``bare`` has the budget 0.8; the turns are short and many, for the speed of a machine that
others use too changes within seconds. `--seconds` is the length of a turn, `--rounds` how many
there are, `--store` another store's URL.
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

from _results import Result, tell  # noqa: E402

from action_provider import shared_metrics  # noqa: E402
from flows.sandbox import Sandbox  # noqa: E402

NAMES = ("bare", "checking", "braid")
BUDGET = 0.8
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
    command = [sys.executable, "-m", "gunicorn", f"_http_apps:{name}()", "--log-level", "error"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", str(workers)]
    command += ["--worker-class", "braid.worker.Worker" if name == "braid" else "gthread"]
    command += ["--threads", str(THREADS), "--keep-alive", "60"]
    environ = {**os.environ, **environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
    with shared_metrics.folder() as metrics:
        if name == "braid":
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
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        client = sandbox.add_client("braid")
        scope = sandbox.add_scope(client, "action_all")
        token = sandbox.token_for(sandbox.add_identity("ada@example.org"), scope)
        environ = {
            **sandbox.environ(),
            "BRAID_CLIENT_ID": client.client_id,
            "BRAID_CLIENT_SECRET": client.client_secret,
            "BRAID_SCOPE": scope,
            "BRAID_STORE_URL": options.store or f"sqlite:///{folder}/store.db",
        }
        compare(options, environ, token)


def compare(options: argparse.Namespace, environ: dict[str, str], token: str) -> None:
    """The servers in turns, then the ratios."""
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    slow: dict[str, list[float]] = {name: [] for name in NAMES}
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(gunicorn(name, environ, options.workers)) for name in NAMES
        }
        for port in ports.values():
            measure(port, token, WARM_UP)
        for turn in range(options.rounds):
            for name in sorted(NAMES, reverse=bool(turn % 2)):
                rate, latency = measure(ports[name], token, options.seconds)
                rates[name].append(rate)
                slow[name].append(latency)
    medians = {name: statistics.median(rates[name]) for name in NAMES}
    ratios = sorted(ours / bare for ours, bare in zip(rates["braid"], rates["bare"], strict=True))
    print("ratios of the rounds:", " ".join(f"{ratio:.2f}" for ratio in ratios))
    for name in NAMES:
        latency = statistics.median(slow[name]) * 1000
        print(f"{name:9}{medians[name]:7.0f} requests/s   99 % within {latency:5.0f} ms")
    tell("http_record", results(medians, statistics.median(slow["braid"])))


def results(medians: dict[str, float], slow: float) -> list[Result]:
    what = "durable recording of a flow step over HTTP"
    ours, unit = medians["braid"], "requests/s"
    return [
        Result(
            what=what,
            ours=ours,
            unit=unit,
            floor=medians["bare"],
            floor_is="the bare toolkit blueprint that stores nothing, same server and workers",
            budget=BUDGET,
            at_least=True,
            note=f"99 % within {slow * 1000:.0f} ms",
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
