"""From the places that a rule names to URIs in the spelling in which Transfer steps have them."""

from __future__ import annotations

from typing import Any

from flows.harvest.filling import MISSING, View, fill
from flows.harvest.rule import Place, Places
from flows.steps.uris import globus_uri, is_uri

__all__ = ["uris_at"]

_ABOUT = ("size", "digest", "media_type")


def uris_at(given: Places | None, view: View, field: str, told: list[str]) -> list[Any] | None:
    """The URIs at places, each a text or an object that says more of its bytes; None without any.

    What is none is told in a sentence and left out. For fields that refer to records, of an object
    only its URI counts.
    """
    if given is None:
        return None
    found: list[Any] = []
    for place in given if isinstance(given, list) else [given]:
        one = _of_place(place, view) if isinstance(place, Place) else _flat(fill_uri(place, view))
        for uri in one:
            if isinstance(uri, dict) and is_uri(str(uri.get("uri", ""))):
                found.append(_described(uri) if field in ("uri", "uris") else {"uri": uri["uri"]})
            elif isinstance(uri, str) and is_uri(uri):
                found.append(uri)
            else:
                told.append(f"{field}: {_why_not(uri, place)}")
    return found or None


def _described(given: dict[str, Any]) -> dict[str, Any]:
    """Of what a result says of a file, what can be kept with its URI."""
    told = {name: given[name] for name in ("uri", *_ABOUT) if given.get(name) is not None}
    if isinstance(plain := given.get("sha256"), str):
        told.setdefault("digest", f"sha256:{plain}")
    return told


def fill_uri(place: str, view: View) -> Any:
    """What stands for a URI, or for several."""
    return fill(place, view, in_uri=True)


def _of_place(place: Place, view: View) -> list[Any]:
    about = {name: fill(getattr(place, name), view) for name in _ABOUT}
    about = {name: value for name, value in about.items() if value not in (None, MISSING)}
    if place.uri is not None:
        return [_with(uri, about) for uri in _flat(fill_uri(place.uri, view))]
    collection, root = fill(place.collection, view), fill(place.root, view)
    if not isinstance(collection, str) or root is MISSING:
        return []
    return [
        _with(_on(collection, path, root), about) if isinstance(path, str) else path
        for path in _flat(fill(place.path, view))
    ]


def _on(collection: str, path: str, root: str | None) -> Any:
    """The URI of a path; the path itself when it is not below the root."""
    if is_uri(path):
        return path
    if root is not None:
        folder = "/" + root.strip("/")
        if path != folder and not path.startswith(folder.rstrip("/") + "/"):
            return path
        path = path[len(folder.rstrip("/")) :] or "/"
    return globus_uri(collection, path)


def _with(uri: Any, about: dict[str, Any]) -> Any:
    if not about:
        return uri
    return {**uri, **about} if isinstance(uri, dict) else {"uri": uri, **about}


def _flat(found: Any) -> list[Any]:
    """One or several things that a path found."""
    if found is MISSING:
        return []
    return list(found) if isinstance(found, list) else [found]


def _why_not(found: Any, place: str | Place) -> str:
    value = found.get("uri", found) if isinstance(found, dict) else found
    if isinstance(place, Place) and place.root is not None and isinstance(value, str):
        return f"{value!r:.200} is not below the root {place.root!r:.200}."
    if isinstance(value, str):
        return f"{value!r:.200} is not a URI; give the collection too: {{collection, path}}."
    return f"{type(value).__name__} is not a URI."
