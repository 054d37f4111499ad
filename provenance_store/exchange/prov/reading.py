"""PROV-JSON as it comes from a file: checked, read by `prov`, and put in plain values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from provenance_store.errors import InvalidInput, TooLarge
from provenance_store.exchange.libraries import decoded, prov_model, provided, quietly
from provenance_store.exchange.parsing import micros, odd_time, read_json
from provenance_store.exchange.prov.names import NAMESPACES
from provenance_store.exchange.prov.verbatim import (
    ELEMENTS,
    PlacedStatement,
    content_digest,
    statements_of,
)
from provenance_store.times import format_time
from provenance_store.values import digest_of

__all__ = ["PROV", "Element", "Prov", "Relation", "as_prov_json", "culprit", "read_prov"]

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


PROV: Final = "http://www.w3.org/ns/prov#"
LABEL: Final = f"{PROV}label"
TIMES: Final = frozenset({"prov:startTime", "prov:endTime", "prov:time"})
INTEGERS: Final = frozenset(
    "byte short negativeInteger nonNegativeInteger nonPositiveInteger positiveInteger unsignedByte "
    "unsignedInt unsignedLong unsignedShort".split()
)
"""The types of XML Schema that are integers, and text to `prov`."""
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,40}\s*")
REFERRED: Final = ("prov:usage", "prov:generation")
"""Attributes that name another statement, which may have a blank name."""
RELATIONS: Final = (
    "used",
    "wasGeneratedBy",
    "wasDerivedFrom",
    "wasInformedBy",
    "wasStartedBy",
    "wasEndedBy",
    "wasInvalidatedBy",
    "wasAttributedTo",
    "wasAssociatedWith",
    "actedOnBehalfOf",
    "wasInfluencedBy",
    "specializationOf",
    "alternateOf",
    "mentionOf",
    "hadMember",
)


@dataclass(slots=True)
class Element:
    """An entity, an activity or an agent; several statements about one are taken together.

    `kinds` says which of the three it is. Attributes are by the URI of their names, values plain:
    text, numbers, booleans, times as datetime, names of other things as `Name`. `names` are the
    labels, those without a language and in English with a smaller number. `start` and `end` are
    microseconds UTC, the first and the last that are said.
    """

    uri: str
    text: str
    kinds: set[str] = field(default_factory=set)
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    names: list[tuple[int, str]] = field(default_factory=list)
    start: int | None = None
    end: int | None = None
    bundle: str = ""

    @property
    def place(self) -> str:
        """Where it is in the document, or first is."""
        bundle = f".bundle[{self.bundle!r}]" if self.bundle else ""
        return f"${bundle}.{min(self.kinds, default='entity')}[{self.text!r}]"

    def all(self, name: str) -> list[Any]:
        """The values of an attribute, in order."""
        return self.attributes.get(name, [])

    def one(self, name: str) -> Any:
        """The first value of an attribute, or None."""
        return next(iter(self.all(name)), None)


class Name(str):
    """The URI of a name, where a value is one; `text` is how the document writes it."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, uri: str, text: str) -> Name:
        made = super().__new__(cls, uri)
        made.text = text
        return made


@dataclass(slots=True)
class Relation:
    """A statement between things: `ends` by the local names of PROV's attributes, as URIs."""

    name: str
    uri: str | None
    ends: dict[str, str]
    time: int | None
    attributes: dict[str, list[Any]]

    def all(self, name: str) -> list[Any]:
        """The values of an attribute."""
        return self.attributes.get(name, [])


@dataclass(slots=True)
class Prov:
    """A PROV document. `digest` is that of its content, whatever its spelling.

    `texts` are the URIs that relations name, as the document writes them; `said` are the statements
    by the URI of what they are about: a thing itself, or what depends in a relation. `prefixes` are
    those of the document and of its bundles, by their names.
    """

    digest: str
    elements: dict[str, Element] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    said: dict[str, list[PlacedStatement]] = field(default_factory=dict)
    prefixes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_prov(file: Path, value: Any = None) -> Prov:
    """Read a PROV-JSON file; `value` is the JSON in it where that is read already.

    Raises InvalidInput with the place of what is no PROV-JSON, TooLarge beyond the limits,
    ConfigurationError when the library is missing.
    """
    model = prov_model()
    value = read_json(file) if value is None else value
    found = Prov("")
    container = _Check(file, found.notes).document(value)

    with quietly():
        try:
            document = decoded(container)
        except Exception:
            place, why = culprit(container, decoded)
            raise InvalidInput(f"this is not PROV: {why}.", path=f"{file}: {place}") from None
    found.digest = content_digest(document)
    bundles = container.get("bundle", {})
    found.prefixes = {n: part.get("prefix", {}) for n, part in {**bundles, "": container}.items()}
    for record, said in zip(_records(document), statements_of(container), strict=True):
        if record.is_element():
            _add_element(found, model, record)
            found.said.setdefault(record.identifier.uri, []).append(said)
        else:
            subject, relation = _relation(found, model, record)
            found.relations.append(relation)
            said = said._replace(ends=tuple(relation.ends.values()))
            found.said.setdefault(subject, []).append(said)
    blank = (name for name, part in bundles.items() if not any(statements_of(part)))
    found.said.setdefault("", []).extend(PlacedStatement("", "", {}, name) for name in blank)
    return found


