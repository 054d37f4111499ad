"""Which statement of a PROV-JSON document it is that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["culprit"]

Read = Callable[[Mapping[str, Any]], object]
"""Reads a document, and raises when that cannot be done."""


class _Statement(NamedTuple):
    bundle: str | None
    section: str
    name: str
    content: Any


def culprit(document: Mapping[str, Any], read: Read) -> tuple[str, str]:
    """The place, as a JSON path, of the first statement that cannot be read, and why.

    The document as a whole, which cannot be read, is halved until one statement is left.
    """
    prefix = document.get("prefix", {})
    statements = list(_statements(document))
    if (why := _why(_document(prefix, ()), read)) is not None:
        names = (name for name in prefix if _why({"prefix": {name: prefix[name]}}, read))
        return next((f"$.prefix[{name[:40]!r}]" for name in names), "$.prefix"), why
    low, high = 0, len(statements)
    while high - low > 1:
        middle = (low + high) // 2
        if _why(_document(prefix, statements[low:middle]), read) is None:
            low = middle
        else:
            high = middle
    why = _why(_document(prefix, statements[low:high]), read)
    if why is None or not statements:
        return "$", _why(document, read) or "it cannot be read"
    return _place(statements[low]), _undeclared(statements[low], document) or why


def _statements(document: Mapping[str, Any]) -> Iterator[_Statement]:
    for section, content in document.items():
        if section == "bundle":
            for bundle, part in content.items():
                yield _Statement(bundle, "", "", None)
                for statement in _statements(part):
                    yield statement._replace(bundle=bundle)
        elif section == "prefix":
            continue
        else:
            for name, statement in content.items():
                yield _Statement(None, section, name, statement)


def _document(prefix: Any, statements: Sequence[_Statement]) -> dict[str, Any]:
    found: dict[str, Any] = {"prefix": prefix}
    for bundle, section, name, content in statements:
        part = found if bundle is None else found.setdefault("bundle", {}).setdefault(bundle, {})
        if section:
            part.setdefault(section, {})[name] = content
    return found


def _why(document: Mapping[str, Any], read: Read) -> str | None:
    try:
        read(document)
    except Exception as error:
        return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return None


def _place(statement: _Statement) -> str:
    bundle = "" if statement.bundle is None else f".bundle[{statement.bundle[:40]!r}]"
    own = f".{statement.section}[{statement.name[:40]!r}]" if statement.section else ""
    return f"${bundle}{own}"


def _undeclared(statement: _Statement, document: Mapping[str, Any]) -> str | None:
    """The prefix of the statement's own name, where nobody declares it."""
    name = statement.name or statement.bundle or ""
    prefix, colon, _ = name.partition(":")
    parts = [document, document.get("bundle", {}).get(statement.bundle, {})]
    declared = {key for part in parts for key in part.get("prefix", {})}
    if colon and prefix not in declared | {"prov", "xsd", "xsi", "_"}:
        return f"the prefix {prefix[:40]!r} is not declared"
    return None
