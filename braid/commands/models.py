"""`braid models`"""

from __future__ import annotations

import click

from braid.options import displays, pages, reads
from braid.output import Display, Field, short_time
from braid.source import Source

__all__ = ["command"]

LINES = [
    Field("Name", "name"),
    Field("Versions", "versions"),
    Field("Branches", "branches"),
    Field("Latest", "latest.version"),
    Field("Latest ID", "latest.short_id"),
    Field("Created at", lambda model: short_time("created_at")(model["latest"])),
    Field("Scores", "latest.scores"),
    Field("Latest URN", "latest.id", wide=True),
]
VERSIONS = [
    Field("ID", "short_id"),
    Field("Version", "version"),
    Field("Created at", short_time("created_at")),
    Field("Run ID", "run_id"),
    Field("Scores", "scores"),
    Field("Hyperparameters", "hyperparameters"),
    Field("Newest of its branch", "head"),
    Field("URN", "id", wide=True),
]


@click.command()
@click.argument("model", required=False)
@pages
@reads
@displays("text", "json", "csv")
def command(
    *, model: str | None, limit: int, marker: str | None, source: Source, display: Display
) -> None:
    """List models and their versions.

    With MODEL, a name or the id of one of its versions, the versions of that model.
    """
    with source.read() as history:
        if model is not None:
            line = history.model(model, limit=limit, marker=marker)
            display.table(line, rows="versions", fields=VERSIONS)
        else:
            found = history.models(limit=limit, marker=marker)
            display.table(found, rows="models", fields=LINES, empty="No models.")
