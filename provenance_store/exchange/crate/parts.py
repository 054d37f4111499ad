"""What is in every crate: files that are elsewhere or in it, people, the licence."""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote, urlsplit

from provenance_store.enums import Role
from provenance_store.exchange.catalog import invalid_since, user_names
from provenance_store.exchange.crate.reading import listed
from provenance_store.exchange.extract import Extract
from provenance_store.exchange.prov.export import to_prov_json
from provenance_store.exchange.prov.names import encoded

__all__ = ["CrateParts", "iso_time"]

TERMS: Final = "https://w3id.org/ro/terms/workflow-run/context"
STATES: Final = {
    name: f"http://purl.org/dc/terms/{name}" for name in ("isReplacedBy", "isVersionOf", "replaces")
}
"""How the states of one file hang together: terms of Dublin Core, which no context has."""
DIGESTS: Final = ("md5", "sha1", "sha256", "sha512")
"""The digests that the terms of workflow runs have a property for."""
SEVERAL: Final = ("additionalType", "author", "identifier", "keywords")
"""Of what several records say of one file, each value is kept; else the first one."""


class CrateParts:
    """A crate under way; `_things` are the ids in it of the nodes of the history."""

    def __init__(self, library: Any, extract: Extract, license: str) -> None:
        self._library = library
        self._extract = extract
        self._crate = library.ROCrate(version="1.1")
        self._crate.metadata.extra_contexts.append(TERMS)
        self._crate.metadata.extra_terms.update(STATES)
        self._crate.license = self._license(license)
        self._things: dict[str, str] = {}
        self._names = user_names(extract)
        self._states = _states(extract)

    def _add(self, id_: str, types: str | list[str], **properties: Any) -> str:
        """A contextual entity; properties without a value are left out."""
        about = {key: value for key, value in properties.items() if value not in (None, [])}
        entity = self._library.ContextEntity(self._crate, id_, {"@type": types, **about})
        self._crate.add(entity)
        return id_

    def _file(self, path: str, types: list[str], content: bytes, **properties: Any) -> str:
        """A file that is in the crate."""
        about = {key: value for key, value in properties.items() if value not in (None, [])}
        about |= {"@type": types, "contentSize": str(len(content))}
        source = BytesIO(content)
        self._crate.add(
            self._library.File(self._crate, source=source, dest_path=path, properties=about)
        )
        return path

    def _license(self, text: str) -> Any:
        if text.startswith(("https://", "http://")):
            return {"@id": self._add(text, "CreativeWork", name=text, description="The licence.")}
        return {"@id": self._add("#licence", "CreativeWork", name="Licence", description=text)}

    def _person(self, principal: str | None) -> dict[str, str] | None:
        if principal is None:
            return None
        id_ = principal if ":" in principal else f"#{encoded(principal)}"
        if id_ not in self._crate:
            self._add(id_, "Person", name=self._names.get(principal, principal))
        return {"@id": id_}

    def _entities(self) -> None:
        """What every node but the steps is in the crate."""
        members: dict[str, list[str]] = {}
        for link in self._extract.links_of(Role.HAS_MEMBER):
            members.setdefault(link.source, []).append(link.target)
        for node, record in self._extract.records.items():
            if record["kind"] != "step":
                self._things[node] = self._thing(node, record)
        for node, stub in self._extract.stubs.items():
            what = "Left out of this crate."
            self._things[node] = self._add(
                f"#{node}", "CreativeWork", name=stub["name"], description=what
            )
        for node in self._extract.hidden:
            self._things[node] = self._add(
                f"#{node}", "CreativeWork", name="Not shown", description="Not yours to see."
            )
        for node, other, *_ in self._extract.same:
            here, there = self._things.get(node), self._things.get(other)
            if here and there and here != there:
                entity = self._crate.get(here)
                same = listed(entity.properties().get("sameAs"))
                if {"@id": there} not in same:
                    entity["sameAs"] = [*same, {"@id": there}]
        for node, parts in members.items():
            collection = self._crate.get(f"#{node}")
            if collection is not None:
                found = [{"@id": self._things[part]} for part in parts if part in self._things]
                parts_ = [*listed(collection.properties().get("hasPart")), *found]
                collection["hasPart"] = parts_

    def _thing(self, node: str, record: Mapping[str, Any]) -> str:
        """A file for a record with one URI, a collection of several files, else what it is."""
        about = self._about(node, record)
        files = [self._remote(uri, node, record["name"]) for uri in record["uris"]]
        if len(files) == 1 and record["kind"] != "dataset":
            said = self._crate.get(files[0]).properties()
            if "identifier" not in said:  # so far it was one of the files of some record
                said["name"] = about["name"]
            for key, value in about.items():
                if key in SEVERAL:
                    values = [*listed(said.get(key)), *listed(value)]
                    said[key] = [v for i, v in enumerate(values) if v not in values[:i]]
                else:
                    said.setdefault(key, value)
            return files[0]
        types = "Collection" if files or record["kind"] == "dataset" else "CreativeWork"
        return self._add(f"#{node}", types, **about, hasPart=[{"@id": i} for i in files])

    def _about(self, node: str, record: Mapping[str, Any]) -> dict[str, Any]:
        about = {
            "name": record["name"],
            "identifier": node,
            "additionalType": record["kind"],
            "dateCreated": iso_time(record["created_at"]),
            "author": self._person(record["owner"]),
        }
        if record["kind"] == "model" and "version" in record:
            about["version"] = str(record["version"])
        if record["tags"]:
            about["keywords"] = [f"{k}={v}" for k, v in sorted(record["tags"].items())]
        if "invalidated" in record:
            said = invalid_since(record["invalidated"])
            about["creativeWorkStatus"] = said[:1].upper() + said[1:]
        return {key: value for key, value in about.items() if value is not None}

    def _remote(self, uri: Mapping[str, Any], node: str, name: str) -> str:
        """One state of a file that is elsewhere, as a web-based data entity.

        The last state of a URI has the URI as its id, each before it the name of its record and
        the URI as its ``contentUrl``.
        """
        place = _address(uri["uri"])
        ids = self._states[place]
        state = _state(uri, node)
        if ids[state] not in self._crate:
            media_type = uri["media_type"] or mimetypes.guess_type(urlsplit(place).path)[0]
            about = {"@type": "File", "name": name, "encodingFormat": media_type}
            if uri["size"] is not None:
                about["contentSize"] = str(uri["size"])
            algorithm, _, digest = (uri["digest"] or "").partition(":")
            about |= {algorithm: digest} if algorithm in DIGESTS else {}
            about |= _among(place, ids, state)
            about = {key: value for key, value in about.items() if value is not None}
            self._crate.add(self._library.DataEntity(self._crate, ids[state], about))
        return ids[state]

    def _history(self, about: str) -> None:
        self._file(
            "provenance.prov.json",
            ["File"],
            to_prov_json(self._extract).encode(),
            name="The same history as W3C PROV",
            description="PROV-JSON; braid import reads it.",
            encodingFormat="application/json",
            about={"@id": about},
        )


