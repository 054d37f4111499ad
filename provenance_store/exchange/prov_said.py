"""What PROV documents of others say, word for word: kept with the records that came of it.

Columns and tags hold what Braid can search. The statements themselves, with their namespaces,
types, languages, roles, times, plans and bundles, are small PROV-JSON documents: ``prov`` of the
record that they are about, and ``prov_2`` and so on where one would be too large.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from provenance_store.exchange.extract import Extract
from provenance_store.exchange.libraries import prov_model, quietly
from provenance_store.ids import Urn, parse_id
from provenance_store.values import digest_of

__all__ = ["content_digest", "documents_of", "is_as_said", "said_again", "subject_of"]

_NAME: Final = re.compile(r"prov(?:_[0-9]+)?")


def subject_of(record: Any) -> str | None:
    """The URI of what a statement of `prov` is about: itself, or what depends in a relation."""
    if record.is_element():
        return str(record.identifier.uri)
    first = next((value for _, value in record.formal_attributes), None)
    return None if first is None else str(first.uri)


def documents_of(model: Any, records: Sequence[Any], limit: int) -> Iterator[dict[str, Any]]:
    """Statements, or bundles without any, as PROV-JSON.

    Each document has at most `limit` bytes where it can be divided.
    """
    document = _document(model, records)
    if len(records) > 1 and len(json.dumps(document, ensure_ascii=False).encode()) > limit:
        middle = len(records) // 2
        yield from documents_of(model, records[:middle], limit)
        yield from documents_of(model, records[middle:], limit)
    else:
        yield document


def _document(model: Any, records: Iterable[Any]) -> dict[str, Any]:
    whole = model.ProvDocument()
    bundles: dict[str, Any] = {}
    for record in records:
        is_empty = isinstance(record, model.ProvBundle)
        scope = record if is_empty else record.bundle
        into = whole
        if scope.is_bundle():
            uri = scope.identifier.uri
            if uri not in bundles:
                bundles[uri] = whole.bundle(scope.identifier)
            into = bundles[uri]
        if not is_empty:
            _add(into, record)
    found: dict[str, Any] = json.loads(whole.serialize(format="json"))
    return found


def content_digest(document: Any) -> str:
    """The digest of what a document says, whatever its spelling, prefixes, order and format."""
    scopes = [("", document), *((b.identifier.uri, b) for b in document.bundles)]
    said = []
    for name, scope in scopes:
        statements = [
            [
                record.get_type().uri,
                None if record.identifier is None else record.identifier.uri,
                sorted([key.uri, *_exactly(value)] for key, value in record.attributes),
            ]
            for record in scope.get_records()
        ]
        said.append([name, sorted(statements, key=json.dumps)])
    return digest_of(sorted(said, key=lambda scope: str(scope[0])))


def _exactly(value: Any) -> list[str]:
    """A value as text that tells its type."""
    if hasattr(value, "uri"):
        return [type(value).__name__, value.uri]
    if hasattr(value, "langtag"):
        return [
            "Literal",
            str(value.value),
            str(getattr(value.datatype, "uri", None)),
            str(value.langtag),
        ]
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return [type(value).__name__, text]


def is_as_said(extract: Extract) -> bool:
    """Whether all of a part of the history is what PROV documents said, and nothing else.

    Then it goes out in their words. What was said of a record here since would be lost in that.
    """
    beside = (extract.runs, extract.stubs, extract.hidden, extract.environments, extract.same)
    if not extract.records or extract.truncated or any(beside):
        return False
    return all(map(_is_as_it_came, extract.records, extract.records.values()))


def _is_as_it_came(urn: str, record: Mapping[str, Any]) -> bool:
    own = parse_id(urn)
    marks = (parse_id(mark["id"]) for mark in record["marks"])
    documents = [*_documents(record)]
    return (
        bool(documents)
        and all("_truncated" not in d and "_unreadable" not in d for d in documents)
        and not record["tag_settings"]
        and not record["file_checks"]
        and isinstance(own, Urn)
        and all(isinstance(mark, Urn) and mark.origin == own.origin for mark in marks)
    )


def _documents(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if record["tags"].get("imported") == "PROV":
        for name, document in record["payloads"].items():
            if _NAME.fullmatch(name) and isinstance(document, dict):
                yield document


def said_again(extract: Extract) -> Any:
    """The `prov.model.ProvDocument` with all statements of these records, each once."""
    model = prov_model()
    whole = model.ProvDocument()
    seen: set[Any] = set()
    for record in extract.records.values():
        for document in _documents(record):
            with quietly():
                part = model.ProvDocument.deserialize(content=json.dumps(document), format="json")
            for scope in (part, *part.bundles):
                name = scope.identifier if scope.is_bundle() else None
                into = whole if name is None else _bundle(whole, name)
                for statement in scope.get_records():
                    if (name, statement) not in seen:
                        seen.add((name, statement))
                        _add(into, statement)
    return whole


def _add(scope: Any, statement: Any) -> None:
    """Add a statement with the namespaces of its types, which `prov` would leave undeclared."""
    for _, value in statement.extra_attributes:
        datatype = getattr(value, "datatype", None)
        if datatype is not None:
            scope.add_namespace(datatype.namespace)
    scope.add_record(statement)


def _bundle(document: Any, name: Any) -> Any:
    return next((b for b in document.bundles if b.identifier == name), None) or document.bundle(
        name
    )
