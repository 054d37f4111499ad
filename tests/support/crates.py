"""Small RO-Crates of the shapes that other programs write, with files of our own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["CRATES", "crate_folder", "entity", "metadata"]

Entity = dict[str, Any]
COMPLETED = {"@id": "http://schema.org/CompletedActionStatus"}
FILES = {
    "in.txt": b"b\na\n",
    "out.txt": b"a\nb\n",
    "rev.txt": b"b\na \n",
    "wf.cwl": b"cwlVersion: v1.2\n",
}
SHA1 = {name: hashlib.sha1(content).hexdigest() for name, content in FILES.items()}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def entity(id_: str, types: Any, **about: Any) -> Entity:
    """An entity; text that begins with @ names another one, also in lists."""

    def value(given: Any) -> Any:
        if isinstance(given, list):
            return [value(item) for item in given]
        return {"@id": given[1:]} if isinstance(given, str) and given.startswith("@") else given

    return {"@id": id_, "@type": types, **{key: value(v) for key, v in about.items()}}


def metadata(*entities: Entity, **root: Any) -> dict[str, Any]:
    """The metadata of a crate with these entities."""
    terms = "https://w3id.org/ro/terms/workflow-run/context"
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", terms],
        "@graph": [
            entity("ro-crate-metadata.json", "CreativeWork", about="@./"),
            entity("./", "Dataset", name="A crate", **root),
            *entities,
        ],
    }


# A tool that ran alone, as the profile for processes has it.
PROCESS = metadata(
    entity("#tool", "SoftwareApplication", name="sort", softwareVersion="9.1"),
    entity("#ada", "Person", name="Ada"),
    entity(
        "#run",
        "CreateAction",
        name="Sort lines",
        instrument="@#tool",
        agent="@#ada",
        startTime="2024-05-01T10:00:00+02:00",
        endTime="2024-05-01T10:01:00+02:00",
        actionStatus="FailedActionStatus",
        error="disk full",
        object=["@in.txt", "@https://example.org/extra.txt"],
        result="@out.txt",
    ),
    entity("in.txt", "File", contentSize="4", sha256=SHA256["in.txt"]),
    entity("out.txt", "File", encodingFormat="text/plain"),
    mentions=["@#run"],
)

# A whole run with its inputs and outputs, collections included, as Galaxy writes it.
WORKFLOW = metadata(
    entity(
        "wf.cwl",
        ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        name="Sorting",
        instrument=["@sort1"],
    ),
    entity("sort1", "SoftwareApplication", name="sort1", version="1.1.0"),
    entity("#engine", "SoftwareApplication", name="Workflow engine"),
    entity("#organize", "OrganizeAction", instrument="@#engine", name="Run of the engine"),
    entity(
        "#9c6e0a7b",
        "CreateAction",
        name="Sorting",
        instrument="@wf.cwl",
        startTime="2024-05-01T10:00:00.123456",
        endTime="2024-05-01T10:05:00",
        object=["@dataset_collection-1", "@#reverse-pv"],
        result=["@out.txt"],
    ),
    entity("#reverse-pv", "PropertyValue", name="reverse", value=True, exampleOfWork="@#reverse"),
    entity("#reverse", "FormalParameter", name="reverse", additionalType="Boolean"),
    entity(
        "dataset_collection-1",
        "Collection",
        name="Two lists",
        additionalType="https://training.example.org/collections_build_list.html",
        hasPart=["@in.txt", "@rev.txt"],
    ),
    entity("in.txt", "File", name="first"),
    entity("rev.txt", "File", name="second"),
    entity("out.txt", "File", name="sorted", exampleOfWork="@#out"),
    entity("#out", "FormalParameter", name="sorted lines", additionalType="File"),
    entity("README.md", "File"),
    mainEntity="@wf.cwl",
)

# A run with its steps and what orchestrated them, as nf-prov and runcrate write it.
PROVENANCE = metadata(
    entity(
        "wf.cwl",
        ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        hasPart=["@wf.cwl#rev", "@wf.cwl#sort"],
        step=["@wf.cwl#main/1", "@wf.cwl#main/2"],
    ),
    entity("wf.cwl#rev", "SoftwareApplication", name="rev"),
    entity("wf.cwl#sort", "SoftwareApplication", name="sort"),
    entity("wf.cwl#main/1", "HowToStep", position="0", workExample="@wf.cwl#rev"),
    entity("wf.cwl#main/2", "HowToStep", position="1", workExample="@wf.cwl#sort"),
    entity(
        "#whole",
        "CreateAction",
        name="Run of wf.cwl",
        instrument="@wf.cwl",
        startTime="2024-05-01T10:00:00Z",
        endTime="2024-05-01T10:09:00Z",
        actionStatus=COMPLETED,
        object=["@in.txt"],
        result=["@out.txt"],
    ),
    entity(
        "#task/1",
        "CreateAction",
        name="rev (1)",
        instrument="@wf.cwl#rev",
        startTime="2024-05-01T10:00:30Z",
        endTime="2024-05-01T10:01:00Z",
        object="@in.txt",
        result="@rev.txt",
        resourceUsage=["@#task/1-peak"],
    ),
    entity(
        "#task/2",
        "CreateAction",
        name="sort (1)",
        instrument="@wf.cwl#sort",
        startTime="2024-05-01T10:02:00Z",
        endTime="2024-05-01T10:02:60Z",
        actionStatus=COMPLETED,
        object=["@rev.txt", "@#pv"],
        result="@out.txt",
    ),
    entity("#task/1-peak", "PropertyValue", name="peakRSS", value="4096"),
    entity("#pv", "PropertyValue", name="reverse", value="True"),
    entity("#control/1", "ControlAction", instrument="@wf.cwl#main/1", object="@#task/1"),
    entity("#control/2", "ControlAction", instrument="@wf.cwl#main/2", object="@#task/2"),
    entity(
        "#organize",
        "OrganizeAction",
        instrument="@#engine",
        object=["@#control/1", "@#control/2"],
        result="@#whole",
    ),
    entity("#engine", "SoftwareApplication", name="Nextflow"),
    entity("in.txt", "File", alternateName="whale.txt", sha1=SHA1["in.txt"]),
    entity("rev.txt", "File", sha1=SHA1["rev.txt"]),
    entity("out.txt", "File", sha1=SHA1["out.txt"]),
    mainEntity="@wf.cwl",
    datePublished="2024-05-02",
)

# Files that stayed where they were, one of them read and written, as COMPSs writes it.
ELSEWHERE = metadata(
    entity(
        "wf.cwl",
        ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        name="wf.cwl",
        contentSize=17,
    ),
    entity("#compss", "ComputerLanguage", name="COMPSs Programming Model"),
    entity(
        "#COMPSs_Workflow_Run_Crate_node1_SLURM_JOB_ID_42",
        "CreateAction",
        name="COMPSs wf.cwl execution at node1 with JOB_ID 42",
        instrument="@wf.cwl",
        actionStatus=COMPLETED,
        endTime="2024-05-01T10:00:00+00:00",
        object=["@file://node1/gpfs/in.dat", "@file://node1/gpfs/state.dat"],
        result=["@file://node1/gpfs/state.dat", "@file://node1/gpfs/out/", "@./"],
    ),
    entity("file://node1/gpfs/in.dat", "File", name="in.dat", contentSize=12),
    entity("file://node1/gpfs/state.dat", "File", name="state.dat"),
    entity("file://node1/gpfs/out/", "Dataset", name="out", hasPart=["@file://node1/gpfs/out/a"]),
    entity("file://node1/gpfs/out/a", "File", name="a"),
    mainEntity="@wf.cwl",
)

CRATES = {
    "process": PROCESS,
    "workflow": WORKFLOW,
    "provenance": PROVENANCE,
    "elsewhere": ELSEWHERE,
}


def crate_folder(folder: Path, document: Any) -> Path:
    """A folder with a crate and the files that the crates here speak of."""
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "ro-crate-metadata.json").write_text(json.dumps(document))
    return folder
