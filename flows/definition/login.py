"""A client for the Flows service from a login, and its failures in one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provenance_store.errors import (
    BraidError,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    ServiceUnavailable,
)
from provenance_store.extras import extra

with extra("globus", "Globus Flows"):
    import globus_sdk
    from globus_sdk.gare import is_gare
    from globus_sdk.globus_app import GlobusApp

    from provenance_store.globus import a_scope

__all__ = ["flows_client", "told_plainly"]

_CONSENT = (
    "Globus wants another consent; log in again (`globus session consent` with the scope "
    "that is named, or remove the stored tokens and repeat the command)"
)


def flows_client(app: GlobusApp) -> globus_sdk.FlowsClient:
    """A client that may create and change flows, for a person or a service account.

    With a UserApp the person is asked to log in when there is no token yet. The service's
    address follows GLOBUS_SDK_SERVICE_URL_FLOWS, read when the client is made.
    """
    known = globus_sdk.FlowsClient.scopes
    scopes = [a_scope(known.manage_flows), a_scope(known.view_flows)]
    with told_plainly():
        return globus_sdk.FlowsClient(app=app, app_scopes=scopes)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns what globus-sdk raises into our errors, without tokens and without traces."""
    try:
        yield
    except globus_sdk.GlobusAPIError as error:
        raise _api_error(error) from None
    except globus_sdk.NetworkError as error:
        kind = "did not answer in time" if "Timeout" in type(error).__name__ else "is unreachable"
        raise ServiceUnavailable(f"Globus {kind}; check the network and try again.") from None
    except globus_sdk.GlobusError as error:
        raise NotAllowed(f"Logging in to Globus failed: {_short(str(error))}.") from None


def _api_error(error: globus_sdk.GlobusAPIError) -> BraidError:
    said = _short(_message(error))
    if is_gare(error) or error.code == "MISSING_SCOPE" or "consent" in (error.code or "").lower():
        return NotAllowed(f"{_CONSENT}: {said}.")
    if isinstance(error, globus_sdk.AuthAPIError) and error.http_status in (400, 401):
        return NotAllowed(f"Globus Auth refused the client: {said}; check its id and secret.")
    if error.http_status == 401:
        return NotAllowed(f"Globus refused the token: {said}; log in again.")
    if error.http_status == 403:
        return NotAllowed(f"Globus does not allow this: {said}.")
    if error.http_status == 404:
        return NotFound(f"Globus knows no such flow: {said}.")
    if error.http_status == 409:
        return Conflict(f"Globus says that this conflicts with what is there: {said}.")
    if error.http_status in (400, 422):
        return InvalidInput(_refused(error, said))
    return ServiceUnavailable(f"Globus failed ({error.http_status}): {said}; try again later.")


def _error_document(error: globus_sdk.GlobusAPIError) -> dict[str, Any]:
    """The member ``error`` of the answer, in which Flows tells more than globus-sdk reads."""
    document = error.raw_json
    found = document.get("error") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def _message(error: globus_sdk.GlobusAPIError) -> str:
    told = error.message or _error_document(error).get("message") or error.code
    return str(told or f"status {error.http_status}")


def _refused(error: globus_sdk.GlobusAPIError, said: str) -> str:
    """What the service found wrong, at most three places."""
    detail = _error_document(error).get("detail")
    places = [
        f"{'.'.join(map(str, item.get('loc', ())))} {item.get('msg', '')}".strip()
        for item in (detail if isinstance(detail, list) else ())
        if isinstance(item, dict)
    ]
    return f"Globus refused the flow: {_short('; '.join(places[:3]) or said)}."


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line if len(line) <= 300 else f"{line[:297]}...").rstrip(".")
