"""Asking an action provider what it is, before a flow relies on it.

A record state catches every error, so a wrong address would never be noticed: no run fails, and
nothing is recorded. An action provider describes itself at its own address, to everybody who may
see it, so the address is tried once when a definition is instrumented or deployed.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flows.definition.marker import marker_of
from flows.definition.secrets import plain_key
from provenance_store.errors import InvalidInput
from provenance_store.shown import shown

__all__ = ["Asked", "ask_provider", "completed", "providers_of"]

SECONDS = 10.0
LONGEST = 4 << 20
"""Bytes of a description that are read."""
TOLD: Mapping[str, frozenset[str]] = {
    "record": frozenset({"run", "step"}),
    "harvest": frozenset({"run_id"}),
}
"""Provider -> what the schema of its body names, by which it is known under any title."""


class Asked(NamedTuple):
    """A provider that was asked: where it is, its scope if it tells one, and why it could not be
    asked, or could not tell what it is."""

    url: str
    scope: str | None = None
    doubt: str | None = None


class _NotThis(Exception):
    """Something answers here, and it is not the provider."""


def completed(url: str, name: str) -> str:
    """The address with the name of the provider, where it is that of a server alone."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    alone = bool(parts.netloc) and parts.path in ("", "/") and not (parts.query or parts.fragment)
    return f"{url.rstrip('/')}/{name}" if alone else url


def ask_provider(url: str, name: str) -> Asked:
    """Where the provider ``name`` (``record`` or ``harvest``) is that an address means.

    It is asked at the address, and at ``/name`` below it when something else answers there.
    Raises InvalidInput when neither is the provider; who cannot be reached is in doubt only, for
    this machine may not be where Globus is.
    """
    first = completed(url, name)
    below = f"{first.rstrip('/')}/{name}"
    addresses = [first] if first.rstrip("/").endswith(f"/{name}") else [first, below]
    refused: list[str] = []
    for address in addresses:
        try:
            return _asked(address, name)
        except _NotThis as error:
            refused.append(f"{shown(address)} {error}")
    raise InvalidInput(
        f"this is not the address of a Braid server's /{name}: {'; '.join(refused)}. Give the "
        "address that ends so, or --offline to ask nobody.",
        path="provider_url",
    )


def providers_of(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(address, ``record`` or ``harvest``) of the providers that states which record call, be they
    injected or written by hand."""
    states = definition.get("States")
    found: dict[tuple[str, str], None] = {}
    for state in states.values() if isinstance(states, dict) else ():
        body = state.get("Parameters") if isinstance(state, dict) else None
        url = state.get("ActionUrl") if isinstance(state, dict) else None
        if not isinstance(url, str) or not isinstance(body, dict):
            continue
        if {plain_key(key) for key in body} >= TOLD["record"]:
            found[url, "record"] = None
        elif marker_of(state) is not None:
            found[url, "harvest"] = None
    return list(found)


def _asked(url: str, name: str) -> Asked:
    request = urllib.request.Request(
        f"{url.rstrip('/')}/", headers={"Accept": "application/json", "User-Agent": "braid"}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            document = _read(answer.read(LONGEST + 1))
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (401, 403):
                return Asked(url, doubt="it describes itself to nobody who is not logged in")
            if error.code >= 500:
                return Asked(url, doubt=f"it answered {error.code}")
            raise _NotThis(f"answered {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Asked(url, doubt=f"it cannot be reached from here ({shown(str(reason))})")
    if document is None:
        raise _NotThis("is not an action provider")
    schema = document.get("input_schema")
    members = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(members, dict) or not TOLD[name] <= members.keys():
        raise _NotThis(f"is the action provider {shown(str(document.get('title')))!r}")
    scope = document.get("globus_auth_scope")
    return Asked(url, scope if isinstance(scope, str) else None)


def _read(data: bytes) -> dict[str, Any] | None:
    """The description of an action provider; None for anything else."""
    try:
        document = json.loads(data) if len(data) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    wanted = {"title", "globus_auth_scope", "input_schema"}
    return document if isinstance(document, dict) and wanted <= document.keys() else None
