"""DataCite: the document to make a DOI for a record or a run, and its lineage in a few lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from provenance_store.enums import Role
from provenance_store.exchange.extract import Extract
from provenance_store.exchange.prov.names import NAMESPACES, encoded

__all__ = [
    "LISTED",
    "RELATIONS",
    "direct_sources",
    "invalid_since",
    "lineage_summary",
    "to_datacite",
    "user_names",
]

LISTED = 100
"""How many facts, models, runs or sources a summary lists at most; counts are whole."""


def lineage_summary(extract: Extract) -> dict[str, Any]:
    """How many records of each kind there are, and which facts, models, runs and raw data.

    ``sources`` are data that come from nothing that is recorded. Of each list the first 100 by
    name; ``counts`` tells of all.
    """
    roots = set(extract.roots)
    dependent = {link.source for link in extract.links}
    facts, models, sources = [], [], []
    kinds: Counter[str] = Counter()
    for node, record in extract.records.items():
        if node in roots:
            continue
        kinds[record["kind"]] += 1
        if record["kind"] == "fact":
            facts.append(_mention(node, record))
        elif record["kind"] == "model":
            models.append(_mention(node, record))
        elif record["kind"] == "data" and node not in dependent:
            sources.append(_mention(node, record))
    runs = [
        {key: run[key] for key in ("run_id", "flow_id", "flow_title", "label", "status")}
        for run in extract.runs.values()
    ]
    found = {"facts": facts, "models": models, "sources": sources, "runs": runs}
    invalid = sum("invalidated" in record for record in extract.records.values())
    return {
        "counts": dict(sorted(kinds.items()))
        | {name: len(items) for name, items in found.items()}
        | {"links": len(extract.links), "invalidated": invalid}
        | {"hidden": len(extract.hidden), "left_out": len(extract.stubs)},
        "truncated": extract.truncated,
    } | {name: sorted(items, key=str)[:LISTED] for name, items in found.items()}


def invalid_since(said: Mapping[str, Any]) -> str:
    """Since when and why a record is invalid, and by its permanent name what that began with, as
    far as the reader may know it."""
    since = f" since {said['at'][:19].replace('T', ' ')} UTC" if said["at"] else ""
    root = f" (it began with {said['root']})" if said["root"].startswith("urn:") else ""
    return f"invalid{since}: {said['cause']}{root}"


def direct_sources(extract: Extract, root: str) -> list[tuple[str, Role]]:
    """What a record came from directly, steps looked through: (node, how), each once."""
    up: dict[str, list[tuple[str, Role]]] = {}
    for link in extract.links:
        up.setdefault(link.source, []).append((link.target, link.role))
    found: dict[str, Role] = {}
    for target, role in up.get(root, ()):
        if role is not Role.GENERATED_BY:
            found.setdefault(target, role)
            continue
        for used, how in up.get(target, ()):
            if how in (Role.USED, Role.DEPLOYED) and used != root:
                found.setdefault(used, how)
    return list(found.items())


def user_names(extract: Extract) -> dict[str, str]:
    """What owners of records are called, where their steps tell one user name each."""
    said: dict[str, set[str]] = {}
    for record in extract.records.values():
        name = record["tags"].get("username")
        if record["owner"] and isinstance(name, str):
            said.setdefault(record["owner"], set()).add(name)
    return {owner: min(names) for owner, names in said.items() if len(names) == 1}


def _mention(node: str, record: Mapping[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "id": node,
        "name": record["name"],
        "uris": [u["uri"] for u in record["uris"]][:5],
    }
    if "version" in record:
        about["version"] = record["version"]
    return about


UNKNOWN: Final = ":unav"
"""DataCite's word for what is not available."""
_DATE: Final = re.compile("[0-9]{4}-")
GENERAL: Final = {
    "data": "Dataset",
    "dataset": "Collection",
    "model": "Model",
    "fact": "Other",
    "step": "Event",
    "run": "Workflow",
}
"""The ``resourceTypeGeneral`` of a kind."""
NOUNS: Final = (
    ("step", "step", "steps"),
    ("data", "piece of data", "pieces of data"),
    ("dataset", "dataset", "datasets"),
    ("model", "model version", "model versions"),
    ("fact", "fact", "facts"),
)
RELATIONS: Final = {
    Role.USED: "IsDerivedFrom",
    Role.DEPLOYED: "IsDerivedFrom",
    Role.DERIVED_FROM: "IsDerivedFrom",
    Role.TRAINED_ON: "IsDerivedFrom",
    Role.REVISION_OF: "IsNewVersionOf",
    Role.HAS_MEMBER: "HasPart",
    Role.INFORMED_BY: "References",
    Role.GENERATED_BY: "IsDerivedFrom",
    Role.CHOSEN: "IsDerivedFrom",
    Role.CONSIDERED: "References",
}
"""The ``relationType`` to what a record came from directly, by how."""


