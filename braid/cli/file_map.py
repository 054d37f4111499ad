"""Where the files that records name are on this machine: ``--map``, and records by id or file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from braid.cli.output import Document

if TYPE_CHECKING:
    from braid.cli.client import QueryClient
    from provenance_store.files import Place
    from provenance_store.queries.document_reader import DocumentReader

__all__ = ["PlaceParam", "files_of", "maps", "of_run", "short_ids"]

Command = TypeVar("Command", bound=Callable[..., None])
PAGE = 1000


class PlaceParam(click.ParamType["Place"]):
    """``URIPREFIX=FOLDER``: what begins with the one is in the other."""

    name = "URIPREFIX=FOLDER"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        from provenance_store.files import Place

        prefix, equals, folder = str(value).rpartition("=")
        if not (prefix and equals and folder):
            self.fail(f"{value!r} is not URIPREFIX=FOLDER.", param, ctx)
        if not Path(folder).is_dir():
            self.fail(f"{folder!r} is not a folder.", param, ctx)
        return Place(prefix, Path(folder))


def maps(command: Command) -> Command:
    """Add ``--map``; the command gets ``places``."""
    return click.option(
        "--map",
        "places",
        multiple=True,
        type=PlaceParam(),
        help="URIs that begin so are in this folder, such as globus://COLLECTION/=/mnt/data. "
        "May be repeated. file:// URIs and plain paths need none.",
    )(command)


def files_of(
    history: DocumentReader | QueryClient, ids: Sequence[str], *, limit: int = 1
) -> Iterator[tuple[Document, Document]]:
    """Every (record, URI) of these records, and of the nearest of what each depends on up to
    `limit` records in all, as statements have them; each record once."""
    seen = set()
    for reference in ids:
        statement = history.statement(reference, limit=limit)
        for leaf in statement["predicate"]["evidence"]["leaves"]:
            if leaf["id"] not in seen:
                seen.add(leaf["id"])
                yield from ((leaf["record"], uri) for uri in leaf["record"]["uris"])


def short_ids(history: DocumentReader | QueryClient, urns: Iterable[str]) -> dict[str, str]:
    """The short ids of these records, where a store tells; a server is not asked for each."""
    from provenance_store.ids import short_id
    from provenance_store.queries.document_reader import DocumentReader

    if not isinstance(history, DocumentReader):
        return {}
    return {urn: short_id(found) for urn, found in history.resolve_all(urns).items()}


def of_run(history: DocumentReader | QueryClient, run_id: str) -> Iterator[str]:
    """The ids of all records of a run that name a file."""
    marker = None
    while True:
        page = history.records(run_id=run_id, limit=PAGE, marker=marker)
        yield from (record["id"] for record in page["records"] if record["uris"])
        marker = page["marker"]
        if not page["has_next_page"]:
            return
