"""Request bodies are looked at as bytes before anything parses them."""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec
from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from action_provider.errors import Malformed
from flows.steps.validation_errors import refusal
from provenance_store.errors import InvalidInput, TooLarge

__all__ = ["check_json", "decode", "invalid", "read_body", "read_bytes", "whole_body"]

T = TypeVar("T")

_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_RUNS = re.compile(rb"(\[+)(\]*)")
_WORTHWHILE = 5
"""Brackets are taken away in pairs while this part of them goes each time."""


def read_body(request: Request, *, depth: int) -> bytes:
    """The body of a request, checked by `check_json`. The content type does not matter."""
    data = read_bytes(request, "send a JSON object")
    check_json(data, depth=depth)
    return data


def read_bytes(request: Request, otherwise: str) -> bytes:
    """The body of a request; `otherwise` is what whoever sent none is told to do.

    Raises werkzeug's RequestEntityTooLarge over the server's limit: without reading it when its
    length is announced, and else when the limit is reached. Raises Malformed for a body that ends
    early, or is not framed as HTTP demands.
    """
    data = whole_body(request, cache=False)
    if request.content_length is None and len(data) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    if not data:
        raise Malformed(f"The request has no body; {otherwise}.")
    return data


def whole_body(request: Request, *, cache: bool = True) -> bytes:
    """The body as it came.

    Raises werkzeug's RequestEntityTooLarge over the server's limit, Malformed for one that ends
    early, or is not framed as HTTP demands: each WSGI server has its own errors for that.
    """
    try:
        return request.get_data(cache=cache)
    except RequestEntityTooLarge:
        raise
    except Exception:
        raise Malformed("The request's body is cut off or badly framed; send it again.") from None


def check_json(data: bytes, *, depth: int) -> None:
    """Raise if parsing this would be dangerous, or storing what it says impossible.

    TooLarge for nesting beyond `depth`, InvalidInput for the NUL character, which PostgreSQL
    cannot hold. Nothing else is checked: NaN, Infinity, lone surrogates and bytes that are not
    UTF-8 are refused by the parser. Of two equal keys in an object the last counts.
    """
    if data.count(b"[") + data.count(b"{") > depth:
        _check_depth(data, depth)
    if b"\\u0000" in data and b"\\u0000" in _without_backslashes(data):
        raise InvalidInput("The JSON holds the NUL character (\\u0000), which cannot be stored.")


def _without_backslashes(data: bytes) -> bytes:
    """The data, with something else for each backslash that is meant as one."""
    return data.replace(rb"\\", b"--")


def _check_depth(data: bytes, limit: int) -> None:
    """Measure the nesting in a fixed number of passes, each much faster than a loop over bytes.

    Without escaped quotes, every second part between quotes lies outside of strings, and so it
    does when two neighbouring quotes are taken away. Of that only brackets count. What is not JSON
    may be measured wrongly from its first fault on, which is as far as any parser goes.
    """
    marks = _without_backslashes(data).replace(rb"\"", b"").translate(_SQUARE, _NO_MARKS)
    brackets = b"".join(marks.replace(b'""', b"").split(b'"')[::2])
    if _levels(brackets, limit) > limit:
        raise TooLarge(f"The JSON is nested more than {limit} levels deep.")


def _levels(brackets: bytes, enough: int) -> int:
    """How deeply these are nested. Where many are innermost, these are taken away together; where
    few are, there are few runs to loop over."""
    inner = 0
    while inner <= enough:
        fewer = brackets.replace(b"[]", b"")
        removed = len(brackets) - len(fewer)
        if removed * _WORTHWHILE < len(brackets) or not removed:
            break
        brackets = fewer
        inner += 1
    level = most = 0
    for run in _RUNS.finditer(brackets):
        level += run.end(1) - run.start(1)
        most = max(most, level)
        level -= run.end(2) - run.start(2)
    return inner + most


def decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """What the decoder makes of the data.

    Raises Malformed for what is not JSON, InvalidInput with its path for what does not fit.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error, decoder.type) from None
    except UnicodeDecodeError:
        raise Malformed("The request body is not UTF-8.") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"The request body is not JSON: {error}.") from None
    except RecursionError:
        raise TooLarge("The JSON is too deeply nested.") from None


def invalid(error: msgspec.ValidationError, kind: type) -> InvalidInput:
    """The same refusal with its path, and a sentence that says what to do."""
    refused = refusal(error, {"": kind})
    return InvalidInput(refused.message, path=refused.path)