def to_datacite(
    extract: Extract,
    *,
    run_id: str | None = None,
    publisher: str | None = None,
    doi: str | None = None,
    url: str | None = None,
    license: str | None = None,
) -> str:
    """The document for the one root of an extract, or for a run, as JSON text."""
    if run_id is not None:
        about = _of_run(extract, run_id)
    else:
        about = _of_record(extract, extract.roots[0])
    attributes = about | {
        "publisher": {"name": publisher or UNKNOWN},
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    attributes["descriptions"].append(_methods(extract))
    if license:
        key = "rightsUri" if license.startswith(("https://", "http://")) else "rights"
        attributes["rightsList"] = [{key: license}]
    attributes |= {name: value for name, value in (("doi", doi), ("url", url)) if value}
    document = {"data": {"type": "dois", "attributes": attributes}}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _of_record(extract: Extract, root: str) -> dict[str, Any]:
    record = extract.records[root]
    created = record["created_at"]
    name = record["name"]
    description = f"{name}, {record['kind']}, recorded in Braid as {root}."
    if "invalidated" in record:
        description += f" It was declared {invalid_since(record['invalidated'])}"
    names = user_names(extract)
    attributes = _common(names, root, name, record["kind"], created, record["owner"], description)
    related = [
        _related(extract, node, RELATIONS[role]) for node, role in direct_sources(extract, root)
    ]
    same = [_related(extract, s.other, "IsIdenticalTo") for s in extract.same if s.record == root]
    attributes["relatedIdentifiers"] = [r for r in (*same, *related) if r is not None][:LISTED]
    attributes["subjects"] = [
        {"subject": f"{key}: {value}"} for key, value in sorted(record["tags"].items())
    ]
    attributes["sizes"] = [f"{u['size']} bytes" for u in record["uris"] if u["size"] is not None]
    media = (u["media_type"] for u in record["uris"])
    attributes["formats"] = sorted({text for text in media if text})
    attributes["contentUrl"] = [u["uri"] for u in record["uris"]]
    if "version" in record:
        attributes["version"] = str(record["version"])
    return attributes


def _of_run(extract: Extract, run_id: str) -> dict[str, Any]:
    run = extract.runs[run_id]
    name = run["label"] or run["flow_title"] or f"Run {run_id}"
    description = f"Run {run_id} of the flow {run['flow_title'] or run['flow_id'] or 'unnamed'}."
    subject = f"{NAMESPACES['run']}{encoded(run_id)}"
    who = run["run_owner"] or run["recorded_by"]
    names = user_names(extract)
    attributes = _common(names, subject, name, "run", run["start_time"], who, description)
    if run["completion_time"]:
        span = f"{run['start_time']}/{run['completion_time']}"
        attributes["dates"].append({"date": span, "dateType": "Collected"})
    used = {link.target for link in extract.links_of(Role.USED, Role.DEPLOYED)}
    made = {link.source for link in extract.links_of(Role.GENERATED_BY)}
    related = [_related(extract, node, "IsDerivedFrom") for node in sorted(used - made)]
    related += [_related(extract, node, "IsSourceOf") for node in sorted(made)]
    attributes["relatedIdentifiers"] = [r for r in related if r is not None][:LISTED]
    attributes["subjects"] = [{"subject": tag} for tag in run["tags"]]
    return attributes


def _common(
    names: Mapping[str, str],
    subject: str,
    name: str,
    kind: str,
    created: str,
    owner: str | None,
    description: str,
) -> dict[str, Any]:
    return {
        "identifiers": [{"identifier": subject, "identifierType": "URN"}],
        "creators": [_creator(owner, names)],
        "titles": [{"title": name}],
        "publicationYear": int(created[:4]) if _DATE.match(created) else datetime.now(UTC).year,
        "types": {
            "resourceTypeGeneral": GENERAL.get(kind, "Other"),
            "resourceType": kind.capitalize(),
        },
        "dates": [{"date": created, "dateType": "Created"}],
        "descriptions": [{"description": description, "descriptionType": "Abstract"}],
    }


def _creator(owner: str | None, names: Mapping[str, str]) -> dict[str, Any]:
    if not owner:
        return {"name": UNKNOWN}
    uuid = owner.removeprefix(NAMESPACES["identity"])
    if uuid == owner:
        return {"name": owner}
    identifier = {"nameIdentifier": owner, "nameIdentifierScheme": "Globus Auth"}
    identifier["schemeUri"] = "https://auth.globus.org"
    name = names.get(owner, owner)
    return {"name": name, "nameType": "Personal", "nameIdentifiers": [identifier]}


def _related(extract: Extract, node: str, relation: str) -> dict[str, Any] | None:
    if node in extract.hidden:
        return None
    found: Mapping[str, Any] = extract.records.get(node) or extract.stubs[node]
    return {
        "relatedIdentifier": node,
        "relatedIdentifierType": "URN",
        "relationType": relation,
        "resourceTypeGeneral": GENERAL.get(found["kind"], "Other"),
    }


def _named(item: Mapping[str, Any]) -> str:
    version = f" version {item['version']}" if "version" in item else ""
    return f"{item['name']}{version} ({item['id']})"


def _methods(extract: Extract) -> dict[str, str]:
    """How it came about, in a few sentences."""
    summary = lineage_summary(extract)
    counts = summary["counts"]
    parts = [
        f"{counts[kind]} {one if counts[kind] == 1 else many}"
        for kind, one, many in NOUNS
        if counts.get(kind)
    ]
    text = f"Its recorded history has {', '.join(parts) or 'nothing else'}."
    for name, title in (("models", "Models"), ("facts", "Facts"), ("sources", "Source data")):
        listed = [_named(item) for item in summary[name]]
        if listed:
            more = counts[name] - len(listed)
            text += f" {title}: {'; '.join(listed)}{f'; and {more} more' if more else ''}."
    return {"description": text, "descriptionType": "Methods"}