def as_prov_json(file: Path, text: str, format: str) -> Any:
    """The PROV-JSON of a document in another format that `prov` reads: provn, xml, jsonld.

    Raises InvalidInput when it cannot be read, MissingExtra when `prov` needs a further library.
    """
    model = prov_model()
    if format == "xml" and re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        # An entity may name files of this machine, or grow without end.
        raise InvalidInput("PROV-XML has no DOCTYPE and no entities.", path=f"{file}: $")
    provided(format)
    with quietly():
        try:
            document = model.ProvDocument.deserialize(content=text, format=format)
            value = json.loads(document.serialize(format="json"))
        except RecursionError:
            raise TooLarge("it is nested too deeply.", path=f"{file}: $") from None
        except Exception as error:
            why = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            raise InvalidInput(f"this is not PROV: {why}.", path=f"{file}: $") from None
    return value


def _records(document: Any) -> Iterator[Any]:
    yield from document.get_records()
    for bundle in document.bundles:
        yield from bundle.get_records()


def _add_element(found: Prov, model: Any, record: Any) -> None:
    name = record.identifier
    element = found.elements.get(name.uri)
    if element is None:
        bundle = str(record.bundle.identifier) if record.bundle.is_bundle() else ""
        element = found.elements[name.uri] = Element(name.uri, str(name), bundle=bundle)
    element.kinds.add(record.get_type().localpart.lower())
    # Of several times and labels always the same ones count, whichever the document has first.
    for key, value in record.formal_attributes:
        if (moment := micros(value)) is None:
            continue
        if key.localpart == "startTime":
            element.start = moment if element.start is None else min(moment, element.start)
        else:
            element.end = moment if element.end is None else max(moment, element.end)
    for key, value in record.extra_attributes:
        uri = key.uri
        values = element.attributes.setdefault(uri, [])
        plain = _plain(model, value)
        if uri == LABEL:
            language = str(getattr(value, "langtag", None) or "")
            rank = 1 + (not language.startswith("en")) if language else 0
            element.names.append((rank, str(plain)))
        element.labels[uri] = str(key)
        if not values or not any(type(v) is type(plain) and v == plain for v in values):
            values.append(plain)


def _relation(found: Prov, model: Any, record: Any) -> tuple[str, Relation]:
    """What a relation is about, if anything, and the relation."""
    ends: dict[str, str] = {}
    time = None
    formal = record.formal_attributes
    for key, value in formal:
        if isinstance(value, datetime):
            time = micros(value)
        elif value is not None:
            ends[key.localpart] = value.uri
            found.texts.setdefault(value.uri, str(value))
    attributes: dict[str, list[Any]] = {}
    for key, value in record.extra_attributes:
        attributes.setdefault(key.uri, []).append(_plain(model, value))
    identifier = None if record.identifier is None else record.identifier.uri
    subject = ends.get(formal[0][0].localpart, "")
    made = Relation(model.PROV_N_MAP[record.get_type()], identifier, ends, time, attributes)
    return subject, made


def _plain(model: Any, value: Any) -> Any:
    if isinstance(value, model.QualifiedName):
        return Name(value.uri, str(value))
    if isinstance(value, model.Identifier):
        return Name(value.uri, value.uri)
    if isinstance(value, model.Literal):
        text, kind = str(value.value), str(getattr(value.datatype, "localpart", ""))
        return int(text) if kind in INTEGERS and _INTEGER.fullmatch(text) else text
    return value if isinstance(value, str | int | float | bool | datetime) else str(value)


