"""Filters, orders and pages of what the stand-in for the Transfer service lists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from werkzeug.datastructures import MultiDict

__all__ = ["BadQuery", "listing"]

Document = dict[str, Any]
_CLAUSE = re.compile(r"(?P<operator>!~|!|~|=)?(?P<pattern>.*)", re.DOTALL)
_TIMES = frozenset({"last_modified", "request_time", "completion_time"})


class BadQuery(Exception):
    """A query parameter is not valid; says why in a sentence."""


def listing(
    kind: str, documents: Sequence[Document], args: MultiDict[str, str], *, limit: int
) -> Document:
    """A page of documents with what Transfer tells about it, or raises BadQuery.

    Of several `filter` parameters one must hold, and all of its clauses.
    """
    filters = [text for text in args.getlist("filter") if text]
    kept = [d for d in documents if not filters or any(_passes(d, text) for text in filters)]
    for field, down in reversed(_orders(args)):
        kept.sort(key=lambda document: _sort_key(document, field), reverse=down)
    start, count = _number(args, "offset", 0), _number(args, "limit", limit)
    page = kept[start : start + count]
    return {
        "DATA_TYPE": kind,
        "DATA": page,
        "length": len(page),
        "limit": count,
        "offset": start,
        "total": len(kept),
        "has_next_page": start + len(page) < len(kept),
    }


def _orders(args: MultiDict[str, str]) -> list[tuple[str, bool]]:
    """The fields to order by, with whether each goes down."""
    given = [part for text in args.getlist("orderby") for part in text.split(",") if part.strip()]
    orders = []
    for part in given:
        field, _, direction = part.strip().partition(" ")
        if direction.upper() not in ("", "ASC", "DESC"):
            raise BadQuery(f"{part!r} is not an order.")
        orders.append((field, direction.upper() == "DESC"))
    return orders


def _sort_key(document: Document, field: str) -> tuple[bool, float, str]:
    value = document.get(field)
    if isinstance(value, int | float):
        return True, float(value), ""
    return value is not None, 0.0, str(value)


def _number(args: MultiDict[str, str], name: str, default: int) -> int:
    text = args.get(name, str(default))
    if not text.isdecimal():
        raise BadQuery(f"{name} must be a whole number, not {text!r}.")
    return int(text)


def _passes(document: Document, text: str) -> bool:
    for clause in text.split("/"):
        field, colon, wanted = clause.partition(":")
        if not colon:
            raise BadQuery(f"{clause!r} is not a filter.")
        if field in _TIMES:
            if not _within(document.get(field), wanted):
                return False
        elif not _among(_as_text(document.get(field)), wanted.split(",")):
            return False
    return True


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _among(value: str, patterns: list[str]) -> bool:
    """Whether a value is one of those named, and none of those that are ruled out."""
    wanted: list[bool] = []
    unwanted: list[bool] = []
    for text in patterns:
        found = _CLAUSE.fullmatch(text)
        operator, pattern = (found["operator"] or "", found["pattern"]) if found else ("", text)
        matched = fnmatchcase(value, pattern) if operator.endswith("~") else value == pattern
        (unwanted if operator.startswith("!") else wanted).append(matched)
    return not any(unwanted) and (not wanted or any(wanted))


def _within(value: Any, wanted: str) -> bool:
    since, _, until = wanted.partition(",")
    if not isinstance(value, str):
        return False
    moment = _time(value)
    return (not since or moment >= _time(since)) and (not until or moment < _time(until))


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadQuery(f"{text!r} is not a time.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
