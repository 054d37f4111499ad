"""`braid flow watch`"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from braid.cli.errors import describe
from braid.cli.options import Time, map_option, writes
from braid.cli.output import printable
from braid.cli.source import Source
from provenance_store.display import counted

if TYPE_CHECKING:
    from flows.harvest import Harvested
    from flows.harvest.watching import HarvestWatch, Round

__all__ = ["command"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LONGEST = 86_400.0
KEPT_DAYS = "90d"
RETRIES = 3
"""Few, for the next round tries again anyway."""


class Duration(click.ParamType[float]):
    """A length of time such as ``30s``, ``10m`` or ``2h``; the command gets seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from provenance_store.errors import InvalidInput
        from provenance_store.times import parse_time

        if isinstance(value, float):
            return value
        try:
            seconds = -parse_time(str(value), now=0) / 1e6
        except InvalidInput:
            seconds = -1
        if not 1 <= seconds <= LONGEST:
            self.fail(f"{value!r} is not a duration; write 30s, 10m or 2h, at most a day.")
        return seconds


@click.command()
@click.option(
    "--flow",
    "flow_ids",
    multiple=True,
    metavar="FLOW_ID",
    help="The runs of this flow that you may see. May be repeated. [default: your own runs]",
)
@click.option("--mine", is_flag=True, help="Only your own runs, of --flow or of all flows.")
@click.option(
    "--every", type=Duration(), default="10m", show_default=True, help="How long to pause."
)
@click.option(
    "--since",
    type=Time(),
    default=KEPT_DAYS,
    show_default=True,
    help="Begin with the runs that started at this time.",
)
@click.option("--models", type=FILE, metavar="FILE.toml", help="As of `braid flow harvest`.")
@map_option
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Serve /metrics for Prometheus at this port of this machine: lag, steps, failures.",
)
@writes
def command(
    *,
    flow_ids: tuple[str, ...],
    mine: bool,
    every: float,
    since: int,
    models: Path | None,
    collections: tuple[str, ...],
    metrics_port: int | None,
    source: Source,
) -> None:
    """Harvest runs repeatedly, until stopped.

    As `braid flow harvest`, at once and then after each pause: runs that are over are read once,
    active ones as far as they have got. All that it must remember is in the store, so it may be
    stopped (Ctrl-C, SIGTERM) and started at any time. When Globus or the store cannot be reached
    it says so and tries again after the pause. A line on standard output tells of each run that
    brought something.
    """
    from braid.cli.login import globus_app
    from flows.harvest import Conventions, read_conventions
    from flows.harvest.service import FlowsLogs, reading_client
    from flows.harvest.watching import HarvestWatch
    from flows.steps.collections import read_collections

    conventions = Conventions() if models is None else read_conventions(models)
    logs = FlowsLogs(reading_client(globus_app(), retries=RETRIES))
    with _until_stopped(), source.open(create=True) as store:
        watch = HarvestWatch(
            store,
            logs,
            flow_ids=flow_ids,
            mine=mine or not flow_ids,
            since=since,
            conventions=conventions,
            collections=read_collections(collections),
        )
        _watch(watch, every, _Metrics(metrics_port))


def _watch(watch: HarvestWatch, every: float, metrics: _Metrics) -> NoReturn:
    from provenance_store.errors import ServiceUnavailable, StoreUnavailable
    from provenance_store.ids import now

    while True:
        try:
            done = watch.round(now(), _tell)
        except (ServiceUnavailable, StoreUnavailable) as error:
            metrics.failed()
            _say(f"braid: {describe(error)} Trying again in {every:.0f} s.", err=True)
        else:
            metrics.done(done)
            for why in done.refused:
                _say(f"braid: {why}", err=True)
        time.sleep(every)


class _Stopped(BaseException):
    """Somebody wants the watch to end."""


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Ends at Ctrl-C and SIGTERM, be it in the middle of a pause: what is not written whole is not
    written."""

    def stop(*_: object) -> NoReturn:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped:
        _say("Stopped.", err=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(one: Harvested) -> None:
    if one.added or one.completed:
        _say(f"{one.run_id}  {one.status}  {one.added} of {counted(one.steps, 'step')} added")
    for note in one.notes:
        _say(f"braid: {one.run_id}: {note}", err=True)


def _say(text: str, *, err: bool = False) -> None:
    clock = datetime.now().astimezone().strftime("%H:%M:%S")
    click.echo(printable(f"{clock}  {text}"), err=err)


class _Metrics:
    """What Prometheus is told; nothing without a port."""

    def __init__(self, port: int | None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

        registry = CollectorRegistry()

        def make(kind: Any, name: str, text: str) -> Any:
            return kind(f"braid_harvest_{name}", text, registry=registry)

        self._steps = make(Counter, "steps", "Steps that were added.")
        self._failed = make(Counter, "failed_rounds", "Rounds that Globus or the store ended.")
        self._refused = make(Counter, "refused_runs", "Runs that could not be harvested.")
        self._active = make(Gauge, "active_runs", "Runs that go on, as of the last round.")
        self._last = make(Gauge, "last_round_timestamp_seconds", "When a round was last whole.")
        lag = make(Gauge, "lag_seconds", "How long ago a round was last whole.")
        self._whole = time.time()
        self._last.set(self._whole)
        lag.set_function(lambda: time.time() - self._whole)
        if port is not None:
            start_http_server(port, addr="127.0.0.1", registry=registry)

    def failed(self) -> None:
        """A round was not whole."""
        self._failed.inc()

    def done(self, round_: Round) -> None:
        """A round was whole."""
        self._steps.inc(round_.added)
        self._refused.inc(len(round_.refused))
        self._active.set(round_.active)
        self._whole = time.time()
        self._last.set(self._whole)