class _Check:
    """Holds a JSON value against the form of PROV-JSON, and takes out what is not of PROV."""

    def __init__(self, file: Path, notes: list[str]) -> None:
        self._file = file
        self._notes = notes
        self._terms = "braid"
        self._times_kept = False
        self._blank: dict[str, str] = {}

    def document(self, value: Any, place: str = "$", *, inner: bool = False) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, "a PROV-JSON document is an object")
        if not inner:
            self._terms = _free_prefix(value)
            self._blank = dict.fromkeys(_referred(value), "")
            mark = digest_of(value)[7:23] if self._blank else ""
            self._blank = {name: f"{self._terms}:blank-{mark}-{name[2:]}" for name in self._blank}
        known = {"prefix", *ELEMENTS, *RELATIONS}
        found: dict[str, Any] = {}
        for section, content in value.items():
            here = f"{place}.{section[:40]}"
            if section == "bundle" and not inner:
                bundles = self._object(here, content)
                found[section] = {
                    name: self.document(part, f"{here}[{name[:40]!r}]", inner=True)
                    for name, part in bundles.items()
                }
            elif section == "prefix":
                found[section] = self._prefixes(here, content)
            elif section in known:
                found[section] = self._section(here, content)
            else:
                self._notes.append(f"{here} is not a part of PROV-JSON and was left out.")
        if not inner and not found.keys() - {"prefix"} and value.keys() - {"prefix"}:
            self._refuse(place, "it has none of the parts of PROV-JSON, such as entity or used")
        if not inner and (self._blank or self._times_kept):
            found["prefix"] = {**found.get("prefix", {}), self._terms: NAMESPACES["braid"]}
        return found

    def _prefixes(self, place: str, content: Any) -> dict[str, str]:
        for prefix, uri in self._object(place, content).items():
            if not isinstance(uri, str):
                self._refuse(f"{place}[{prefix[:40]!r}]", "the URI of a prefix is text")
        return dict(content)

    def _section(self, place: str, content: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, statements in self._object(place, content).items():
            here = f"{place}[{name[:40]!r}]"
            if not name:
                self._refuse(place, "an identifier is not empty")
            several = statements if isinstance(statements, list) else [statements]
            taken = [self._statement(here, statement) for statement in several]
            found[self._blank.get(name, name)] = taken if isinstance(statements, list) else taken[0]
        return found

    def _statement(self, place: str, statement: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in self._object(place, statement).items():
            here = f"{place}[{key[:40]!r}]"
            if key in TIMES and not (isinstance(value, list) and len(value) != 1):
                found |= self._time(here, key, value[0] if isinstance(value, list) else value)
                continue
            self._attribute(here, value)
            found[key] = value
            if key in REFERRED and isinstance(value, str):
                found[key] = self._blank.get(value, value)
        return found

    def _attribute(self, place: str, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                if not isinstance(item.get("$"), str | int | float | bool) or not all(
                    isinstance(item.get(key, ""), str) for key in ("type", "lang")
                ):
                    self._refuse(place, 'a typed value is {"$": value, "type": text}')
            elif not isinstance(item, str | int | float | bool):
                self._refuse(place, "a value is text, a number, a boolean, or a typed value")

    def _time(self, place: str, key: str, value: Any) -> dict[str, Any]:
        """A time, or the nearest one; what is odd about it is noted, and kept beside it."""
        text = value.get("$") if isinstance(value, dict) else value
        at, why = odd_time(text)
        if not why:
            return {key: value}
        shown = json.dumps(text, ensure_ascii=False)[:80]
        self._notes.append(f"{place}: {shown} {why}.")
        self._times_kept = True
        kept = {f"{self._terms}:{key.partition(':')[2]}_as_given": shown.strip('"')}
        return kept if at is None else {key: format_time(at), **kept}

    def _object(self, place: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, "an object is needed here")
        found: Mapping[str, Any] = value
        return found

    def _refuse(self, place: str, why: str) -> NoReturn:
        raise InvalidInput(f"{why}.", path=f"{self._file}: {place}")


def _referred(document: Mapping[str, Any]) -> Iterator[str]:
    """The blank names by which statements name others."""
    for section, content in document.items():
        for statements in content.values() if isinstance(content, dict) else ():
            if section == "bundle" and isinstance(statements, dict):
                yield from _referred(statements)
                continue
            for statement in statements if isinstance(statements, list) else [statements]:
                if isinstance(statement, dict):
                    for key in REFERRED:
                        value = statement.get(key)
                        if isinstance(value, str) and value.startswith("_:"):
                            yield value


def _free_prefix(document: Mapping[str, Any]) -> str:
    """The prefix of our terms in a document of others."""
    prefixes = document.get("prefix")
    taken = prefixes if isinstance(prefixes, dict) else {}
    name, number = "braid", 1
    while taken.get(name, NAMESPACES["braid"]) != NAMESPACES["braid"]:
        number += 1
        name = f"braid{number}"
    return name
