"""Asking an action provider what it is, before a flow relies on it.

A record state catches every error, so a wrong address would never be noticed: no run fails, and
nothing is recorded. An action provider describes itself at its own address, to everybody who may
see it, so the address is tried once when a definition is instrumented or deployed. A server of an
earlier version refuses a body with a field that it does not know, so what it says that a body may
have is compared with what the states send.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flows.definition.parameter_capture import plain_key
from flows.definition.strip import marker_of
from provenance_store.display import shown
from provenance_store.errors import InvalidInput
from provenance_store.unreachable import why_unreachable

__all__ = [
    "Asked",
    "NotTheProvider",
    "ask_provider",
    "completed",
    "providers_of",
    "require_known",
]

SECONDS = 10.0
LONGEST = 4 << 20
"""Bytes of a description that are read."""
TOLD: Mapping[str, frozenset[str]] = {
    "record": frozenset({"run", "step"}),
    "harvest": frozenset({"run_id"}),
}
"""Provider -> what the schema of its body names, by which it is known under any title."""
WITH_FIELDS = frozenset({"run", "step", "choice"})
"""The members of the body of /record that have fields of their own, and may be sent by injected
states."""


class Asked(NamedTuple):
    """A provider that was asked: where it is, its scope if it tells one, why it could not be
    asked, or could not tell what it is, which fields its body may have, such as ``result`` and
    ``step.name`` (None where that is not known), and whether it is `closed`: it answers, and
    describes itself to nobody who is not logged in."""

    url: str
    scope: str | None = None
    doubt: str | None = None
    fields: frozenset[str] | None = None
    closed: bool = False


class NotTheProvider(InvalidInput):
    """Something else answers at an address; `said` is the sentence without what to do about it."""

    def __init__(self, name: str, refused: list[str]) -> None:
        self.said = f"This is not the address of a Braid server's /{name}: {'; '.join(refused)}."
        super().__init__(
            f"{self.said} Give the address that ends so, or --offline to ask nobody.",
            path="provider_url",
        )


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
    Raises NotTheProvider when neither is the provider; who cannot be reached is in doubt only, for
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
    raise NotTheProvider(name, refused)


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


def require_known(definition: Mapping[str, Any], asked: Asked) -> None:
    """Raise InvalidInput when states of a definition send the provider what it does not know."""
    if asked.fields is None:
        return
    states = definition["States"]
    sent = {
        field: name
        for name, state in states.items()
        if isinstance(state, dict) and state.get("ActionUrl") == asked.url
        for field in _fields_of(state.get("Parameters"))
    }
    unknown = sorted(sent.keys() - asked.fields)
    if not unknown:
        return
    advice = "update the server"
    if "choice" in unknown:
        advice += ", or leave out --record-choices"
    raise InvalidInput(
        f"the server at {shown(asked.url)} would refuse what {sent[unknown[0]]!r} sends: it does "
        f"not know the field {', '.join(unknown)}. It is of an earlier version; {advice}.",
        path="provider_url",
    )


def _fields_of(parameters: object) -> Iterator[str]:
    """The fields of a body, and those of the documents in it that have fields of their own."""
    if not isinstance(parameters, dict):
        return
    for key, value in parameters.items():
        yield (name := plain_key(key))
        if name in WITH_FIELDS and isinstance(value, dict):
            yield from (f"{name}.{plain_key(inner)}" for inner in value)


def _known_fields(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The fields that a schema names; None for one that allows any, or is no schema."""
    try:
        return _named_in(schema)
    except (AttributeError, KeyError, RecursionError, TypeError):  # whatever a server answers
        return None


def _named_in(schema: Mapping[str, Any]) -> frozenset[str] | None:
    if schema.get("additionalProperties") is not False:
        return None
    found = set(schema["properties"])
    for name in WITH_FIELDS & found:
        found |= {f"{name}.{inner}" for inner in _inner(schema, schema["properties"][name])}
    return frozenset(found)


def _inner(schema: Mapping[str, Any], member: Any) -> Iterator[str]:
    """The fields of a member of a body, which may be given by reference and among others."""
    if not isinstance(member, dict):
        return
    yield from member.get("properties") or ()
    for choice in (*(member.get("anyOf") or ()), *(member.get("allOf") or ())):
        yield from _inner(schema, choice)
    reference = member.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        yield from _inner(schema, schema.get("$defs", {}).get(reference[len("#/$defs/") :]))


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
                return Asked(
                    url, doubt="it describes itself to nobody who is not logged in", closed=True
                )
            if error.code >= 500:
                return Asked(url, doubt=f"it answered {error.code}")
            raise _NotThis(f"answered {error.code}") from None
    except (OSError, ValueError) as error:
        return Asked(url, doubt=f"it cannot be reached from here: {why_unreachable(error)}")
    if document is None:
        raise _NotThis("is not an action provider")
    schema = document.get("input_schema")
    members = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(members, dict) or not TOLD[name] <= members.keys():
        raise _NotThis(f"is the action provider {shown(str(document.get('title')))!r}")
    scope = document.get("globus_auth_scope")
    fields = _known_fields(schema) if isinstance(schema, dict) else None
    return Asked(url, scope if isinstance(scope, str) else None, fields=fields)


def _read(data: bytes) -> dict[str, Any] | None:
    """The description of an action provider; None for anything else."""
    try:
        document = json.loads(data) if len(data) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    wanted = {"title", "globus_auth_scope", "input_schema"}
    return document if isinstance(document, dict) and wanted <= document.keys() else None
