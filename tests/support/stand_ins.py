"""Real flows that move files, call functions and move results: with functions that take and return
paths as those of their authors do.

``STAND_INS[name]`` is a `StandIn`: an input for the definition of that name, and where the scan
comes from and the final file goes to. The functions work on the folders of the collections, whose
paths are what they are given, as on a cluster that shows its whole file system.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.sandbox import Sandbox
from tests.support.corpus import BEAMLINE, CLUSTER, CORPUS, ENDPOINT, REPORT, Case, prepare

__all__ = ["STAND_INS", "StandIn", "honest", "prepare_stand_ins"]

WRITES = "0b000000-0000-4000-8000-000000000011"
RETURNS = "0b000000-0000-4000-8000-000000000012"
DOWNLOAD = "0b000000-0000-4000-8000-000000000013"

_COMMON = """
import pathlib
ROOT = pathlib.Path({root!r})

def disk(path):
    return ROOT / path.lstrip("/")

def read(path):
    place = disk(path)
    inner = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
    return b"".join(p.read_bytes() for p in inner)

def write(path, data):
    disk(path).parent.mkdir(parents=True, exist_ok=True)
    disk(path).write_bytes(data)
"""
_WRITES = """
def {name}(**given):
{common}
    write(given["output_path"], read(given["input_path"]))
"""
_RETURNS = """
def {name}(**given):
{common}
    if "corr" in given:
        given = given["corr"]
    write(given["output_path"], read(given["input_path"]))
    return {{"result": given["output_path"], "proc_dir": given.get("proc_dir", "")}}
"""
_DOWNLOAD = """
def {name}(**given):
{common}
    place = given["file_path"] + "/" + given["file_name"]
    if "server_url" in given:
        write(place, given["server_url"].encode())
        return place
    if "output_path" in given:
        write(given["output_path"] + "/unpacked.hdf", read(place))
        return given["output_path"] + "/unpacked.hdf"
