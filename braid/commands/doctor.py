"""`braid doctor`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from braid.cli.errors import SAID_NO, describe
from braid.cli.options import displays, store_option
from braid.cli.output import Display
from braid.cli.source import Source

if TYPE_CHECKING:
    from provenance_store.transfer.condition import Finding

__all__ = ["command"]

NO_SERVER = "No server was looked at: no setting of one is set here, and --server names none."
WHERE_ONE_IS = (
    "Where one runs, ask as its user and with its environment (docs/deploy.md); for one elsewhere, "
    "--server https://..."
)


@click.command()
@store_option
@click.option(
    "--server",
    metavar="URL",
    help="The server's public address, as Globus calls it. [default: BRAID_SERVER]",
)
@click.option("--offline", is_flag=True, help="Ask neither Globus Auth nor a server.")
@displays("text", "json")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    store: str | None,
    server: str | None,
    offline: bool,
    display: Display,
) -> None:
    """Look whether Braid is set up well; exit 1 when something fails.

    Looks at what is installed, the settings, the spool folder, the store and its disk. Where
    settings of a server are set it looks at the client, its secret and scope at Globus Auth, and
    the clock; with --server at the address, its certificate, what the provider says of itself, and
    whether a caller is taken. For a server, run it where the server runs, as its user, with its
    environment. Each line says ok, warn, fail, or skip for what was not looked at; below a line is
    what to do. It changes nothing.

    \b
    braid doctor --server https://braid.example.org
    """
    found: list[Finding] = []
    for finding in _findings(Source(store=store), server, offline=offline):
        found.append(finding)
        if display.format == "text":
            display.lines(_lines(finding))
    counts = Counter(finding.status for finding in found)
    if display.format == "json":
        checks = [finding.document() for finding in found]
        display.json({"checks": checks, "failed": counts["fail"], "warned": counts["warn"]})
    context.exit(SAID_NO if counts["fail"] else 0)


def _findings(source: Source, server: str | None, *, offline: bool) -> Iterator[Finding]:
    from action_provider.settings import of_a_server
    from braid.diagnosis.machine import examine_machine
    from braid.settings import SERVER
    from provenance_store.settings import inherited
    from provenance_store.transfer.condition import Finding, examine

    url = server or SERVER.get()
    here = bool(of_a_server(inherited()))
    needed = [
        *(["server"] if here else []),
        *(["globus"] if here or url else []),
        *(["postgres"] if source.url.startswith("postgres") else []),
    ]
    yield from _all_of("machine", examine_machine(needed))
    if here or url:
        yield from _of_a_server(url, offline=offline)
    else:
        yield Finding("server", "skip", NO_SERVER, WHERE_ONE_IS)
    yield from _all_of("store", examine(source.url, source.shown))


def _of_a_server(url: str | None, *, offline: bool) -> Iterator[Finding]:
    from provenance_store.errors import MissingExtra

    try:
        from braid.diagnosis.registration import examine_registration
        from braid.diagnosis.server import examine_server
    except MissingExtra as error:
        yield _not_looked_at("server", error)
    else:
        asked = examine_registration(offline=offline, elsewhere=bool(url))
        yield from _all_of("client", asked)
        yield from _all_of("server", examine_server(url, offline=offline))


def _all_of(group: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """What is found, up to what keeps us from looking: the next group is looked at all the same."""
    from provenance_store.errors import BraidError

    try:
        yield from findings
    except (BraidError, OSError) as error:
        yield _not_looked_at(group, error)


def _not_looked_at(group: str, error: Exception) -> Finding:
    from provenance_store.transfer.condition import Finding

    todo = "Ask as the user that `braid serve` runs as." if isinstance(error, OSError) else ""
    return Finding(group, "skip", f"Not all was looked at: {describe(error)}", todo)


def _lines(finding: Finding) -> list[str]:
    head = f"{finding.status:<4}  {finding.check}: {finding.said}"
    shows = finding.todo and finding.status != "ok"
    return [head, f"      -> {finding.todo}"] if shows else [head]
