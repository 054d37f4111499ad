"""What differs between globus-sdk 3 and 4, for all of our clients.

Version 3 takes options of the transport where 4 takes a transport and how to retry; 3 reads one
scope with ``deserialize`` and gives scopes as texts where 4 has ``parse`` and objects. In both,
what is left out of a call is not sent; None is not sent by 3 only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from provenance_store.extras import extra

with extra("globus", "Globus"):
    from globus_sdk import Scope

if TYPE_CHECKING:
    import requests
    from globus_sdk.authorizers import GlobusAuthorizer

__all__ = ["a_scope", "given", "session_of", "transport_options"]


def transport_options(
    *, max_retries: int, max_sleep: float | None = None, http_timeout: float | None = None
) -> dict[str, Any]:
    """The keyword arguments of a client: how often and how long (in seconds) it tries."""
    retrying = given(max_retries=max_retries, max_sleep=max_sleep)
    module = import_module("globus_sdk.transport")
    config = getattr(module, "RetryConfig", None)
    if config is None:
        return {"transport_params": retrying | given(http_timeout=http_timeout)}
    transport = module.RequestsTransport(http_timeout=http_timeout)
    return {"transport": transport, "retry_config": config(**retrying)}


def a_scope(text: object) -> Scope:
    """The one scope of a text, with what is in its brackets, or of a scope object."""
    parse = getattr(Scope, "deserialize", None) or Scope.parse
    scope: Any = parse(str(text))
    assert isinstance(scope, Scope)
    return scope


def given(**arguments: Any) -> dict[str, Any]:
    """The keyword arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def session_of(authorizer: GlobusAuthorizer) -> requests.Session | None:
    """The connections over which an authorizer renews tokens; None for one that renews nothing."""
    for name in ("auth_client", "confidential_client"):
        client = getattr(authorizer, name, None)
        if client is not None:
            session: requests.Session = client.transport.session
            return session
    return None
