"""Markers: where the next page of a list begins, and what was asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from flows.sandbox.flow_errors import FlowsError

__all__ = ["number", "page_of", "read_marker"]

T = TypeVar("T")


def read_marker(args: Mapping[str, str]) -> dict[str, str]:
    """The effective arguments of a list request: a marker overrides all others."""
    marker = args.get("marker")
    if not marker:
        return dict(args)
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


def page_of(items: Sequence[T], args: dict[str, str], limit: int) -> tuple[list[T], dict[str, Any]]:
    """One page of a list, and the paging members of the answer."""
    start = number(args, "_offset", 0, 0, 10**9)
    page = list(items[start : start + limit])
    more = len(items) > start + limit
    following = {**args, "_offset": str(start + limit)}
    marker = base64.urlsafe_b64encode(json.dumps(following).encode()).decode() if more else None
    return page, {"limit": limit, "has_next_page": more, "marker": marker}
