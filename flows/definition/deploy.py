"""Create or update a flow in Globus, from a login."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from flows.definition.strip import injected
from provenance_store.errors import (
    BraidError,
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    ServiceUnavailable,
)
from provenance_store.extras import extra
from provenance_store.unreachable import why_unreachable

__all__ = ["deploy", "flows_client", "told_plainly"]

with extra("globus", "Globus Flows"):
    import globus_sdk
    from globus_sdk.gare import is_gare
    from globus_sdk.globus_app import GlobusApp

    from provenance_store.globus import a_scope

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
        raise ServiceUnavailable(
            f"Globus cannot be reached: {why_unreachable(error)}; check the network and try again."
        ) from None
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


with extra("globus", "Deploying a flow"):
    import globus_sdk

    from provenance_store.globus import given


def deploy(
    client: globus_sdk.FlowsClient,
    definition: Mapping[str, Any],
    *,
    title: str | None = None,
    flow_id: str | None = None,
    input_schema: Mapping[str, Any] | None = None,
    subtitle: str | None = None,
    description: str | None = None,
    keywords: Sequence[str] | None = None,
    run_monitors: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The flow document of the flow made, or with ``flow_id`` of the flow changed.

    What is None is left as it is in a flow that is changed; a new flow needs a title and takes
    any input without an input schema. Record states that `instrument` made tell the title too. A
    changed definition may call other actions than before: whoever runs the flow is then asked for
    consent once more. Raises InvalidInput with what the
    service found wrong, NotAllowed (a consent is needed, the flow is somebody else's), NotFound,
    ServiceUnavailable.
    """
    fields = given(
        definition=_titled(definition, title),
        title=title,
        input_schema=None if input_schema is None else dict(input_schema),
        subtitle=subtitle,
        description=description,
        keywords=None if keywords is None else list(keywords),
        run_monitors=None if run_monitors is None else list(run_monitors),
    )
    if flow_id is None and not title:
        raise InvalidInput("a new flow needs a title.", path="title")
    with told_plainly():
        if flow_id is None:
            answer = client.create_flow(**{"input_schema": {}, **fields})
        else:
            answer = client.update_flow(flow_id, **fields)
    return dict(answer.data)


def _titled(definition: Mapping[str, Any], title: str | None) -> dict[str, Any]:
    """The definition, with the flow's title in what its record states say of the run."""
    states = definition.get("States")
    if not title or not isinstance(states, Mapping):
        return dict(definition)
    told = {name: _telling(states[name], title) for name in injected(states)}
    return {**definition, "States": {**states, **told}}


def _telling(state: Mapping[str, Any], title: str) -> dict[str, Any]:
    parameters = state.get("Parameters")
    run = parameters.get("run") if isinstance(parameters, Mapping) else None
    if not isinstance(parameters, Mapping) or not isinstance(run, Mapping):
        return dict(state)
    if "flow_id.$" not in run:  # the others say what belongs to the run itself
        return dict(state)
    return {**state, "Parameters": {**parameters, "run": {**run, "flow_title": title}}}