"""


def _source(template: str, name: str, root: Path) -> str:
    common = _COMMON.format(root=str(root))
    inside = "\n".join(f"    {line}" if line else "" for line in common.splitlines())
    return template.format(name=name, common=inside)


def prepare_stand_ins(sandbox: Sandbox, folder: Path) -> None:
    """The collections of the corpus below a folder, and the functions."""
    prepare(sandbox, folder)
    root = folder / "cluster"
    for function_id, template, name in (
        (WRITES, _WRITES, "writes"),
        (RETURNS, _RETURNS, "returns"),
        (DOWNLOAD, _DOWNLOAD, "download"),
    ):
        sandbox.register_function(_source(template, name, root), function_id=function_id)


@dataclass(frozen=True)
class StandIn:
    """How a flow is run, its Compute steps, and its two ends, where it has them."""

    case: Case
    compute: tuple[str, ...]
    raw: str | None = None
    final: str | None = None


def _place(collection: str, path: str) -> dict[str, str]:
    return {"id": collection, "path": path}


def _with(name: str, given: Any) -> Case:
    return replace(CORPUS[name], input=given)


def _task(kwargs: Any, function: str = WRITES) -> dict[str, Any]:
    return {"endpoint": ENDPOINT, "function": function, "kwargs": kwargs}


def _transfer_compute(output: str, function: str = RETURNS) -> dict[str, Any]:
    kwargs = {"input_path": "/incoming/frame-1.txt", "output_path": output}
    return {
        "source": _place(BEAMLINE, "/scan/"),
        "destination": _place(CLUSTER, "/incoming/"),
        "recursive_tx": True,
        "compute_endpoint_id": ENDPOINT,
        "compute_function_id": function,
        "compute_function_kwargs": kwargs,
    }


_PTYCHODUS = {
    **CORPUS["ptychodus-3step"].input,
    "compute": {
        "endpoint_id": ENDPOINT,
        "function_id": WRITES,
        "function_kwargs": {
            "action": "reconstruct",
            "input_path": "/ptychodus/in/frame-1.txt",
            "output_path": "/ptychodus/out/product.npz",
        },
    },
    "transfer_output_data": {
        "source": _place(CLUSTER, "/ptychodus/out"),
        "destination": _place(BEAMLINE, "/ptychodus/results"),
        "recursive": True,
        "sync_level": 3,
    },
}
_SHARE = {
    "input": {
        **_transfer_compute("/incoming/thumbnails/1.png"),
        "resultshare": _place(BEAMLINE, "/shared/"),
        "principal": {"type": "identity", "id": "a5a6c2a2-b0e6-4a5c-94c1-d6a0e1ae5dc7"},
    }
}
_FRIB = {
    **CORPUS["frib-transfer-compute"].input,
    "fit": _task({"input_path": "/raw/run-1", "output_path": "/fit/run-1/fit.bin"}),
    "convert": _task({"input_path": "/fit/run-1", "output_path": "/converted/run-1/run.root"}),
    "analyze": _task({"input_path": "/converted/run-1", "output_path": "/results/run-1.csv"}),
}
_TAR = {
    "tar": {
        "compute_endpoint_id": ENDPOINT,
        "compute_function_id": RETURNS,
        "compute_function_kwargs": {"input_path": "/scan", "output_path": "/results/scan.tgz"},
    },
    "transfer": {
        "source_collection": CLUSTER,
        "destination_collection": BEAMLINE,
        "source_path": "/results/scan.tgz",
        "destination_path": "/archive/scan.tgz",
    },
}
_XPCS = {
    "input": {
        **CORPUS["xpcs-boost-generated"].input["input"],
        "xpcs_boost_corr_function_id": RETURNS,
        "corr": {
            "input_path": "/staged/single.txt",
            "output_path": "/staged/output/corr.hdf",
            "proc_dir": "/staged/output",
        },
        "result_transfer": {
            "source_endpoint_id": CLUSTER,
            "destination_endpoint_id": BEAMLINE,
            "transfer_items": [
                {
                    "source_path": "/staged/output",
                    "destination_path": "/from-cluster",
                    "recursive": True,
                }
            ],
        },
    }
}
_EIGEN = {
    "input": {
        **CORPUS["xpcs-eigen"].input["input"],
        "https_download_fxid": DOWNLOAD,
        "unzip_data_fxid": DOWNLOAD,
        "corr_fxid": REPORT,
        "hdf": "/p/unpacked.hdf",
        "imm": "/p/a.imm",
    }
}
_PUBLISH = {
    "input": {
        **CORPUS["gladier-publishv2"].input["input"],
        "publishv2": {
            **CORPUS["gladier-publishv2"].input["input"]["publishv2"],
            "dataset": "/results",
        },
    }
}
_ENDS = ("globus://" + BEAMLINE, "globus://" + CLUSTER)
STAND_INS: dict[str, StandIn] = {
    "ptychodus-3step": StandIn(
        _with("ptychodus-3step", _PTYCHODUS),
        ("ProcessWithPtychodus",),
        f"{_ENDS[0]}/scan",
        f"{_ENDS[0]}/ptychodus/results",
    ),
    "trig-transfer-compute": StandIn(
        _with("trig-transfer-compute", {"input": _transfer_compute("/incoming/thumbnails/1.png")}),
        ("ProcessFiles",),
        f"{_ENDS[0]}/scan",
        f"{_ENDS[1]}/incoming/thumbnails/1.png",
    ),
    "trig-transfer-compute-share": StandIn(
        _with("trig-transfer-compute-share", _SHARE),
        ("ProcessFiles",),
        f"{_ENDS[0]}/scan",
        f"{_ENDS[0]}/shared",
    ),
    "trig-tar-transfer": StandIn(
        _with("trig-tar-transfer", _TAR), ("Tar",), None, f"{_ENDS[0]}/archive/scan.tgz"
    ),
    "frib-transfer-compute": StandIn(
        _with("frib-transfer-compute", _FRIB),
        ("FitData", "ConvertData", "AnalyzeData"),
        f"{_ENDS[0]}/scan",
        f"{_ENDS[0]}/analyzed",
    ),
    "xpcs-boost-generated": StandIn(
        _with("xpcs-boost-generated", _XPCS),
        ("XpcsBoostCorr",),
        f"{_ENDS[0]}/single.txt",
        f"{_ENDS[0]}/from-cluster",
    ),
    "xpcs-eigen": StandIn(
        _with("xpcs-eigen", _EIGEN),
        ("Download Container", "Download Data", "Unzip Data", "Eigen Corr"),
    ),
    "gladier-publishv2": StandIn(
        _with("gladier-publishv2", _PUBLISH),
        ("Publishv2GatherMetadata",),
        None,
        f"{_ENDS[0]}/portal",
    ),
}
"""By the name of the definition."""


def honest(name: str) -> Case:
    """How a definition of the corpus is run with what its functions would be given."""
    return STAND_INS[name].case if name in STAND_INS else CORPUS[name]
