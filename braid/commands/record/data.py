"""`braid record data`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from braid.options import displays, records
from braid.output import Display
from braid.recording import all_uris, describes, recording
from braid.source import Source

__all__ = ["command"]


@click.command()
@click.argument("name")
@describes
@click.option("--live", is_flag=True, help="It may still grow, until `braid record promote`.")
@records
@displays("text", "json")
def command(
    *,
    name: str,
    uris: tuple[str, ...],
    files: tuple[Path, ...],
    tags: tuple[tuple[str, Any], ...],
    depends_on: tuple[str, ...],
    made_by: str | None,
    run_id: str | None,
    live: bool,
    source: Source,
    display: Display,
) -> None:
    """Record data, and what it was derived from.

    Prints its permanent name, which later commands take as ID.
    """
    with recording(source, run_id=run_id) as place:
        recorder = place.recorder
        with recorder.together():
            place.begin_run()
            made = recorder.data(
                name,
                uris=all_uris(uris, files),
                tags=dict(tags),
                depends_on=depends_on,
                live=live,
            )
            place.link_to_step(made, made_by)
        place.show(display, made)
