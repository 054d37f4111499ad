"""`braid export`"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.arguments import Reference
from braid.cli.files import JsonFile
from braid.cli.options import format_by_name, writes
from braid.cli.output import inert, printable
from braid.cli.source import Source, is_run, run_named

if TYPE_CHECKING:
    from provenance_store.exchange.extract import Extract, Way
    from provenance_store.store import Store

__all__ = ["command"]

PROV = ("prov-json", "prov-n", "prov-xml", "prov-jsonld")
FORMATS = (*PROV, "ro-crate", "datacite", "gmeta")


@dataclass(frozen=True)
class Wanted:
    """What is exported: records and runs, or everything, and how much around them."""

    records: list[str]
    runs: list[str]
    everything: bool
    up: bool
    down: bool
    depth: int | None
    limit: int

    def extract(self, store: Store, records: list[str], runs: list[str]) -> Extract:
        """The part of the history around some of them."""
        up = self.up or (bool(records) and not self.down)
        ways: list[Way] = [*(["up"] if up else []), *(["down"] if self.down else [])]  # type: ignore[list-item]
        found = store.documents().extract(
            records,
            run_ids=runs,
            everything=self.everything,
            directions=ways,
            depth=self.depth,
            limit=self.limit,
        )
        if found.truncated:
            click.echo(
                "Not everything was exported: --limit was reached. Raise it to export more.",
                err=True,
            )
        return found

    def whole(self, store: Store) -> Extract:
        """All of it in one."""
        return self.extract(store, self.records, self.runs)

    def one_by_one(self, store: Store) -> list[tuple[Extract, str | None]]:
        """Each with its own history, and its run id if it is a run."""
        records = [(self.extract(store, [name], []), None) for name in self.records]
        return [*records, *((self.extract(store, [], [run]), run) for run in self.runs)]


@click.command()
@click.argument("ids", metavar="[ID|RUN_ID]...", nargs=-1, type=Reference())
@click.option("--run", "runs", multiple=True, metavar="RUN_ID", help="This run; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="The whole store, such as a slice.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="What to write; see above. [default: prov-json; for -o FILE.provn and FILE.zip prov-n and "
    "ro-crate]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True, path_type=Path),
    default="-",
    help="Write here instead of to standard output; a crate needs it: a new folder, or FILE.zip.",
)
@click.option("--up", is_flag=True, help="With all that it came from. [default, but for runs]")
@click.option("--down", is_flag=True, help="With all that came of it.")
@click.option("--depth", type=click.IntRange(1), help="At most this many hops. [default: all]")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100_000,
    show_default=True,
    help="At most this many records.",
)
@click.option(
    "--definition",
    type=JsonFile(),
    help="ro-crate: the definition of the flow, to be put into the crate.",
)
@click.option("--license", "license_", metavar="URL|TEXT", help="ro-crate, datacite: the licence.")
@click.option("--publisher", help="datacite: who publishes it. [default: not available]")
@click.option("--doi", help="datacite: the DOI it is to have.")
@click.option("--url", help="datacite: the address of its landing page.")
@click.option(
    "--visible-to",
    multiple=True,
    metavar="PRINCIPAL",
    help="gmeta: who may find it, instead of those who may see the record; may be repeated.",
)
@click.option("--server", hidden=True)
@writes
def command(
    *,
    ids: tuple[str, ...],
    runs: tuple[str, ...],
    everything: bool,
    format_: str | None,
    output: Path,
    source: Source,
    up: bool,
    down: bool,
    depth: int | None,
    limit: int,
    server: str | None,
    **about: Any,
) -> None:
    """Write records, runs or a store as PROV, RO-Crate, DataCite or GMeta.

    ID is a permanent name (urn:braid:...) or a short one such as 3.17; with it goes all that it
    came from. RUN_ID is a run, with its steps and what they used and made.

    \b
    prov-json  W3C PROV as JSON; `braid import` reads it again
    prov-n     W3C PROV as people read it
    prov-xml, prov-jsonld  W3C PROV for programs that want these
    ro-crate   Provenance Run Crate of one run, Process Run Crate of anything else
    datacite   the document for a DOI of one record or run (DataCite REST API, kernel 4.6)
    gmeta      entries for Globus Search, ready for ingest

    \b
    braid export 3.17 -o peaks.json
    braid export RUN_ID --format ro-crate --definition flow.json -o run.zip
    braid export --all --store slice.db --format prov-n
    """
    from braid.settings import SERVER
    from provenance_store.service import StoreService

    if format_ is None:
        usual = FORMATS[0]
        is_json = output.suffix.lower() == ".json"
        format_ = usual if is_json else format_by_name(output, FORMATS, usual)
    if server or (source.store is None and SERVER.get()):
        raise click.UsageError("braid export reads a store and not a server; give --store.")
    if bool(ids or runs) == everything:
        raise click.UsageError("Give records or runs, or --all for the whole store.")
    with source.open(create=False) as store, StoreService(store).explaining():
        reader = store.documents()
        of_runs = [text for text in ids if is_run(reader, text, strict=True)]
        records = [text for text in ids if text not in of_runs]
        run_ids = [run_named(reader, text) for text in (*runs, *of_runs)]
        wanted = Wanted(records, run_ids, everything, up, down, depth, limit)
        if format_ == "ro-crate":
            return _crate(store, wanted, output, about)
        text = inert(_text(store, wanted, format_, about))
    if str(output) == "-":
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(printable(f"Wrote {output}."), err=True)


def _text(store: Store, wanted: Wanted, format_: str, about: dict[str, Any]) -> str:
    if format_ in PROV:
        from provenance_store.exchange.prov.export import to_prov
        from provenance_store.exchange.prov.verbatim import is_as_said

        found = wanted.whole(store)
        if is_as_said(found):
            click.echo(
                "Written as the PROV documents say it that these records are from.", err=True
            )
        return to_prov(found, format_)
    if wanted.everything:
        raise click.UsageError(f"{format_} describes records or runs; give them instead of --all.")
    if format_ == "gmeta":
        from provenance_store.exchange.globus_search import ingest_document, to_gmeta

        entries = wanted.one_by_one(store)
        visible_to = about["visible_to"]
        return ingest_document(
            [to_gmeta(found, run_id=run, visible_to=visible_to) for found, run in entries]
        )
    from provenance_store.exchange.catalog import to_datacite

    if len(wanted.records) + len(wanted.runs) > 1:
        raise click.UsageError("A DOI describes one record or run; give one only.")
    ((found, run),) = wanted.one_by_one(store)
    return to_datacite(
        found,
        run_id=run,
        publisher=about["publisher"],
        doi=about["doi"],
        url=about["url"],
        license=about["license_"],
    )


def _crate(store: Store, wanted: Wanted, output: Path, about: dict[str, Any]) -> None:
    from provenance_store.exchange.crate.export import write_crate
    from provenance_store.ids import now
    from provenance_store.times import format_time

    if str(output) == "-":
        raise click.UsageError(
            "A crate is written into a folder or a zip file; give -o FOLDER or -o FILE.zip."
        )
    if len(wanted.runs) > 1 or (wanted.runs and wanted.records):
        raise click.UsageError("A crate holds one run; give that run only.")
    if about["definition"] is not None and not wanted.runs:
        raise click.UsageError("--definition goes with a run.")
    write_crate(
        wanted.whole(store),
        output,
        run_id=next(iter(wanted.runs), None),
        published=str(format_time(now())),
        definition=about["definition"],
        license=about["license_"],
    )
    click.echo(printable(f"Wrote {output}."), err=True)
