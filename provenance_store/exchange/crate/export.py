"""RO-Crate: a run as a Provenance Run Crate, any other part of the history as a Process Run Crate.

The profiles are those of the Workflow Run RO-Crate collection, version 0.5, on RO-Crate 1.1. What
the files at the recorded URIs hold is not copied: they are web-based data entities with their size
and SHA-256. The whole history is in the crate too, as PROV-JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from provenance_store.enums import Role
from provenance_store.errors import InvalidInput
from provenance_store.exchange.crate.parts import CrateParts, iso_time
from provenance_store.exchange.extract import Extract
from provenance_store.exchange.libraries import rocrate_library
from provenance_store.exchange.prov.names import encoded

__all__ = ["PROFILES", "write_crate"]

PROFILES: Final = {
    "process": ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    "workflow": ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    "provenance": ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    "workflow-ro-crate": (
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
        "Workflow RO-Crate",
        "1.0",
    ),
}
"""The profiles that a crate says it conforms to: URI, name, version."""
LANGUAGE: Final = "https://docs.globus.org/api/flows/authoring-flows/"
ENGINE: Final = "https://www.globus.org/globus-flows-service"
STATES: Final = frozenset({"Action", "Choice", "ExpressionEval", "Fail", "Pass", "Wait"})
"""Types of steps that Globus Flows carries out itself, or that its documentation tells of."""
UNLICENSED: Final = "Not stated: ask whoever recorded the run before you use this further."

STATUS: Final = {
    "SUCCEEDED": "http://schema.org/CompletedActionStatus",
    "ENDED": "http://schema.org/CompletedActionStatus",
    "FAILED": "http://schema.org/FailedActionStatus",
}
"""The ``actionStatus`` of a step or run; of all others it is ActiveActionStatus."""
ACTIVE: Final = "http://schema.org/ActiveActionStatus"

TYPES: Final = ((bool, "Boolean"), (int, "Integer"), (float, "Float"), (str, "Text"))
"""The type of a parameter by that of its value; what has parts is a PropertyValue."""


def write_crate(
    extract: Extract,
    output: Path,
    *,
    run_id: str | None,
    published: str,
    definition: Any = None,
    license: str | None = None,
) -> None:
    """Write the crate of a run, or with `run_id` None of a part of the history.

    `output` is a new folder, or a file that ends in ``.zip``. `published` is a date or time as
    RFC 3339. `definition` is the flow definition as JSON; without it the crate describes the flow
    as its steps were recorded. Raises InvalidInput when the output is there already.
    """
    if output.suffix != ".zip" and output.exists() and (output.is_file() or any(output.iterdir())):
        raise InvalidInput(f"{output} is there already; a crate is written into a new folder.")
    library = rocrate_library()
    crate = _Crate(library, extract, license or UNLICENSED)
    made = crate.of_run(run_id, definition) if run_id is not None else crate.of_history()
    made.root_dataset["datePublished"] = published
    if output.suffix != ".zip":
        made.write(output)
        return
    beside = output.with_name(f".{output.name}.part")
    try:
        made.write_zip(beside)
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


class _Crate(CrateParts):
    """Makes one crate."""

    def __init__(self, library: Any, extract: Extract, license: str) -> None:
        super().__init__(library, extract, license)
        steps = [(n, r) for n, r in extract.records.items() if r["kind"] == "step"]
        self._steps = dict(sorted(steps, key=lambda step: _begun(step[1])))

    # ---- the two kinds of crates ---------------------------------------------------------

    def of_run(self, run_id: str, definition: Any) -> Any:
        """A Provenance Run Crate."""
        run = self._extract.runs[run_id]
        self._steps = {n: s for n, s in self._steps.items() if s["run_id"] == run_id}
        self._describe(
            run["label"] or run["flow_title"] or f"Run {run_id}",
            f"Run {run_id} of the flow {run['flow_title'] or run['flow_id'] or 'without a name'}, "
            "as it was recorded in Braid.",
            ("process", "workflow", "provenance", "workflow-ro-crate"),
        )
        self._crate.metadata["conformsTo"] = [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": PROFILES["workflow-ro-crate"][0]},
        ]
        self._entities()
        actions = self._actions()
        workflow = self._workflow(run, definition)
        action = self._run(run, workflow)
        self._history(action)
        self._mention([action, *actions.values()])
        return self._crate

    def of_history(self) -> Any:
        """A Process Run Crate."""
        names = [self._extract.records[root]["name"] for root in self._extract.roots[:3]]
        about = ", ".join(names) or "a store"
        self._describe(
            f"How {about} came about", f"The history of {about}, recorded in Braid.", ("process",)
        )
        self._entities()
        actions = self._actions()
        self._history("./")
        roots = [self._things[root] for root in self._extract.roots]
        self._mention([*actions.values(), *roots])
        return self._crate

    def _mention(self, things: list[str]) -> None:
        """Mention these and all collections in the root, and write single values as such."""
        entities = self._crate.get_entities()
        collections = [e.id for e in entities if e.properties()["@type"] == "Collection"]
        found = dict.fromkeys([*things, *collections])
        self._crate.root_dataset["mentions"] = [{"@id": id_} for id_ in found]
        for entity in entities:
            about = entity.properties()
            for key, value in about.items():
                if isinstance(value, list) and len(value) == 1:
                    about[key] = value[0]

    def _describe(self, name: str, description: str, profiles: Iterable[str]) -> None:
        self._crate.name = name
        self._crate.description = description
        conforms = []
        for profile in profiles:
            uri, title, version = PROFILES[profile]
            conforms.append({"@id": uri})
            self._add(uri, ["CreativeWork", "Profile"], name=title, version=version)
        self._crate.root_dataset["conformsTo"] = conforms

    # ---- steps and tools -----------------------------------------------------------------

    def _actions(self) -> dict[str, str]:
        """A CreateAction for each step."""
        used, made = self._ends()
        for node, step in self._steps.items():
            tool = self._tool(step)
            parameters = self._parameters(node, step, tool)
            objects = self._named(used.get(node, ()))
            results = self._named(made.get(node, ()))
            self._things[node] = self._add(
                f"#{node}",
                "CreateAction",
                name=step["name"],
                identifier=node,
                description=_told(step),
                instrument={"@id": tool},
                agent=self._person(step["owner"]),
                object=objects + parameters,
                result=results,
                startTime=iso_time(step["start_time"]),
                endTime=iso_time(step["completion_time"]),
                **_ending(step["status"], step["payloads"].get("error")),
            )
        return {node: self._things[node] for node in self._steps}

    def _named(self, nodes: Iterable[str]) -> list[dict[str, str]]:
        """Nodes as the values of a property; records of one file with one digest are one thing."""
        found = dict.fromkeys(self._things[node] for node in nodes if node in self._things)
        return [{"@id": id_} for id_ in found]

    def _ends(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        used: dict[str, list[str]] = {}
        made: dict[str, list[str]] = {}
        for link in self._extract.links_of(Role.USED, Role.DEPLOYED):
            used.setdefault(link.source, []).append(link.target)
        for link in self._extract.links_of(Role.GENERATED_BY):
            made.setdefault(link.target, []).append(link.source)
        return used, made

    def _tool(self, step: Mapping[str, Any]) -> str:
        """What a step ran: the action provider, or the kind of step it was."""
        url = step["action_url"]
        id_ = url or f"#tool/{encoded(step['type'])}/{encoded(step['name'])}"
        if id_ not in self._crate:
            name = url or f"{step['name']} ({step['type']})"
            about = url or (LANGUAGE if step["type"] in STATES else None)
            self._add(id_, "SoftwareApplication", name=name, url=about)
        return id_

    def _parameters(self, node: str, step: Mapping[str, Any], tool: str) -> list[dict[str, str]]:
        """A value for each of the first level of a step's parameters, and what it is one of."""
        given = step["payloads"].get("parameters")
        found = []
        for name, value in given.items() if isinstance(given, dict) else ():
            formal = f"#parameter/{encoded(tool)}/{encoded(name)}"
            if formal not in self._crate:
                kind = next((t for py, t in TYPES if isinstance(value, py)), "PropertyValue")
                self._add(formal, "FormalParameter", name=name, additionalType=kind)
                self._crate.get(tool).append_to("input", {"@id": formal})
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            id_ = self._add(
                f"#value/{node}/{encoded(name)}",
                "PropertyValue",
                name=name,
                value=shown,
                exampleOfWork={"@id": formal},
            )
            found.append({"@id": id_})
        return found

    # ---- the flow and its run --------------------------------------------------------------

    def _workflow(self, run: Mapping[str, Any], definition: Any) -> str:
        """The flow, as its definition says or as its steps were recorded."""
        tools = list(dict.fromkeys(self._tool(step) for step in self._steps.values()))
        how = self._how_to()
        recorded = {"flow_id": run["flow_id"], "title": run["flow_title"]}
        recorded["steps"] = [{"name": n, "tool": t} for n, t in how]
        content = json.dumps(definition or recorded, indent=2, ensure_ascii=False).encode()
        self._add(LANGUAGE, "ComputerLanguage", name="Globus Flows", url={"@id": LANGUAGE})
        note = None if definition else "The steps as recorded; the definition was not given."
        id_ = self._file(
            "flow.json" if definition else "flow-as-recorded.json",
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            content,
            name=run["flow_title"] or "The flow",
            identifier=run["flow_id"],
            description=note,
            encodingFormat="application/json",
            version=self._definition_digest(),
            programmingLanguage={"@id": LANGUAGE},
            hasPart=[{"@id": tool} for tool in tools],
            step=[{"@id": step} for step in how.values()],
        )
        self._crate.mainEntity = self._crate.get(id_)
        return id_

    def _how_to(self) -> dict[tuple[str, str], str]:
        """The steps of the flow by name and tool, and what carried out each of them."""
        how: dict[tuple[str, str], str] = {}
        for step in self._steps.values():
            key = (step["name"], self._tool(step))
            if key not in how:
                how[key] = self._add(
                    f"#step/{len(how) + 1}",
                    "HowToStep",
                    name=step["name"],
                    position=str(len(how) + 1),
                    workExample={"@id": key[1]},
                )
        for node, step in self._steps.items():
            self._add(
                f"#control/{node}",
                "ControlAction",
                name=f"Orchestrate {step['name']}",
                instrument={"@id": how[step["name"], self._tool(step)]},
                object={"@id": self._things[node]},
                **_ending(step["status"], None),
            )
        return how

    def _definition_digest(self) -> str | None:
        """The digest of the definition, where all steps that tell of one tell of the same."""
        found = {step["definition_digest"] for step in self._steps.values()} - {None}
        return found.pop() if len(found) == 1 else None

    def _run(self, run: Mapping[str, Any], workflow: str) -> str:
        """The CreateAction of the run, and the OrganizeAction of the engine."""
        used, made = self._ends()
        outputs = {i for node in self._steps for i in made.get(node, ())}
        inputs = {i for node in self._steps for i in used.get(node, ())} - outputs
        who = self._person(run["run_owner"] or run["recorded_by"])
        about = {"agent": who, **_ending(run["status"], None)}
        about["startTime"], about["endTime"] = map(
            iso_time, (run["start_time"], run["completion_time"])
        )
        if who is not None:
            self._crate.root_dataset["author"] = who
        action = self._add(
            f"#run/{encoded(run['run_id'])}",
            "CreateAction",
            name=run["label"] or f"Run {run['run_id']}",
            identifier=run["run_id"],
            description=f"Run {run['run_id']} ended as {run['status'] or 'not known'}.",
            instrument={"@id": workflow},
            object=self._named(sorted(inputs)),
            result=self._named(sorted(outputs)),
            **about,
        )
        if run["flow_id"]:
            self._add(ENGINE, "SoftwareApplication", name="Globus Flows", url={"@id": ENGINE})
            self._add(
                f"#organize/{encoded(run['run_id'])}",
                "OrganizeAction",
                name=f"Globus Flows carried out run {run['run_id']}",
                instrument={"@id": ENGINE},
                object=[{"@id": f"#control/{node}"} for node in self._steps],
                result={"@id": action},
                **about,
            )
        return action


def _begun(step: Mapping[str, Any]) -> tuple[str, int, str]:
    """When a step began: those that use what others made come after these."""
    return step["start_time"] or step["created_at"], step["ordinal"] or 0, step["created_at"]


def _ending(status: str | None, error: Any) -> dict[str, Any]:
    """How an action ended, as schema.org says it."""
    found: dict[str, Any] = {"actionStatus": STATUS.get(status or "", ACTIVE)}
    if status == "FAILED" and error is not None:
        said = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
        found["error"] = said
    return found


def _told(step: Mapping[str, Any]) -> str:
    comment = step["tags"].get("comment")
    said = f"Step {step['name']} of type {step['type']}, {step['status']}"
    action = f", action {step['action_id']}" if step["action_id"] else ""
    return f"{said}{action}." + (f" {comment}" if isinstance(comment, str) else "")
