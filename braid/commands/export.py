"""`braid export`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from braid.options import reads
from braid.source import Source

if TYPE_CHECKING:
    from provenance_store.exchange.extract import Extract, Way

__all__ = ["command"]

FORMATS = ("prov-json", "prov-n", "ro-crate", "datacite", "gmeta")


@click.command()
@click.argument("ids", metavar="[ID|RUN_ID]...", nargs=-1)
@click.option("--run", "runs", multiple=True, metavar="RUN_ID", help="This run; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="The whole store, such as a slice.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True, path_type=Path),
    default="-",
    help="Write here instead of to standard output; a crate needs it: a new folder, or FILE.zip.",
)
@click.option("--up", is_flag=True, help="With what it came from. [default, but for runs]")
@click.option("--down", is_flag=True, help="With what came of it.")
@click.option("--depth", type=click.IntRange(1), help="At most so many hops. [default: all]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100_000,
    show_default=True,
    help="At most so many records.",
)
@reads
def command(
    *,
    ids: tuple[str, ...],
    runs: tuple[str, ...],
    everything: bool,
    format_: str,
    output: Path,
    up: bool,
    down: bool,
    depth: int | None,
    limit: int,
    source: Source,
) -> None:
    """Write records, runs or a whole store in a format of others.

    \b
    prov-json, prov-n  W3C PROV: records, steps, runs, agents and how they hang together
    """
    from provenance_store.exchange.prov_export import to_prov_json, to_prov_n
    from provenance_store.ids import looks_like_id

    if source.server:
        raise click.UsageError(
            "braid export reads a store, not a server; give --store, or ask for a slice."
        )
    records = [text for text in ids if looks_like_id(text)]
    run_ids = [*runs, *(text for text in ids if not looks_like_id(text))]
    if bool(records or run_ids) == everything:
        raise click.UsageError("Name records or runs, or give --all for the whole store.")
    ways: list[Way] = [*(["up"] if up or (records and not down) else []), *(["down"] if down else [])]
    with source.open(create=False) as store:
        found = store.reader().extract(
            records,
            run_ids=run_ids,
            everything=everything,
            directions=ways,
            depth=depth,
            limit=limit,
        )
    text = to_prov_json(found) if format_ == "prov-json" else to_prov_n(found)
    click.echo(text, nl=False)
