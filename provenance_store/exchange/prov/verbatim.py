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
from typing import Any, Final, NamedTuple

import msgspec

from provenance_store.exchange.extract import Extract
from provenance_store.exchange.libraries import prov_model, quietly
from provenance_store.ids import Urn, parse_id
from provenance_store.values import digest_of

__all__ = [
    "ELEMENTS",
    "PlacedStatement",
    "content_digest",
    "documents_of",
    "is_as_said",
    "said_again",
    "statements_of",
]

ELEMENTS: Final = ("entity", "activity", "agent")
MEMBER: Final = "prov:entity"
_NO_URIS: Final = frozenset({"prov", "xsd", "_"})
"""What begins so is no URI: `prov` knows these prefixes by itself, and blank names."""
_NAME: Final = re.compile(r"prov(?:_[0-9]+)?")


class PlacedStatement(NamedTuple):
    """A statement as a document has it, in PROV-JSON: in which section, under which name.

    `scope` is the name of its bundle, empty for the document itself; a `section` that is empty
    stands for a bundle without statements. `ends` are the URIs that a relation names.
    """

    section: str
    name: str
    attributes: dict[str, Any]
    scope: str = ""
    ends: Sequence[str] = ()

    @property
    def is_element(self) -> bool:
        """Whether it says of a thing itself, and not how things hang together."""
        return self.section in ELEMENTS


def statements_of(document: Mapping[str, Any], scope: str = "") -> Iterator[PlacedStatement]:
    """The statements of a PROV-JSON document that was checked, in the order in which `prov` has
    them; of several members that are said at once, each is one."""
    for section, content in document.items():
        if section in ("prefix", "bundle"):
            continue
        for name, statements in content.items():
            for one in statements if isinstance(statements, list) else (statements,):
                if section == "hadMember" and isinstance(one.get(MEMBER), list):
                    for member in one[MEMBER]:
                        yield PlacedStatement(section, name, {**one, MEMBER: member}, scope)
                else:
                    yield PlacedStatement(section, name, one, scope)
    for name, bundle in document.get("bundle", {}).items():
        yield from statements_of(bundle, name)


def documents_of(
    said: Sequence[PlacedStatement], prefixes: Mapping[str, Mapping[str, str]], limit: int
) -> Iterator[dict[str, Any]]:
    """Statements as PROV-JSON, with those of the `prefixes`, by scope, that they may need.

    Each document has at most `limit` bytes where it can be divided.
    """
    document = _document(said, prefixes)
    if len(said) > 1 and len(msgspec.json.encode(document)) > limit:
        middle = len(said) // 2
        yield from documents_of(said[:middle], prefixes, limit)
        yield from documents_of(said[middle:], prefixes, limit)
    else:
        yield document


def _document(
    said: Iterable[PlacedStatement], prefixes: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    whole: dict[str, Any] = {"prefix": {}}
    for one in said:
        into = whole
        known = outer = prefixes[""]
        if one.scope:
            bundles = whole.setdefault("bundle", {})
            into = bundles.setdefault(one.scope, {"prefix": {}})
            known = prefixes[one.scope]
        for prefix in _prefixes_in(one, {**outer, **known} if one.scope else known):
            if prefix in known:
                into["prefix"][prefix] = known[prefix]
            else:
                whole["prefix"][prefix] = outer[prefix]
        if not one.section:
            continue
        section = into.setdefault(one.section, {})
        before = section.get(one.name)
        if before is None:
            section[one.name] = one.attributes
        elif isinstance(before, list):
            before.append(one.attributes)
        else:
            section[one.name] = [before, one.attributes]
    for part in (whole, *whole.get("bundle", {}).values()):
        if not part["prefix"]:
            del part["prefix"]
    return whole


def _prefixes_in(said: PlacedStatement, known: Mapping[str, str]) -> set[str]:
    """The prefixes that names in a statement may have, be they names or not."""
    texts = [said.name, said.scope] if said.scope else [said.name]
    waiting: list[Any] = [said.attributes]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            texts += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    found: set[str] = set()
    for text in texts:
        prefix, colon, _ = text.partition(":")
        if not colon:
            found.add("default")
        elif prefix in known:
            found.add(prefix)
        elif prefix not in _NO_URIS:  # a whole URI stands for a name too
            found.update(p for p, uri in known.items() if text.startswith(uri))
    return found & known.keys()


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
