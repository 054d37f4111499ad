"""The core lives in one environment with what scientists have there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installing import make_environment

pytestmark = pytest.mark.install

WORKS = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import braid
with braid.open_store("sqlite:///braid.db") as store:
    store.data("scan-17")
with braid.hpc.spool("spool") as recorder:
    recorder.data("scan-18")
with braid.open_store("sqlite:///braid.db") as store:
    braid.hpc.load_spool(store, "spool")
    print(len(store.documents().records()["records"]))
"""
BESIDE = {
    "globus-compute": (("globus-compute-sdk==4.19.*",), ("globus_compute_sdk",)),
    "gladier": (("gladier==0.11.*",), ("gladier",)),
    "parsl": (("parsl",), ("parsl",)),
    "mlflow": (("mlflow-skinny",), ("mlflow",)),
    "bluesky": (("bluesky",), ("bluesky", "event_model")),
    "mcp": (("mcp",), ("mcp",)),
    "pydantic": (("pydantic>=2",), ("pydantic",)),
    "everything": (
        ("globus-compute-sdk==4.19.*", "gladier==0.11.*", "parsl", "pydantic>=2"),
        ("globus_compute_sdk", "gladier", "parsl", "pydantic"),
    ),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("extra", ["", "[globus]"])
def test_the_core_installs_and_records_beside(
    wheel: Path, tmp_path: Path, name: str, extra: str
) -> None:
    requirements, modules = BESIDE[name]
    made = make_environment(
        tmp_path / "env", f"braid-provenance{extra} @ {wheel.as_uri()}", *requirements
    )
    ran = made.run("python", "-c", WORKS, *modules, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "2\n"), ran.stderr


def test_all_extras_can_live_together(wheel: Path, tmp_path: Path) -> None:
    made = make_environment(tmp_path / "env", f"braid-provenance[all] @ {wheel.as_uri()}")
    ran = made.run("python", "-c", WORKS, "action_provider.app", "flows.sandbox", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "2\n"), ran.stderr
