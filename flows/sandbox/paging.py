"""Markers: where the next page of a list begins, and what was asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from werkzeug.datastructures import MultiDict

from flows.sandbox.flow_errors import FlowsError

__all__ = ["in_order", "names_in", "number", "page_of", "read_marker"]

T = TypeVar("T")


def read_marker(args: MultiDict[str, str]) -> dict[str, str]:
    """The effective arguments of a list request: a marker overrides all others.

    What is given several times is joined with commas, as it may be given as well.
    """
    marker = args.get("marker")
    if not marker:
        return {name: ",".join(values) for name, values in args.lists()}
    try:
        found = json.loads(base64.urlsafe_b64decode(marker.encode()))
    except ValueError:
        raise FlowsError(400, "BAD_REQUEST", "The marker is not valid.") from None
    return {str(key): str(value) for key, value in found.items()}


def number(args: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number among the arguments. Raises FlowsError (422) outside its bounds."""
    text = args.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        detail = [{"loc": [name], "msg": f"must be from {low} to {high}", "type": "value_error"}]
        raise FlowsError(422, "UNPROCESSABLE_ENTITY", detail)
    return int(text)


def names_in(args: Mapping[str, str], name: str) -> set[str]:
    """The names in an argument, between commas; an empty one has none."""
    return {text.strip() for text in args.get(name, "").split(",") if text.strip()}


def in_order(
    documents: Sequence[dict[str, Any]],
    args: Mapping[str, str],
    fields: Mapping[str, str],
    default: str = "",
) -> list[dict[str, Any]]:
    """The documents as `orderby` asks: fields between commas, each with ASC or DESC if given.

    `fields` are those that may be named, with the member of the documents that each is. Raises
    FlowsError for any other.
    """
    ordered = list(documents)
    given = [part.strip() for part in (args.get("orderby") or default).split(",") if part.strip()]
    for part in reversed(given):
        field, _, direction = part.partition(" ")
        if field not in fields or direction.upper() not in ("", "ASC", "DESC"):
            raise FlowsError(422, "UNPROCESSABLE_ENTITY", "The orderby is not valid.")
        key = fields[field]
        ordered.sort(key=lambda d: str(d.get(key) or ""), reverse=direction.upper() == "DESC")
    return ordered


def page_of(items: Sequence[T], args: dict[str, str], limit: int) -> tuple[list[T], dict[str, Any]]:
    """One page of a list, and the paging members of the answer."""
    start = number(args, "_offset", 0, 0, 10**9)
    page = list(items[start : start + limit])
    more = len(items) > start + limit
    following = {**args, "_offset": str(start + limit)}
    marker = base64.urlsafe_b64encode(json.dumps(following).encode()).decode() if more else None
    return page, {"limit": limit, "has_next_page": more, "marker": marker}
