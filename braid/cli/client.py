"""The API of a Braid server, called through globus-sdk.

`QueryClient` answers the same questions as a store does, with the same documents, and takes
batches as a store does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from braid.cli.login import authorizer_for
from braid.settings import SERVER_SCOPE
from provenance_store.display import check_server
from provenance_store.errors import (
    BraidError,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    ServiceUnavailable,
    TooLarge,
)
from provenance_store.extras import extra
from provenance_store.queries.documents import ambiguous
from provenance_store.references import is_id, is_name, local
from provenance_store.times import format_time

with extra("globus", "A server"):
    import globus_sdk

    from provenance_store.globus import transport_options

__all__ = ["QueryClient", "error_of", "open_server"]

ERROR_OF_STATUS: Mapping[int, type[BraidError]] = {
    400: InvalidInput,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidInput,
}
"""What a status means here; every other one from 500 is ServiceUnavailable."""


class QueryError(globus_sdk.GlobusAPIError):
    """The server's error shape, ``{"code", "description"}``."""

    MESSAGE_FIELDS = ("description", "message")  # type: ignore[assignment]


class QueryClient(globus_sdk.BaseClient):
    """Reads the history that a Braid server shows the person who is logged in.

    Every method returns the JSON document of the route it asks, and raises the errors of
    `provenance_store.errors` as a store would. Paths are quoted by globus-sdk.
    """

    service_name = "braid"
    error_class = QueryError

    def runs(self, **filters: Any) -> dict[str, Any]:
        """``GET /api/v1/runs``: a page of runs, latest start first."""
        return self._ask("runs", filters)

    def run(self, run_id: str, **page: Any) -> dict[str, Any]:
        """``GET /api/v1/runs/{run_id}``: a run with a page of its steps in order."""
        return self._ask(f"runs/{run_id}", page)

    def records(self, *, tags: Sequence[str] = (), **filters: Any) -> dict[str, Any]:
        """``GET /api/v1/records``: a page of records, newest first; `uri` may be a path here."""
        if uri := filters.get("uri"):
            filters["uri"] = local(uri)
        return self._ask("records", {"tag": tags, **filters})

    def named(self, reference: str) -> dict[str, Any]:
        """``GET /api/v1/resolve``: what a reference names, in brief."""
        return self._ask("resolve", {"reference": reference})

    def resolve(self, reference: str) -> str:
        """The URN of what a reference names, or the id as it is.

        Raises NotFound, or Ambiguous for a name that several records have.
        """
        return reference if is_id(reference) else one_named(self.named(reference), reference)

    def record(self, reference: str) -> dict[str, Any]:
        """``GET /api/v1/records/{id}``: one record."""
        return self._ask(f"records/{self.resolve(reference)}")

    def lineage(self, reference: str, **options: Any) -> dict[str, Any]:
        """``GET /api/v1/records/{id}/lineage``: its nodes and links."""
        return self._ask(f"records/{self.resolve(reference)}/lineage", options)

    def statement(self, reference: str, **options: Any) -> dict[str, Any]:
        """``GET /api/v1/records/{id}/statement``: how it came to be, an in-toto Statement."""
        return self._ask(
            f"records/{self.resolve(reference)}/statement", {"format": "json", **options}
        )

    def models(self, *, tags: Sequence[str] = (), **filters: Any) -> dict[str, Any]:
        """``GET /api/v1/models``: a page of models, each with its latest or its best version."""
        return self._ask("models", {"tag": tags, **filters})

    def model(self, reference: str, **page: Any) -> dict[str, Any]:
        """``GET /api/v1/models/{name}``: a model with a page of its versions."""
        name = reference if is_name(reference) else self.resolve(reference)
        return self._ask(f"models/{name}", page)

    def model_version(self, reference: str) -> dict[str, Any]:
        """``GET /api/v1/records/{id}/model``: what made a model version, and what came of it."""
        return self._ask(f"records/{self.resolve(reference)}/model")

    def write_batch(self, data: bytes) -> int:
        """``POST /api/v1/batches``: how many records the batch has, which are durable there then.

        Again changes nothing.
        """
        try:
            answer = self.post(
                "/api/v1/batches",
                data=data,
                headers={"Content-Type": "application/msgpack"},
                encoding="text",
            )
        except globus_sdk.GlobusAPIError as error:
            raise _translated(error) from error
        return int(self._document(answer)["records"])

    def invalidate(self, reference: str, **said: Any) -> dict[str, Any]:
        """``POST /api/v1/records/{id}/invalidation``: what derives from it."""
        return self._tell(f"records/{self.resolve(reference)}/invalidation", said)

    def restore(self, reference: str, **said: Any) -> dict[str, Any]:
        """``POST /api/v1/records/{id}/restoration``: the same for taking it back."""
        return self._tell(f"records/{self.resolve(reference)}/restoration", said)

    def _ask(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        query = {name: _query(name, value) for name, value in (params or {}).items()}
        try:
            answer = self.get(f"/api/v1/{path}", query_params={k: v for k, v in query.items() if v})
        except globus_sdk.GlobusAPIError as error:
            raise _translated(error) from error
        return self._document(answer)

    def _tell(self, path: str, said: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self.post(f"/api/v1/{path}", data=dict(said))
        except globus_sdk.GlobusAPIError as error:
            raise _translated(error) from error
        return self._document(answer)

    def _document(self, answer: globus_sdk.GlobusHTTPResponse) -> dict[str, Any]:
        document = answer.data
        if not isinstance(document, dict):
            raise ServiceUnavailable(f"{self.base_url} did not answer with a JSON document.")
        return document


def one_named(found: Mapping[str, Any], reference: str) -> str:
    """The id of the one record that a reference names, by the document of `QueryClient.named`.

    Raises NotFound, or Ambiguous with the choices.
    """
    ids = [str(record["id"]) for record in found["records"]]
    if not ids:
        hint = f" {found['hint']}" if found.get("hint") else ""
        raise NotFound(f"There is no record {reference[:200]} on this server.{hint}")
    if len(ids) > 1:
        raise ambiguous(reference, found["records"])
    return ids[0]


def open_server(url: str) -> QueryClient:
    """A client of the server at that address, logged in as the settings say."""
    check_server(url)
    scope = SERVER_SCOPE.get() or _scope_of(url)
    return QueryClient(
        base_url=url, authorizer=authorizer_for(scope), app_name="braid", **_patience()
    )


def _patience() -> dict[str, Any]:
    return transport_options(max_retries=1, http_timeout=60.0)


def _scope_of(url: str) -> str:
    """The scope that the server's action provider describes itself with."""
    client = QueryClient(base_url=url, **_patience())
    try:
        scope = client.get("/record/").get("globus_auth_scope")
    except globus_sdk.GlobusAPIError as error:
        raise ServiceUnavailable(
            f"{url} does not describe itself ({error.http_status}); is it a Braid server? "
            f"If so, set {SERVER_SCOPE.name}."
        ) from error
    if not isinstance(scope, str) or not scope:
        raise ServiceUnavailable(f"{url} names no scope; set {SERVER_SCOPE.name}.")
    return scope


def error_of(status: int) -> type[BraidError]:
    """The error that an HTTP status stands for."""
    return ERROR_OF_STATUS.get(status, ServiceUnavailable)


def _translated(error: globus_sdk.GlobusAPIError) -> BraidError:
    message = error.message or f"The server answered {error.http_status}."
    if error.http_status == 401:
        return NotAllowed(f"The server did not accept the login: {message}")
    return error_of(error.http_status)(message)


def _query(name: str, value: Any) -> Any:
    """A parameter as the query string has it: times in RFC 3339, several values as a list."""
    if value is None or value is False:
        return None
    if value is True:
        return "true"
    if name in ("since", "until", "as_of"):
        return format_time(value)
    return list(value) if isinstance(value, tuple) else value
