"""DataCite: the landing page is used, the DOI is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flows.steps.adapters.base import Action, Derived, NotMine, Thing, items, mapping, tags, text
from flows.steps.uris import is_uri, name_of_uri, tidy_uri
from provenance_store.values import TagValue, Uri

__all__ = ["DataciteAdapter"]


class DataciteAdapter:
    """Knows the hosted minting provider, whose body holds ``Doi`` as DataCite's JSON API does."""

    def knows(self, operation: str) -> bool:
        return operation == "/datacite/mint" or operation.startswith("/datacite/mint/")

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return bool(_attributes(mapping(parameters.get("Doi"))))

    def derive(self, action: Action) -> Derived:
        asked = _attributes(mapping(mapping(action.parameters).get("Doi")))
        given = _attributes(action.details) or _attributes(mapping(action.details.get("data")))
        if not asked:
            raise NotMine
        url = text(asked, "url")
        inputs = (_page(url),) if url and is_uri(url) else ()
        doi = text(given, "doi") or text(asked, "doi")
        if doi is None or not action.succeeded:
            return Derived(inputs)
        return Derived(inputs, (_doi(doi, asked, tuple(range(len(inputs)))),))


def _attributes(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of a DOI document, its own id standing in for a ``doi`` that they lack."""
    attributes = mapping(document.get("attributes"))
    own = text(document, "id")
    return {"doi": own, **attributes} if attributes and own else attributes


def _page(url: str) -> Thing:
    uri = tidy_uri(url)
    return Thing(name_of_uri(uri), uris=(Uri(uri),))


def _doi(doi: str, attributes: Mapping[str, Any], derived_from: tuple[int, ...]) -> Thing:
    titles = (text(item, "title") for item in items(attributes.get("titles")))
    title = next((title for title in titles if title), f"DOI {doi}")
    found: dict[str, TagValue] = {"doi": doi, **tags(attributes, "publisher", "publicationYear")}
    uri = Uri(f"https://doi.org/{quote(doi.lower(), safe='/()<>;:.-_')}")
    return Thing(title, uris=(uri,), tags=found, derived_from=derived_from)
