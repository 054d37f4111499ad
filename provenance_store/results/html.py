"""Small tables in HTML, for notebooks. All text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["cell", "details", "table"]

LONGEST = 120
"""Characters of a cell that are shown."""
MOST_LISTED = 10
"""Items of a list in a cell that are shown."""


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, below: str = "") -> str:
    """A table with a head, and a line of text below it."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>" for row in rows
    )
    note = f"<p>{escape(below)}</p>" if below else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def details(document: Mapping[str, Any]) -> str:
    """A table with a row for each field that says anything."""
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{cell(value)}</td></tr>"
        for name, value in document.items()
        if value not in (None, "", [], {})
    )
    return f"<table><tbody>{rows}</tbody></table>"


def cell(value: Any) -> str:
    """A value of a document as the content of a cell: escaped, and cut where it is long."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if "name" in value and "id" in value:
            return _cut(f"{value['name']} ({value.get('short_id') or value['id']})")
        if "uri" in value:
            return _cut(str(value["uri"]))
        return _several([f"{_cut(str(name))}: {cell(item)}" for name, item in value.items()])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _several([cell(item) for item in value])
    return _cut(f"{value:g}" if isinstance(value, float) else str(value))


def _several(parts: Sequence[str]) -> str:
    more = [f"... {len(parts) - MOST_LISTED} more"] if len(parts) > MOST_LISTED else []
    return "<br>".join([*parts[:MOST_LISTED], *more])


def _cut(text: str) -> str:
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")
