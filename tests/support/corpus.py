"""Real flow definitions with inputs to run them in the sandbox.

``CORPUS[name]`` says how the definition ``<name>.json`` of the collection of real flows is run: its
input, the blanks that its author filled in at run time (`edits`), and how the run ends. `prepare`
gives a sandbox what the inputs refer to: collections with files, and functions. Used like this::

    case = CORPUS[name]
    prepare(sandbox, tmp_path)
    outcome = run_definition(case.definition(shared_flows), case.input, sandbox)
    assert outcome.status == case.expected_status
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from flows.sandbox import Sandbox

__all__ = [
    "BEAMLINE",
    "CLUSTER",
    "CORPUS",
    "ENDPOINT",
    "MENDED",
    "REPORT",
    "Case",
    "mended",
    "prepare",
]

BEAMLINE = "ddb59aef-6d04-11e5-ba46-22000b92c6ec"
CLUSTER = "ddb59af0-6d04-11e5-ba46-22000b92c6ec"
ENDPOINT = "4b116d3c-1703-4f8f-9f6f-39921e5864df"
REPORT = "0b000000-0000-4000-8000-000000000001"
GATHER = "0b000000-0000-4000-8000-000000000002"
SSX = "0b000000-0000-4000-8000-000000000003"
SEARCH = "0b000000-0000-4000-8000-000000000004"
CRATE = "0b000000-0000-4000-8000-000000000005"

_REPORT = """
def report(*args, **kwargs):
    return {"arguments": len(args) + len(kwargs)}
"""
_GATHER = f"""
def gather_metadata(**data):
    transfer = {{
        "source_endpoint": "{CLUSTER}",
        "destination_endpoint": "{BEAMLINE}",
        "DATA": [
            {{"source_path": "/results", "destination_path": "/portal", "recursive": True}}
        ],
    }}
    search = {{"search_index": data["index"], "subject": "globus://portal", "content": {{"a": 1}}}}
    return {{"transfer": transfer, "search": search}}
"""
_SSX = """
def gather_data(**data):
    steps = {"x_num_steps": 3, "y_num_steps": 4}
    return {
        "metadata": {"user_input": steps, "chip": "Eris"},
        "int_indices": [1, 5, 8],
        "plot_filename": "composite.png",
        "upload_dir": "/images",
    }
"""
_SEARCH = f"""
def xy_search(**data):
    def body(*steps):
        return {{"tasks": [
            {{"endpoint": "{ENDPOINT}", "function": "{REPORT}", "payload": {{"step": step}}}}
            for step in steps
        ]}}
    return {{"phils": body("phil"), "stills": body("stills-1", "stills-2")}}
"""
_CRATE = """
def crate(**data):
    import os
    import pathlib
    folder = pathlib.Path(data["cluster_folder"])
    made = folder / (os.environ["GC_TASK_UUID"] + ".crate")
    made.mkdir(parents=True)
    (made / "ro-crate-metadata.json").write_text("{}")
    return sorted(path.name for path in folder.iterdir())
