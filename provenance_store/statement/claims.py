"""What follows from the evidence: the claim, the chain of steps, models, facts, where it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from provenance_store.kinds import Kind
from provenance_store.statement.gaps import not_supported
from provenance_store.statement.graph import SAME, Graph, Leaf

__all__ = ["derive"]


def derive(found: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a statement says beyond its evidence; from the evidence alone."""
    graph = Graph(found)
    return {
        "claim": _claim(graph),
        "counts": _counts(graph),
        "chain": [_step(graph, step) for step in graph.of_kind("step")],
        "models": [_model(graph, model) for model in graph.of_kind("model")],
        "facts": [fact["id"] for fact in graph.of_kind("fact")],
        "begins_with": [record["id"] for record in beginnings(graph)],
        "not_supported": not_supported(graph),
    }


def beginnings(graph: Graph) -> list[Leaf]:
    """Data, datasets and models of which nothing says what they came from."""
    kinds = ("data", "dataset", "model")
    return [record for kind in kinds for record in graph.of_kind(kind) if graph.begins(record)]


def _claim(graph: Graph) -> dict[str, Any]:
    root = graph.root
    claim = {name: root[name] for name in ("id", "kind", "name", "created_at")}
    if "model" in root:
        claim["version"] = root["model"]["version"]
    same = graph.ends(root, SAME)
    return claim | {
        "made_by": graph.ends(root, "generated_by"),
        "derived_from": graph.ends(root, "derived_from", "revision_of", "trained_on"),
        **({"same_as": same} if same else {}),
    }


def _counts(graph: Graph) -> dict[str, Any]:
    kinds = Counter(record["kind"] for record in graph.records.values())
    uris = [uri for record in graph.records.values() for uri in record["uris"]]
    return {
        "records": {kind.label: kinds[kind.label] for kind in Kind},
        "runs": len({r["run_id"] for r in graph.records.values() if r["run_id"]}),
        "uris": len(uris),
        "uris_with_digest": sum(bool(uri["digest"] or uri["checks"]) for uri in uris),
    }


def _step(graph: Graph, step: Leaf) -> dict[str, Any]:
    return {
        "step": step["id"],
        "used": graph.ends(step, "used", "deployed"),
        "after": graph.ends(step, "informed_by"),
        "made": [record["id"] for record in graph.ordered(graph.made_by(step))],
    }


def _model(graph: Graph, model: Leaf) -> dict[str, Any]:
    return {
        "model": model["id"],
        "made_by": graph.ends(model, "generated_by"),
        "revision_of": graph.ends(model, "revision_of"),
        "trained_on": graph.ends(model, "trained_on"),
        "derived_from": graph.ends(model, "derived_from"),
        "used_by": graph.used_by(model),
    }
