"""What importing costs: a rank, a spool or a Compute function needs msgspec and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

OURS = {"provenance_store", "hpc", "flows", "braid", "action_provider"}
OF_MSGSPEC = {"msgspec", "typing_extensions"}
LOADED = """
import json, sys
before = set(sys.modules)
{code}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


def loaded(code: str) -> set[str]:
    """The top-level packages that some code loads in a fresh interpreter."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(ran.stdout)) - set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    "code",
    [
        "from provenance_store import Recorder",
        "from hpc import spool",
        "import hpc.mpi.rank_sink",
        "import braid; braid.Recorder; braid.hpc.spool",
        "from hpc import aggregated",
    ],
)
def test_a_recorder_needs_msgspec_and_the_standard_library(code: str) -> None:
    foreign = loaded(code) - OURS - OF_MSGSPEC
    if "rank_sink" in code:
        foreign = {name for name in foreign if "cython" not in name} - {"mpi4py"}
    assert foreign == set()


def test_recording_into_a_spool_loads_nothing_more(tmp_path: Path) -> None:
    code = f"""
import hpc
with hpc.spool({str(tmp_path)!r}) as recorder:
    scan = recorder.data("scan-17", uris=["file:///data/scan-17.h5"], tags={{"sample": "Ni"}})
    recorder.model("braggnn").update([scan], metrics={{"loss": [0.5, 0.25]}})
"""
    assert loaded(code) - OURS - OF_MSGSPEC == set()


def test_a_list_of_runs_loads_neither_server_nor_globus_nor_postgresql(tmp_path: Path) -> None:
    command = """
import contextlib, io
from braid.__main__ import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main([*{words!r}, "--store", "{folder}/braid.db"]) == 0
"""
    loaded(command.format(words=["store", "init"], folder=tmp_path))
    runs = command.format(words=["runs"], folder=tmp_path)
    unused = ("sqlalchemy.dialects.postgresql", "provenance_store.redaction.text")
    found = loaded(f"{runs}\nassert not {{*{unused!r}}} & {{*sys.modules}}")
    assert {"sqlalchemy", "click"} <= found
    assert not found & {"flask", "gunicorn", "globus_sdk", "psycopg", "requests", "alembic"}
