"""HTTP operations, declared once, for the routes and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = ["Operation"]


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    `path` is written as Flask writes it. `parameters` is the struct that the query is read
    into, `answers` the type of the JSON answer by status (None: it is not JSON of ours),
    `errors` the further statuses, `body` the request body (bytes: it is not JSON). The answer may
    also be asked for as text, in `text_media_types`.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, Any]
    errors: tuple[int, ...] = ()
    parameters: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | type[bytes] | None = None
    body_media_type: str = "application/json"
    media_type: str = "application/json"
    text_media_types: tuple[str, ...] = ()
    secured: bool = True
    path_help: Mapping[str, str] = field(default_factory=dict)
