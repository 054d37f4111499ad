"""Our own check of what the profiles of a Provenance Run Crate say a crate MUST have.

The sentences are those of RO-Crate 1.1 and of the Process, Workflow and Provenance Run Crate
profiles 0.5, in our words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["broken_rules", "graph"]

BASE = "https://w3id.org/ro/wfrun"
TOOLS = {"SoftwareApplication", "SoftwareSourceCode", "ComputationalWorkflow"}


def graph(folder: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by id."""
    document = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    return {entity["@id"]: entity for entity in document["@graph"]}


def broken_rules(folder: Path, *, run: bool = True) -> list[str]:
    """What a crate must have and has not, a sentence each; `run` for a Provenance Run Crate."""
    document = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    entities = graph(folder)
    rules = [*_of_a_crate(document, entities, folder), *_of_processes(entities)]
    return [*rules, *_of_workflows(entities)] if run else rules


def _of_a_crate(
    document: dict[str, Any], entities: dict[str, dict[str, Any]], folder: Path
) -> Iterator[str]:
    if "https://w3id.org/ro/crate/1.1/context" not in _listed(document["@context"]):
        yield "the context of RO-Crate 1.1 is missing"
    if len(entities) < len(document["@graph"]):
        yield "an id is given twice"
    metadata, root = entities.get("ro-crate-metadata.json", {}), entities.get("./", {})
    if _ids(metadata, "about") != ["./"] or metadata.get("@type") != "CreativeWork":
        yield "the metadata file does not describe the root"
    if "https://w3id.org/ro/crate/1.1" not in _ids(metadata, "conformsTo"):
        yield "the metadata file does not conform to RO-Crate 1.1"
    for name in ("name", "description", "datePublished", "license"):
        if not root.get(name):
            yield f"the root has no {name}"
    for id_, entity in entities.items():
        if not entity.get("@type"):
            yield f"{id_} has no type"
        for key, value in entity.items():
            for item in _listed(value):
                if isinstance(item, dict) and set(item) != {"@id"}:
                    yield f"{id_}.{key} is nested"
                elif isinstance(item, dict) and not _is_there(item["@id"], entities):
                    yield f"{id_}.{key} names {item['@id']}, which is not described"
        if "File" in _types(entity) and id_ not in _ids(root, "hasPart"):
            yield f"{id_} is a file that is not part of the root"
        if "File" in _types(entity) and ":" not in id_ and not (folder / id_).is_file():
            yield f"{id_} is not in the crate"


def _of_processes(entities: dict[str, dict[str, Any]]) -> Iterator[str]:
    profiles = _ids(entities["./"], "conformsTo")
    if f"{BASE}/process/0.5" not in profiles:
        yield "the root does not conform to Process Run Crate"
    for profile in profiles:
        if "CreativeWork" not in _types(entities.get(profile, {})):
            yield f"{profile} is not described as a CreativeWork"
    for id_, action in _of_type(entities, "CreateAction"):
        tools = _ids(action, "instrument")
        if len(tools) != 1 or not TOOLS & set(_types(entities.get(tools[0], {}))):
            yield f"{id_} has no tool as its instrument"
        if id_ not in _ids(entities["./"], "mentions"):
            yield f"{id_} is not mentioned by the root"


def _of_workflows(entities: dict[str, dict[str, Any]]) -> Iterator[str]:
    root = entities["./"]
    for profile in ("workflow", "provenance"):
        if f"{BASE}/{profile}/0.5" not in _ids(root, "conformsTo"):
            yield f"the root does not conform to {profile} run crate"
    main = entities.get("".join(_ids(root, "mainEntity")), {})
    types = _types(main)
    if not {"File", "SoftwareSourceCode", "ComputationalWorkflow"} <= set(types):
        yield "the main entity is no workflow"
    if main.get("step") and "HowTo" not in types:
        yield "a workflow with steps is a HowTo"
    actions = dict(_of_type(entities, "CreateAction"))
    runs = [id_ for id_, a in actions.items() if _ids(a, "instrument") == [main.get("@id")]]
    if len(runs) != 1:
        yield f"{len(runs)} actions carry out the workflow"
    tools = {t for id_, a in actions.items() if id_ not in runs for t in _ids(a, "instrument")}
    if tools - set(_ids(main, "hasPart")):
        yield "a tool is not part of the workflow"
    for id_, step in _of_type(entities, "HowToStep"):
        if not set(_ids(step, "workExample")) <= tools or not step.get("workExample"):
            yield f"{id_} names no tool"
        if id_ not in _ids(main, "step"):
            yield f"{id_} is no step of the workflow"
    controls = dict(_of_type(entities, "ControlAction"))
    for id_, control in controls.items():
        if [*_typed(entities, control, "instrument")] != ["HowToStep"]:
            yield f"{id_} has no step as its instrument"
        if set(_typed(entities, control, "object")) != {"CreateAction"}:
            yield f"{id_} has no action as its object"
    for id_, organize in _of_type(entities, "OrganizeAction"):
        if not _ids(organize, "instrument") or _ids(organize, "result") != runs:
            yield f"{id_} does not lead to the run"
        if set(_ids(organize, "object")) != set(controls):
            yield f"{id_} does not list the steps"
    for id_, parameter in _of_type(entities, "FormalParameter"):
        if not parameter.get("additionalType") or not parameter.get("name"):
            yield f"{id_} has no type or no name"


def _of_type(
    entities: dict[str, dict[str, Any]], name: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((id_, e) for id_, e in entities.items() if name in _types(e))


def _typed(entities: dict[str, dict[str, Any]], entity: dict[str, Any], key: str) -> Iterator[str]:
    return (t for id_ in _ids(entity, key) for t in _types(entities.get(id_, {})))


def _is_there(id_: str, entities: dict[str, dict[str, Any]]) -> bool:
    return id_ in entities or id_.startswith("https://w3id.org/")


def _types(entity: dict[str, Any]) -> list[str]:
    return [str(item) for item in _listed(entity.get("@type", []))]


def _ids(entity: dict[str, Any], key: str) -> list[str]:
    return [item["@id"] for item in _listed(entity.get(key, [])) if isinstance(item, dict)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
