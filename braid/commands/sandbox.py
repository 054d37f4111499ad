"""`braid sandbox`"""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.options import port_option, time_scale_option
from braid.cli.sandbox_options import (
    GivenFunction,
    answer_option,
    collection_option,
    function_option,
    furnish,
)

if TYPE_CHECKING:
    from flows.sandbox import Sandbox

__all__ = ["command"]


@click.command()
@port_option(8090)
@collection_option
@function_option
@answer_option
@click.option(
    "--person",
    "people",
    multiple=True,
    metavar="USERNAME",
    default=("you@sandbox.example.org",),
    show_default=True,
    help="Somebody who can log in, say with `globus login`; may be repeated. Of several, the page "
    "to log in lets you choose.",
)
@time_scale_option
def command(
    *,
    port: int,
    collections: tuple[tuple[str, Path], ...],
    functions: tuple[tuple[str, GivenFunction], ...],
    answers: tuple[tuple[str, dict[str, Any]], ...],
    people: tuple[str, ...],
    time_scale: float,
) -> None:
    """Serve a local stand-in for Globus Auth, Groups, Transfer and Flows.

    Prints the environment variables that point globus-sdk, globus-cli, `braid serve` and
    `braid flow deploy` to it, with clients that exist in the sandbox only, and serves until it is
    stopped. Everything is kept in memory.
    """
    from flows.sandbox import Sandbox

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(port=port, time_scale=time_scale) as sandbox:
        furnish(sandbox, collections, functions, answers)
        for username in people:
            sandbox.add_identity(username)
        for name, value in _environ(sandbox).items():
            click.echo(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        click.echo(f"braid: the sandbox is at {sandbox.url}; Ctrl-C stops it.", err=True)
        stop.wait()


def _environ(sandbox: Sandbox) -> dict[str, str]:
    provider = sandbox.add_client("Braid provider")
    login = sandbox.add_client("Braid command line")
    return {
        **sandbox.environ(),
        "BRAID_CLIENT_ID": provider.client_id,
        "BRAID_CLIENT_SECRET": provider.client_secret,
        "BRAID_SCOPE": sandbox.add_scope(provider, "action_all"),
        "BRAID_LOGIN_CLIENT_ID": login.client_id,
        "BRAID_LOGIN_CLIENT_SECRET": login.client_secret,
    }
