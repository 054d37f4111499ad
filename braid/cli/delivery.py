"""Recording through a server from a shell: what it does not take is kept in the spool folder, and
goes to the server from there when it is back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braid.cli.client import QueryClient, error_of, open_server
from braid.cli.errors import describe
from hpc.remote_sink import RemoteSink, remote
from hpc.settings import SPOOL
from hpc.spooling.load import ServerIntake
from hpc.spooling.sink import ClosingRecorder, spool
from provenance_store.errors import BraidError, ConfigurationError, ServiceUnavailable
from provenance_store.extras import extra

with extra("globus", "Recording through a server"):
    import globus_sdk

__all__ = ["Delivery", "delivering", "taking"]


@dataclass(frozen=True)
class Delivery:
    """A recorder to a server; `client` asks that server, and is None where it cannot be asked."""

    url: str
    spool: Path
    recorder: ClosingRecorder
    client: QueryClient | None
    absence: str = ""
    """Why it cannot be asked, in a sentence."""

    def ask(self) -> QueryClient:
        """What answers questions about the server's history; raises ServiceUnavailable."""
        if self.client is None:
            raise ServiceUnavailable(f"{self.url} cannot be asked: {self.absence}")
        return self.client

    def problem(self) -> BraidError | None:
        """Why the server has not taken what is flushed, which is in the spool then; None when it
        has. ServiceUnavailable when it has not answered, else the server has refused it."""
        sink = self.recorder.sink
        if isinstance(sink, RemoteSink):
            if sink.refusal is None:
                return None
            status, why = sink.refusal
            kind = error_of(status)
            return kind(self._kept(why, later=kind is ServiceUnavailable))
        return ServiceUnavailable(self._kept(self.absence, later=True))

    def _kept(self, why: str, *, later: bool) -> str:
        reason = why.removesuffix(".")
        load = f"`braid spool load {self.spool}"
        where = f" --server {self.url}` later" if later else "` on the server's machine"
        return (
            f"{self.url} has not taken it ({reason}); it is kept in {self.spool}, and "
            f"{load}{where} brings it in."
        )


@contextmanager
def delivering(url: str, about: Mapping[str, Any]) -> Iterator[Delivery]:
    """A recorder to the server at that address, logged in as the reading commands are; `about` is
    what recorders are opened with.

    Where the server or the login service is away, everything goes into the spool. Raises
    ConfigurationError for a bad address or settings that no login is possible with.
    """
    folder = Path(SPOOL.get())
    absence = ""
    client = None
    try:
        client = open_server(url)
    except ConfigurationError:
        raise
    except (BraidError, globus_sdk.GlobusError) as error:
        absence = describe(error)
    if client is None or client.authorizer is None:
        recorder = spool(folder, **about)
    else:
        recorder = remote(url, client.authorizer, spool=folder, **about)
    with recorder:
        yield Delivery(url, folder, recorder, client, absence)


@contextmanager
def taking(url: str, directory: Path) -> Iterator[ServerIntake]:
    """The server at that address, to take what the spool folder `directory` holds.

    Raises ServiceUnavailable when it goes away, or is, or a login service.
    """
    try:
        yield ServerIntake(open_server(url).write_batch)
    except (ServiceUnavailable, globus_sdk.NetworkError) as error:
        reason = describe(error).removesuffix(".")
        raise ServiceUnavailable(
            f"{url} has not taken it ({reason}); what it has not is still in {directory}, to be "
            "loaded when it is back."
        ) from error
