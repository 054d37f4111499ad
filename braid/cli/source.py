"""Where a command reads from or writes to: a store, or a server's query API.

What is heavy (SQLAlchemy, globus-sdk) is imported when a source is opened, and only the one of the
two that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from braid.cli.client import QueryClient
    from provenance_store.queries.document_reader import DocumentReader
    from provenance_store.store import Store

__all__ = ["Source", "is_run", "run_named", "store_url"]


@dataclass(frozen=True)
class Source:
    """What ``--store``, ``--server`` and ``--spool`` say; None where it was not given."""

    store: str | None = None
    server: str | None = None
    spool: Path | None = None

    @contextmanager
    def read(self) -> Iterator[DocumentReader | QueryClient]:
        """What answers questions, closed afterwards.

        In order: the option given, the server that BRAID_SERVER names, the store that
        BRAID_STORE_URL names. Raises NotFound when there is no such store: reading creates none.
        """
        server = self._client()
        if server is not None:
            yield server
        else:
            with self.open(create=False) as store:
                yield store.documents()

    @contextmanager
    def known(self) -> Iterator[DocumentReader | QueryClient]:
        """What knows what is there already, of the place that is recorded into: the server that
        is given, else the store."""
        if self.server is not None:
            from braid.cli.client import open_server

            yield open_server(self.server)
        else:
            with self.open(create=False) as store:
                yield store.documents()

    @contextmanager
    def change(self) -> Iterator[Store | QueryClient]:
        """What says more of a record that `read` shows: the same server, or the same store."""
        server = self._client()
        if server is not None:
            yield server
        else:
            with self.open(create=False) as store:
                yield store

    def _client(self) -> QueryClient | None:
        """The server that is asked; None where it is a store."""
        from braid.settings import SERVER

        url = self.server or (None if self.store else SERVER.get())
        if not url:
            return None
        from braid.cli.client import open_server

        return open_server(url)

    @contextmanager
    def open(self, *, create: bool) -> Iterator[Store]:
        """The store itself, closed afterwards; with ``create`` it is made when it is missing."""
        from provenance_store.opening import open_store

        with open_store(self.url, create=create) as store:
            yield store

    @property
    def url(self) -> str:
        """The store's URL: as given, or from the environment."""
        from provenance_store.settings import STORE_URL

        return store_url(self.store or STORE_URL.get())

    @property
    def shown(self) -> str:
        """The store for messages: its path where that was given, else its URL without a password;
        of the store that is taken where nothing says which, the path too."""
        from provenance_store.display import shown
        from provenance_store.settings import STORE_URL
        from provenance_store.store_path import store_path

        given = self.store or STORE_URL.get()
        if given == STORE_URL.default:
            return given.removeprefix("sqlite:///")
        path = store_path(given)
        return shown(given if path is None else path)


def run_named(history: DocumentReader | QueryClient, text: str) -> str:
    """The id of the run that is named by it or by its beginning.

    Raises NotFound, or Ambiguous with the choices. Records may be of a run of which nothing else
    was ever told: then the id is given whole.
    """
    from provenance_store.errors import NotFound

    try:
        return str(history.run(text, limit=1)["run_id"])
    except NotFound:
        if history.records(run_id=text, limit=1)["records"]:
            return text
        raise


def is_run(history: DocumentReader | QueryClient, text: str, *, strict: bool = False) -> bool:
    """Whether a text that may be a record's or a run's id names a run: if both, it does. If it
    names neither, `strict` raises NotFound."""
    from provenance_store.errors import NotFound
    from provenance_store.references import is_name

    if not is_name(text):
        return False
    try:
        run_named(history, text)
    except NotFound:
        if strict and not (found := history.named(text))["records"]:
            hint = f" {found['hint']}" if found.get("hint") else ""
            raise NotFound(f"There is no record or run {text[:200]} in this store.{hint}") from None
        return False
    return True


def store_url(text: str) -> str:
    """A URL as it is, and a path as the URL of the SQLite file at that path."""
    from provenance_store.store_path import store_path

    path = store_path(text)
    return text if path is None else f"sqlite:///{path}"
