"""PROV-JSON as it comes from a file: checked, read by `prov`, and put in plain values.

What a document may hold is bounded here; what it means is for `prov_import`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from provenance_store.errors import InvalidInput
from provenance_store.exchange.bounded import read_json
from provenance_store.exchange.libraries import prov_model
from provenance_store.exchange.prov_places import culprit
from provenance_store.exchange.values import micros
from provenance_store.values import digest_of

__all__ = ["PROV", "Element", "Prov", "Relation", "read_prov"]

PROV: Final = "http://www.w3.org/ns/prov#"
ELEMENTS: Final = ("entity", "activity", "agent")
TIMES: Final = frozenset({"prov:startTime", "prov:endTime", "prov:time"})
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
    text, numbers, booleans, times as datetime, names of other things as `Name`. `start` and `end`
    are microseconds UTC.
    """

    uri: str
    text: str
    kinds: set[str] = field(default_factory=set)
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
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

    `texts` are the URIs that relations name, as the document writes them.
    """

    digest: str
    elements: dict[str, Element] = field(default_factory=dict)
    relations: list[Relation] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_prov(file: Path, value: Any = None) -> Prov:
    """Read a PROV-JSON file; `value` is the JSON in it where that is read already.

    Raises InvalidInput with the place of what is no PROV-JSON, TooLarge beyond the limits,
    ConfigurationError when the library is missing.
    """
    model = prov_model()
    value = read_json(file) if value is None else value
    found = Prov("")
    container = _Check(file, found.notes, model.parse_xsd_datetime).document(value)
    found.digest = digest_of(container)

    def read(part: Mapping[str, Any]) -> Any:
        return model.ProvDocument.deserialize(content=json.dumps(part), format="json")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            document = read(container)
        except Exception:
            place, why = culprit(container, read)
            raise InvalidInput(f"this is not PROV: {why}.", path=f"{file}: {place}") from None
    for record in _records(document):
        if record.is_element():
            _add_element(found, model, record)
        else:
            found.relations.append(_relation(found, model, record))
    return found


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
    for key, value in record.formal_attributes:
        moment = micros(value)
        if key.localpart == "startTime":
            element.start = moment if element.start is None else element.start
        else:
            element.end = moment if element.end is None else element.end
    for key, value in record.extra_attributes:
        values = element.attributes.setdefault(key.uri, [])
        element.labels[key.uri] = str(key)
        plain = _plain(model, value)
        if not any(type(v) is type(plain) and v == plain for v in values):
            values.append(plain)
    for values in element.attributes.values():
        values.sort(key=lambda v: (type(v).__name__, str(v)))


def _relation(found: Prov, model: Any, record: Any) -> Relation:
    ends: dict[str, str] = {}
    time = None
    for key, value in record.formal_attributes:
        if isinstance(value, datetime):
            time = micros(value)
        elif value is not None:
            ends[key.localpart] = value.uri
            found.texts.setdefault(value.uri, str(value))
    attributes: dict[str, list[Any]] = {}
    for key, value in record.extra_attributes:
        attributes.setdefault(key.uri, []).append(_plain(model, value))
    identifier = None if record.identifier is None else record.identifier.uri
    return Relation(model.PROV_N_MAP[record.get_type()], identifier, ends, time, attributes)


def _plain(model: Any, value: Any) -> Any:
    if isinstance(value, model.QualifiedName):
        return Name(value.uri, str(value))
    if isinstance(value, model.Identifier):
        return Name(value.uri, value.uri)
    if isinstance(value, model.Literal):
        return str(value.value)
    return value if isinstance(value, str | int | float | bool | datetime) else str(value)


class _Check:
    """Holds a JSON value against the form of PROV-JSON, and takes out what is not of PROV."""

    def __init__(
        self, file: Path, notes: list[str], read_time: Callable[[str], datetime | None]
    ) -> None:
        self._file = file
        self._notes = notes
        self._read_time = read_time

    def document(self, value: Any, place: str = "$", *, inner: bool = False) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, "a PROV-JSON document is an object")
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
        return found

    def _prefixes(self, place: str, content: Any) -> dict[str, str]:
        for prefix, uri in self._object(place, content).items():
            if not isinstance(uri, str):
                self._refuse(f"{place}[{prefix[:40]!r}]", "the URI of a prefix is text")
        return dict(content)

    def _section(self, place: str, content: Any) -> dict[str, Any]:
        for name, statements in self._object(place, content).items():
            here = f"{place}[{name[:40]!r}]"
            if not name:
                self._refuse(place, "an identifier is not empty")
            for statement in statements if isinstance(statements, list) else [statements]:
                for key, value in self._object(here, statement).items():
                    self._attribute(f"{here}[{key[:40]!r}]", value)
                    if key in TIMES:
                        self._time(f"{here}[{key!r}]", value)
        return dict(content)

    def _attribute(self, place: str, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                if not isinstance(item.get("$"), str | int | float | bool) or not all(
                    isinstance(item.get(key, ""), str) for key in ("type", "lang")
                ):
                    self._refuse(place, 'a typed value is {"$": value, "type": text}')
            elif not isinstance(item, str | int | float | bool):
                self._refuse(place, "a value is text, a number, a boolean, or a typed value")

    def _time(self, place: str, value: Any) -> None:
        """A time that cannot be read would else be left out without a word."""
        for item in value if isinstance(value, list) else [value]:
            text = item.get("$") if isinstance(item, dict) else item
            moment = self._read_time(text) if isinstance(text, str) else None
            if moment is None:
                self._refuse(place, "a time is written 2026-11-01T12:00:00Z")
            try:
                micros(moment)
            except InvalidInput as error:
                self._refuse(place, error.message.rstrip("."))

    def _object(self, place: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._refuse(place, "an object is needed here")
        found: Mapping[str, Any] = value
        return found

    def _refuse(self, place: str, why: str) -> NoReturn:
        raise InvalidInput(f"{why}.", path=f"{self._file}: {place}")
