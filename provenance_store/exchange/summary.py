"""What a lineage comes to in a few lines: for catalogs, which show no graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from provenance_store.exchange.extract import Extract
from provenance_store.kinds import Role

__all__ = ["LISTED", "direct_sources", "lineage_summary", "user_names"]

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