def _states(extract: Extract) -> dict[str, dict[str, str]]:
    """The ids of the states that each file is recorded in, by address, the last one last."""
    named = [
        (record["created_at"], node, uri)
        for node, record in extract.records.items()
        if record["kind"] != "step"
        for uri in record["uris"]
    ]
    found: dict[str, dict[str, str]] = {}
    for _, node, uri in sorted(named, key=lambda n: n[:2]):
        states = found.setdefault(_address(uri["uri"]), {})
        state = _state(uri, node)
        states[state] = states.pop(state, node)
    numbers: Counter[str] = Counter()
    for place, states in found.items():
        for state in [*states][:-1]:
            node = states[state]
            numbers[node] += 1
            states[state] = node if numbers[node] == 1 else f"{node}#{numbers[node]}"
        states[[*states][-1]] = place
    return found


def _state(uri: Mapping[str, Any], node: str) -> str:
    """What tells the states of a file apart: their digest. Without one each record has its own."""
    return str(uri["digest"] or node)


def _among(place: str, ids: Mapping[str, str], state: str) -> dict[str, Any]:
    """What a state of a file is among the others at its address; nothing where it is alone."""
    states = [*ids]
    number = states.index(state)
    about: dict[str, Any] = {}
    if number + 1 < len(states):
        about = {"contentUrl": place, "isVersionOf": {"@id": place}}
        about["isReplacedBy"] = {"@id": ids[states[number + 1]]}
    if number:
        about["replaces"] = {"@id": ids[states[number - 1]]}
    return about


def _address(uri: str) -> str:
    """A URI as the id of an entity."""
    text = quote(uri, safe="!#$%&'()*+,/:;=?@[]~")
    return text if ":" in text else f"file:///{text.lstrip('/')}"


def iso_time(text: str | None) -> str | None:
    """ISO 8601 to the millisecond, as the profiles want it; the PROV document has all of it."""
    return None if text is None else f"{text[:23]}{text[26:]}"
