"""`braid serve`"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING

import click

from braid.cli.options import port_option, writes
from braid.cli.source import Source
from provenance_store.extras import require

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["command"]

BUSY_MS = 5_000
"""How long a write of the server waits for another, unless the environment says: a caller waits."""


@click.command()
@writes
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@port_option(8000)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes; more than one is for PostgreSQL.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Requests of a usual size that each process handles at a time.",
)
@click.option(
    "--connections",
    type=click.IntRange(8, 100_000),
    default=1000,
    show_default=True,
    help="Most open connections of each process; fewer where `ulimit -n` allows fewer.",
)
@click.option(
    "--head-seconds",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="How long a request's headers may take to arrive, in all.",
)
@click.option(
    "--body-seconds",
    type=click.FloatRange(0.1, 600),
    default=20.0,
    show_default=True,
    help="How long a request's body may take to arrive, besides a second for each 16 KiB of it.",
)
@click.option(
    "--stalled-seconds",
    type=click.IntRange(3, 3600),
    default=60,
    show_default=True,
    help="How long a process may show no sign of life before it is killed and replaced. Its start "
    "counts too, a long request does not.",
)
@click.option(
    "--upgrade/--no-upgrade",
    default=True,
    show_default=True,
    help="Bring the store to the schema of this version first.",
)
def command(
    *,
    source: Source,
    host: str,
    port: int,
    workers: int,
    threads: int,
    connections: int,
    head_seconds: float,
    body_seconds: float,
    stalled_seconds: int,
    upgrade: bool,
) -> None:
    """Serve the action provider and the query API.

    Takes BRAID_CLIENT_ID and BRAID_CLIENT_SECRET from the environment:
    docs/register-with-globus-auth.md tells how to get them, and `braid sandbox` prints some to
    try. Globus Flows calls https addresses only: put a proxy with a certificate in front. Serves
    until it is stopped, and then finishes the requests that it has begun.
    """
    require("server", "A server")
    from action_provider import shared_metrics
    from action_provider.settings import Options
    from braid.web_server.limits import Limits
    from braid.web_server.server import listen, serve
    from provenance_store.settings import BUSY_TIMEOUT_MS

    os.environ.setdefault(BUSY_TIMEOUT_MS.name, str(BUSY_MS))
    options = Options.read()
    _prepare(source, upgrade=upgrade)
    listening = listen(host, port)
    limits = Limits(connections=connections, head_seconds=head_seconds, body_seconds=body_seconds)
    with shared_metrics.folder() as metrics:
        # prometheus_client decides when it is imported whether processes share their counters.
        os.environ[shared_metrics.FOLDER_VARIABLE] = str(metrics)
        from action_provider import logs
        from action_provider.lanes.admission import threads_for

        logs.begin()
        serve(
            partial(_application, source.url, places=threads),
            listening,
            workers=workers,
            threads=threads_for(threads, options),
            limits=limits,
            stalled_seconds=stalled_seconds,
            when_ready=partial(_say_where, f"serving {listening.url} from {source.shown}"),
            when_ended=partial(shared_metrics.fold, metrics),
        )


def _say_where(text: str) -> None:
    """For people and supervisors; in a log of JSON lines as one of these."""
    from action_provider.settings import LOG_FORMAT

    if LOG_FORMAT.get() == "json":
        logging.getLogger("braid.serve").info("%s", text)
    else:
        click.echo(f"braid: {text}", err=True)


def _application(url: str, *, places: int) -> Flask:
    from action_provider.app import EXTENSION, create_app

    app = create_app(url, create=False, places=places)
    app.extensions[EXTENSION].begin()
    return app


def _prepare(source: Source, *, upgrade: bool) -> None:
    """Say now what is wrong with the store, rather than at every request."""
    from provenance_store.opening import upgrade_store

    if upgrade:
        upgrade_store(source.url)
    with source.open(create=False):
        pass
