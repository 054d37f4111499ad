"""`braid digest`"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from braid.cli.errors import SAID_NO
from braid.cli.file_map import files_of, maps, of_run
from braid.cli.options import displays, writes
from braid.cli.output import Display, Document, Field, Form
from braid.cli.progress import bytes_progress
from braid.cli.source import Source, run_named

if TYPE_CHECKING:
    from provenance_store.files import Place
    from provenance_store.queries.document_reader import DocumentReader
    from provenance_store.store import Store

__all__ = ["command", "digest_run"]

FIELDS = [
    Field("State", "state", Form.WHOLE),
    Field("Record", lambda document: document["name"] or document["path"]),
    Field("URI", "uri", Form.URIS, rank=1),
    Field("Size", "size", Form.SIZE),
    Field("Digest", "digest", rank=2),
    Field("Path", "path", wide=True),
    Field("URN", "id", Form.WHOLE, wide=True),
]
RECORDED, KNOWN, NOT_LOCAL, NO_RECORD = "recorded", "known", "not local", "no record"
WRONG = ("missing", "unreadable", "changing", NO_RECORD)
"""What makes the exit code 1; `Unread` has more states, such as directory, that nobody can mend."""


@click.command()
@click.argument("things", metavar="[ID|FILE]...", nargs=-1)
@click.option("--run", "run_id", metavar="RUN_ID", help="All records of this run.")
@click.option("--again", is_flag=True, help="Also of files whose digest is known already.")
@click.option(
    "--algorithm",
    type=click.Choice(("sha256", "blake2b")),
    default="sha256",
    show_default=True,
    help="How to make digests.",
)
@maps
@writes
@displays("text", "json", "csv")
@click.pass_context
def command(
    context: click.Context,
    /,
    *,
    things: tuple[str, ...],
    run_id: str | None,
    again: bool,
    algorithm: str,
    places: tuple[Place, ...],
    source: Source,
    display: Display,
) -> None:
    """Record size and digest of files that records name.

    Of the files of the records given by ID, of a run's, or of local files: then of all records
    that name them. A record itself never changes: what is found is kept beside it, with the time.
    A directory has one digest over all files in it. FIFOs and devices are not read. Exit 1 when a
    file is missing, cannot be read, changes while it is read, or no record names it. `braid verify`
    compares later. Records of one file with one digest are one thing afterwards, whoever owns them.
    """
    if not things and not run_id:
        raise click.UsageError("Give records by ID, files, or a run with --run.")
    with source.open(create=False) as store:
        reader = store.documents()
        run_id = run_named(reader, run_id) if run_id else None
        wanted, unknown = _sorted_out(reader, things, places)
        records = list(files_of(reader, [*wanted, *(of_run(reader, run_id) if run_id else ())]))
        chosen = [(r, uri) for r, uri in records if _is_meant(r, uri, wanted, run_id)]
        done = list(_recorded(store, chosen, places, algorithm, again=again))
        if done:
            store.link_same()
    done += [_document(NO_RECORD, {"id": None, "name": None}, None, Path(f)) for f in unknown]
    display.table({"files": done}, rows="files", fields=FIELDS, empty="No files are named.")
    wrong = [document for document in done if document["state"] in WRONG]
    context.exit(SAID_NO if wrong else 0)


def digest_run(store: Store, run_id: str, places: Sequence[Place]) -> int:
    """Record size and digest of the files of a run that have none yet; returns of how many."""
    reader = store.documents()
    files = list(files_of(reader, list(of_run(reader, run_id))))
    done = list(_recorded(store, files, places, "sha256", again=False))
    return sum(document["state"] == RECORDED for document in done)


def _sorted_out(
    reader: DocumentReader, things: Sequence[str], places: Sequence[Place]
) -> tuple[dict[str, frozenset[str] | None], list[str]]:
    """Records by id with the URIs that are meant, None for all; and files that none names."""
    from provenance_store.files import uris_of
    from provenance_store.references import is_id
    from provenance_store.validation.uris import normal_uri

    wanted: dict[str, frozenset[str] | None] = {}
    unknown = []
    for thing in things:
        if is_id(thing) or (not os.path.lexists(thing) and reader.named(thing)["records"]):
            wanted[reader.record(thing)["id"]] = None
            continue
        _check_file(Path(thing))
        uris = frozenset(map(normal_uri, uris_of(Path(thing), places)))
        found = [r["id"] for uri in uris for r in reader.records(uri=uri, limit=1000)["records"]]
        for urn in found:
            before = wanted.get(urn, frozenset())
            wanted[urn] = None if before is None else before | uris
        if not found:
            unknown.append(thing)
    return wanted, unknown


def _check_file(path: Path) -> None:
    """Raises UsageError for what is named on the command line and has no digest."""
    from provenance_store.digests import is_tree, not_opened

    try:
        refused = None if is_tree(path) else not_opened(os.stat(path))
    except OSError:
        raise click.UsageError(f"There is no file {path}, and it is not an ID.") from None
    if refused is not None:
        raise click.UsageError(f"{path} {refused.why}; only files and directories have digests.")


def _is_meant(
    record: Document,
    uri: Document,
    wanted: dict[str, frozenset[str] | None],
    run_id: str | None,
) -> bool:
    if run_id and record["run_id"] == run_id:
        return True
    from provenance_store.validation.uris import normal_uri

    uris = wanted.get(record["id"], frozenset())
    return uris is None or normal_uri(uri["uri"]) in uris


def _recorded(
    store: Store,
    chosen: Sequence[tuple[Document, Document]],
    places: Sequence[Place],
    algorithm: str,
    *,
    again: bool,
) -> Iterator[dict[str, Any]]:
    from provenance_store.files import local_path, look

    total = sum(uri["size"] or 0 for _, uri in chosen)
    with bytes_progress(total, "Reading files") as progress:
        for record, uri in chosen:
            path = local_path(uri["uri"], places)
            if not again and (uri["digest"] or uri["checks"]):
                yield _document(KNOWN, record, uri, path)
            elif path is None:
                yield _document(NOT_LOCAL, record, uri, path)
            else:
                found = look(path, algorithm=algorithm, progress=progress).found
                if found.size is None or found.digest is None:
                    yield _document(found.unread or "missing", record, uri, path)
                    continue
                store.found_file(record["id"], uri["uri"], size=found.size, digest=found.digest)
                now = {"size": found.size, "digest": found.digest}
                yield _document(RECORDED, record, {**uri, **now}, path)


def _document(
    state: str, record: Document, uri: Document | None, path: Path | None
) -> dict[str, Any]:
    known = uri["checks"][0] if uri and uri["checks"] and not uri["digest"] else uri or {}
    return {
        "state": state,
        "id": record["id"],
        "name": record["name"],
        "uri": uri and uri["uri"],
        "path": None if path is None else str(path),
        "size": known.get("size"),
        "digest": known.get("digest"),
    }
