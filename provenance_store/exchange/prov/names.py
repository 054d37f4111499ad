"""How things are named in PROV: our URNs, principals, tags, runs, and our own terms.

A name in PROV is a namespace and a local part. What is no plain name is percent-encoded in its
local part, so that every text comes back as it was.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

__all__ = ["NAMESPACES", "decoded", "encoded", "origin_prefixes", "principal_name", "principal_of"]

NAMESPACES: Final = {
    "braid": "urn:braid:terms:",
    "tag": "urn:braid:tag:",
    "document": "urn:braid:document:",
    "environment": "urn:braid:environment:",
    "run": "urn:braid:run:",
    "flow": "urn:braid:flow:",
    "hidden": "urn:braid:hidden:",
    "principal": "urn:braid:principal:",
    "identity": "urn:globus:auth:identity:",
    "group": "urn:globus:groups:id:",
}
"""The namespaces of every exported document by prefix; each origin adds one for its records."""

_PLAIN = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_.-]*[0-9A-Za-z_-])?")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SAFE = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")


def encoded(text: str) -> str:
    """The text as a local part; plain names stay as they are."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(chr(b) if b in _SAFE else f"%{b:02X}" for b in text.encode())


def decoded(local: str) -> str:
    """What `encoded` was given; what it never makes is left as it is."""
    try:
        unquote_to_bytes(local).decode()
    except UnicodeDecodeError:
        return local
    return unquote(local)


def principal_name(principal: str) -> tuple[str, str]:
    """The prefix of an identity, a group or whoever else, and what is to be encoded after it."""
    for prefix in ("identity", "group"):
        local = principal.removeprefix(NAMESPACES[prefix])
        if local != principal and _UUID.fullmatch(local):
            return prefix, local
    return "principal", principal


def principal_of(uri: str) -> str | None:
    """The identity, group or other principal that we named this way; None for agents of others."""
    for prefix in ("identity", "group"):
        if uri.startswith(NAMESPACES[prefix]):
            return uri
    if uri.startswith(NAMESPACES["principal"]):
        return decoded(uri.removeprefix(NAMESPACES["principal"]))
    return None


def origin_prefixes(uuids: set[str]) -> dict[str, str]:
    """A prefix for each origin: the beginning of its UUID, or all of it where that is not enough.

    The same origins always get the same prefixes.
    """
    short: dict[str, list[str]] = {}
    for uuid in sorted(uuids):
        short.setdefault(uuid[:8], []).append(uuid)
    return {
        uuid: f"b{beginning}" if len(group) == 1 else f"b{uuid.replace('-', '')}"
        for beginning, group in short.items()
        for uuid in group
    }