"""
_FILES = {
    "scan/frame-1.txt": "17 photons",
    "scan/frame-2.txt": "23 photons",
    "source_folder/a.txt": "a",
    "source_folder/sub/b.txt": "bb",
    "campus_source/set.txt": "data set",
    "single.txt": "one file",
}


@dataclass(frozen=True)
class Case:
    """How one definition is run."""

    name: str
    input: Mapping[str, Any]
    expected_status: str = "SUCCEEDED"
    edits: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    """Blanks to fill: the path of keys to a value, and the value."""
    visited: tuple[str, ...] = ()
    """States that the run passes through, among others."""

    def definition(self, folder: Path) -> dict[str, Any]:
        """The definition from the collection of real flows, with its blanks filled."""
        definition: dict[str, Any] = json.loads((folder / f"{self.name}.json").read_text())
        for path, value in self.edits.items():
            holder = definition
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = value
        return definition


def prepare(sandbox: Sandbox, folder: Path) -> None:
    """Two collections with files below a folder, the functions, and answers of other services."""
    beamline, cluster = folder / "beamline", folder / "cluster"
    for name, text in _FILES.items():
        for collection in (beamline, cluster):
            path = collection / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (cluster / "results").mkdir()
    (cluster / "results" / "peaks.csv").write_text("x,y\n1,2\n")
    sandbox.collection("beamline", beamline, collection_id=BEAMLINE)
    sandbox.collection("cluster", cluster, collection_id=CLUSTER)
    for function_id, source in (
        (REPORT, _REPORT),
        (GATHER, _GATHER),
        (SSX, _SSX),
        (SEARCH, _SEARCH),
        (CRATE, _CRATE.replace('data["cluster_folder"]', repr(str(cluster)))),
    ):
        sandbox.register_function(source, function_id=function_id)
    sandbox.answer_with(
        "https://ingest.example.org/",
        {"error": False, "submission_id": 17, "submission_link": "https://example.org/17"},
    )
    curation = {"details": {"name": "accepted", "parameters": {"user_input": "Fine."}}}
    sandbox.answer_with("https://curate.example.org/", {"output": {"CurationResult": curation}})


def _place(collection: str, path: str) -> dict[str, str]:
    return {"id": collection, "path": path}


def _directory(path: str, collection: str = CLUSTER) -> dict[str, str]:
    return {"endpoint_id": collection, "path": path}


def _transfer_input(**more: Any) -> dict[str, Any]:
    return {
        "input": {
            "source": _place(BEAMLINE, "/scan/"),
            "destination": _place(CLUSTER, "/incoming/"),
            "recursive_tx": True,
            **more,
        }
    }


_COMPUTE = {
    "compute_endpoint_id": ENDPOINT,
    "compute_function_id": REPORT,
    "compute_function_kwargs": {"width": 64},
}
_RESULT_TRANSFER = {
    "source_endpoint_id": CLUSTER,
    "destination_endpoint_id": BEAMLINE,
    "transfer_items": [
        {"source_path": "/results", "destination_path": "/from-cluster", "recursive": True}
    ],
}
_SOURCE_TRANSFER = {
    "source_endpoint_id": BEAMLINE,
    "destination_endpoint_id": CLUSTER,
    "transfer_items": [{"source_path": "/single.txt", "destination_path": "/staged/single.txt"}],
}
_TWO_HOPS = {
    "source_endpoint_id": BEAMLINE,
    "source_path": "/~/campus_source",
    "staging_endpoint_id": CLUSTER,
    "staging_path": "/~/dmz_temp",
    "destination_endpoint_id": BEAMLINE,
    "destination_path": "/~/dataset_repository",
}
_FUNCTION_TASK = {"endpoint": ENDPOINT, "function": REPORT, "kwargs": {"threshold": 3}}
_LIVEPUB = {
    "to_compute_transfer_source_endpoint_id": BEAMLINE,
    "to_compute_transfer_destination_endpoint_id": CLUSTER,
    "to_compute_transfer_source_path": "/single.txt",
    "to_compute_transfer_destination_path": "/input/test.txt",
    "to_compute_transfer_recursive": False,
    "compute_endpoint": ENDPOINT,
    "ls_function_id": CRATE,
    "GetScript_function_id": CRATE,
    "prov_compute_GCS_id": CLUSTER,
    "orchestration_server_endpoint_id": BEAMLINE,
    "_provenance_crate_destination_directory": "/crates",
    "from_compute_transfer_source_endpoint_id": CLUSTER,
    "from_compute_transfer_destination_endpoint_id": BEAMLINE,
    "from_compute_transfer_source_path": "/input/test.txt",
    "from_compute_transfer_destination_path": "/output/test.txt",
    "from_compute_transfer_recursive": False,
}
_FRIB = {
    "top_rawdata_dir": _directory("/raw"),
    "top_fit_dir": _directory("/fit"),
    "top_converted_dir": _directory("/converted"),
    "top_analyzed_dir": _directory("/results"),
    "compute_log_dir": _directory("/logs"),
    "rawdata": {
        "source": _place(BEAMLINE, "/scan"),
        "destination": _place(CLUSTER, "/raw/run-1"),
        "recursive_tx": True,
        "filter_rules": [],
        "sync_level": 0,
        "notify_on_succeeded": False,
        "notify_on_failed": False,
        "notify_on_inactive": False,
    },
    "fit_dir": _directory("/fit/run-1"),
    "fit": _FUNCTION_TASK,
    "converted_dir": _directory("/converted/run-1"),
    "convert": _FUNCTION_TASK,
    "analyze": _FUNCTION_TASK,
    "pipeline_output": {
        "source": _place(CLUSTER, "/results"),
        "destination": _place(BEAMLINE, "/analyzed"),
        "recursive_tx": True,
        "sync_level": 0,
        "notify_on_succeeded": False,
        "notify_on_failed": False,
        "notify_on_inactive": False,
    },
}
_KANZUS = {
    "globus_local_ep": BEAMLINE,
    "globus_dest_ep": CLUSTER,
    "local_dir": "/scan",
    "data_dir": "/kanzus",
    "proc_dir": "/kanzus/proc",
    "funcx_local_ep": ENDPOINT,
    "funcx_queue_ep": ENDPOINT,
    "funcx_create_phil_funcx_id": REPORT,
    "stills_cont_fxid": REPORT,
    "xy_search_funcx_id": SEARCH,
    "xy_plot_funcx_id": REPORT,
    "ssx_gather_data_funcx_id": SSX,
    "ssx_plot_funcx_id": REPORT,
    "ssx_publish_funcx_id": REPORT,
}
_XPCS = {
    "source_transfer": _SOURCE_TRANSFER,
    "result_transfer": _RESULT_TRANSFER,
    "enable_result_transfer": True,
    "compute_endpoint": ENDPOINT,
    "compute_queue": "debug",
    "compute_walltime": "00:10:00",
    "compute_nodes_per_block": 1,
    "xpcs_boost_corr_function_id": REPORT,
}
_EIGEN = {
    "funcx_local_ep": ENDPOINT,
    "funcx_ep": ENDPOINT,
    "https_download_fxid": REPORT,
    "unzip_data_fxid": REPORT,
    "corr_fxid": REPORT,
    "container_server_url": "https://example.org/c",
    "container_name": "c.sif",
    "container_path": "/c",
    "headers": {},
    "dataset_server_url": "https://example.org/d",
    "dataset_name": "d.zip",
    "data_dir": "/d",
    "proc_dir": "/p",
    "hdf": "a.hdf",
    "imm": "a.imm",
    "flags": "",
}
_SEARCH_DOCUMENT = {
    "search_index": "3e117a1e-d513-4d82-9090-ae161dc60fed",
    "search_subject": "globus://example/scan",
    "search_visible_to": ["public"],
    "search_content_metadata": {"title": "A scan"},
    "search_entry_id": "metadata",
    "search_restricted_visible_to": ["all_authenticated_users"],
    "search_content_restricted_metadata": {"note": "inside"},
    "search_restricted_entry_id": "restricted",
}
_MDF = {
    "user_transfer_inputs": [],
    "curation_input": {"author_email": "author@example.org"},
    "source_id": "foundry_17",
    "search_index": "mdf",
    "_private_feedstock_auth_header": "a secret",
    "data_destinations": [],
    "mdf_publish": True,
    "citrine": True,
    "mrr": True,
    "dataset_acl": ["public"],
    "mdf_portal_link": "https://example.org/foundry_17",
}
_ECHO_URL = "https://transfer-loop.example.org/"
_TEXT = "'A new submission: ' + `$._context.run_id`"


def _action_url(state: str) -> tuple[str, str, str]:
    return ("States", state, "ActionUrl")


_CASES = (
    Case("ac-complex-hello-world", {"input": {"Hellos": ["First", "Second"]}}, visited=("Done",)),
    Case(
        "ac-docs-two-stage",
        {
            "source": _place(BEAMLINE, "/single.txt"),
            "intermediate": _place(CLUSTER, "/between"),
            "destination": _place(BEAMLINE, "/scan"),
        },
        visited=("Delete",),
    ),
    Case("ac-failed-consent", {}, "INACTIVE", visited=("HelloState",)),
    Case("ac-hello-world-run-as", {}),
    Case("ac-loop-set-number", {}, visited=("Increment", "Success")),
    Case("ac-loop-with-batch", {"step": 2}, visited=("process-batch", "done")),
    Case("ac-multi-transfer", _TWO_HOPS),
    Case("ac-pass-with-parameters", {}),
    Case(
        "ac-transfer-mv",
        {
            "source_endpoint_id": BEAMLINE,
            "source_path": "/~/source_folder",
            "destination_endpoint_id": CLUSTER,
            "destination_path": "/~/destination_folder",
            "transfer_label": "Move",
            "delete_label": "Clean up",
            "recursive": True,
            "sync_level": "0",
        },
        visited=("AllComplete",),
    ),
    Case(
        "cfde-deriva-ingest",
        {
            "source_endpoint_id": BEAMLINE,
            "source_path": "/scan",
            "is_directory": True,
            "cfde_ep_id": CLUSTER,
            "cfde_ep_path": "/cfde/1/",
            "cfde_ep_url": "https://example.org",
            "dcc_id": "dcc",
            "test_sub": False,
        },
        edits={_action_url("DerivaIngest"): "https://ingest.example.org/"},
        visited=("EmailSuccess", "FinishFlow"),
    ),
    Case(
        "diaspora-produce-event",
        {
            "input": {"topic": "runs", "msgs": [{"kind": "start"}]},
            "Getsysteminfo": {"details": {"result": ["Linux"]}},
        },
    ),
    Case(
        "frib-transfer-compute",
        _FRIB,
        visited=("MakeRawTransferDirectory", "MakeFitDirectory", "EndFlow"),
    ),
    Case(
        "gladier-publishv2",
        {
            "input": {
                "compute_endpoint": ENDPOINT,
                "publishv2_gather_metadata_function_id": GATHER,
                "publishv2": {"enable_transfer": True, "enable_publish": True, "index": "i"},
            }
        },
        visited=("Publishv2Transfer", "Publishv2Ingest"),
    ),
    Case("kanzus-full", {"input": _KANZUS}),
    Case("kanzus-search-6", {"input": _KANZUS}),
    Case("livepub-example-collection", {"input": _LIVEPUB}),
    Case(
        "mdf-curation",
        {
            "curator_emails": "curator@example.org",
            "author_email": "author@example.org",
            "email_sender": "mdf@example.org",
            "_private_send_credentials": [{"password": "a secret"}],
            "curation_permissions": ["all_authenticated_users"],
        },
        edits={
            ("States", "SendCuratorEmails", "Parameters", "body_template.="): _TEXT,
            ("States", "SendAuthorEmail", "Parameters", "body_template.="): _TEXT,
            ("States", "CurateData", "Parameters", "landing_page", "preamble_text.="): _TEXT,
        },
        visited=("SendAuthorEmail",),
    ),
    Case(
        "mdf-ingest-json",
        _MDF,
        edits={
            _action_url("UserTransfer"): _ECHO_URL,
            _action_url("CurateSubmission"): "https://curate.example.org/",
            _action_url("DataDestTransfer"): _ECHO_URL,
            ("States", "Xtraction", "Parameters"): {
                "details": {"output_link": "https://example.org/x", "dataset_entry": {"a": 1}}
            },
        },
        visited=("SearchUpdate", "NotifyUserEnd"),
    ),
    Case(
        "mdf-transfer-loop",
        {
            "action_inputs": [
                {
                    "source_endpoint_id": BEAMLINE,
                    "destination_endpoint_id": CLUSTER,
                    "transfer_items": [
                        {"source_path": "/single.txt", "destination_path": f"/loop/{n}.txt"}
                    ],
                }
                for n in range(2)
            ]
        },
        visited=("TransferAction", "FinishLoop"),
    ),
    Case(
        "ptychodus-3step",
        {
            "transfer_input_data": {
                "source": _place(BEAMLINE, "/scan"),
                "destination": _place(CLUSTER, "/ptychodus/in"),
                "recursive": True,
                "sync_level": 3,
            },
            "compute": {
                "endpoint_id": ENDPOINT,
                "function_id": REPORT,
                "function_kwargs": {"action": "reconstruct"},
            },
            "transfer_output_data": {
                "source": _place(CLUSTER, "/results"),
                "destination": _place(BEAMLINE, "/ptychodus/out"),
                "recursive": True,
                "sync_level": 3,
            },
        },
    ),
    Case("registered-api-tutorial", {}),
    Case("sdk-two-hop", _TWO_HOPS),
    Case(
        "trig-tar-transfer",
        {
            "tar": _COMPUTE,
            "transfer": {
                "source_collection": CLUSTER,
                "destination_collection": BEAMLINE,
                "source_path": "/results/peaks.csv",
                "destination_path": "/archive/peaks.csv",
            },
        },
    ),
    Case("trig-transfer", _transfer_input()),
    Case("trig-transfer-compute", _transfer_input(**_COMPUTE)),
    Case(
        "trig-transfer-compute-share",
        _transfer_input(
            **_COMPUTE,
            resultshare=_place(BEAMLINE, "/shared/"),
            principal={"type": "identity", "id": "a5a6c2a2-b0e6-4a5c-94c1-d6a0e1ae5dc7"},
        ),
    ),
    Case(
        "trig-transfer-publish",
        _transfer_input(
            principal_type="identity",
            principal_identifier="a5a6c2a2-b0e6-4a5c-94c1-d6a0e1ae5dc7",
            search_ingest_document=_SEARCH_DOCUMENT,
        ),
    ),
    Case("xpcs-boost-generated", {"input": _XPCS}, visited=("ResultTransferDoTransfer",)),
    Case("xpcs-eigen", {"input": _EIGEN}),
    Case("xpcs-result-transfer", {"input": _XPCS}, visited=("ResultTransferDoTransfer",)),
)
CORPUS: dict[str, Case] = {case.name: case for case in _CASES}
"""All thirty definitions, by the name of their file without ``.json``."""


MENDED: dict[str, tuple[tuple[str, ...], str]] = {
    "cfde-deriva-ingest": (
        ("States", "ErrorState", "Parameters", "body_template.="),
        "'It failed: ' + `$._context.run_id`",
    ),
    "registered-api-tutorial": (
        ("States", "DemoRegisteredApi", "Handler", "Id"),
        "8f6d2a0c-5c1e-4f0e-9d4a-2f1b7c3e9a55",
    ),
}
"""Where what is refused is mended to be run, and with what: the author's words, a blank left in."""


def mended(name: str, flows: Path) -> dict[str, Any]:
    """An author's definition, of those in a folder, with what keeps it from running mended."""
    definition = CORPUS[name].definition(flows)
    if name in MENDED:
        (*place, key), value = MENDED[name]
        reduce(getitem, place, definition)[key] = value
    return definition
