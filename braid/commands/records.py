"""`braid records`"""

from __future__ import annotations

from typing import Any

import click

from braid.cli.options import Time, displays, pages, reads
from braid.cli.output import Display, Document, Field, Form, bad_end, validity
from braid.cli.source import Source, run_named

__all__ = ["command"]


def _uris(record: Document) -> str:
    return ", ".join(str(uri["uri"]) for uri in record["uris"])


def _name(record: Document) -> str:
    number = f" v{record['version']}" if "version" in record else ""
    return f"{record['name']}{number}"


def _status(record: Document) -> str:
    """Of a step as it is; of a model version only a bad one, which is that of the step it is of."""
    return str(record.get("status") or "") if record["kind"] == "step" else bad_end(record)


FIELDS = [
    Field("ID", "short_id", Form.WHOLE),
    Field("Kind", "kind", Form.WHOLE),
    Field("Name", "name", people=_name),
    Field("Version", "version", Form.WHOLE, wide=True),
    Field("Status", "status", Form.WHOLE, rank=1, sparse=True, people=_status),
    Field("Created at", "created_at", Form.TIME, rank=2),
    Field("Run ID", "run_id", Form.RUN, rank=3),
    Field("Tags", "tags", rank=5),
    Field("URIs", _uris, Form.URIS, rank=4),
    Field("URN", "id", Form.WHOLE, wide=True),
    validity(),
]
KINDS = ("fact", "data", "model", "dataset", "step")


@click.command()
@click.option("--kind", type=click.Choice(KINDS, case_sensitive=False), help="Only this kind.")
@click.option("--name", help="Records of this name; * stands for anything.")
@click.option("--uri", help="Records at this URI; * stands for anything.")
@click.option("--digest", help="Records whose content has this digest, such as sha256:...")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Records with this tag: sample, sample=Ni, temperature_K>290. All given must hold.",
)
@click.option(
    "--status",
    help="Steps that ended so: FAILED, SUCCEEDED, or ACTIVE for those without an end. --since and "
    "--until are then about when they ended, or began.",
)
@click.option("--run", "run_id", metavar="RUN_ID", help="Records of this run.")
@click.option("--owner", metavar="URN", help="Records of this identity.")
@click.option("--since", type=Time(), help="Made at or after: 2026-11-01, or 7d for days ago.")
@click.option("--until", type=Time(), help="Made before.")
@pages
@reads
@displays("text", "json", "csv")
def command(*, run_id: str | None, source: Source, display: Display, **filters: Any) -> None:
    """List records, newest first.

    \b
    braid records --kind data --tag sample=Ni
    braid records --status FAILED --since 1d      steps of flows and scripts that failed
    """
    with source.read() as history:
        run = run_named(history, run_id) if run_id else None
        found = history.records(run_id=run, **filters)
    display.table(found, rows="records", fields=FIELDS, empty="No records.")
