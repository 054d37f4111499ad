"""`pip install braid-provenance`: what it brings, what works with it, what it says of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.installing import Installed
from tests.support.processes import ROOT

pytestmark = [pytest.mark.install, pytest.mark.core]

RECORD = "https://braid.example.org/record"
RECORDS = """
import braid

with braid.open_store("sqlite:///braid.db") as store:
    scan = store.data("scan-17", uris=["file:///data/scan-17.h5"], tags={"sample": "Ni"})
    model = store.model("braggnn").update([scan], hyperparameters={"lr": 0.001})
    found = store.documents().lineage(model.urn, direction="up")
    assert {node["name"] for node in found["nodes"]} == {"scan-17", "braggnn"}, found
    assert store.documents().statement(model.urn)["_type"]
    assert store.check() == []

with braid.hpc.spool("spool") as recorder:
    recorder.data("scan-18")
with braid.open_store("sqlite:///braid.db") as store:
    assert braid.hpc.load_spool(store, "spool").batches == 1
"""
FLOW = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


def test_the_core_is_a_few_packages_and_none_of_a_server(core: Installed) -> None:
    packages = core.packages()
    assert {"braid-provenance", "msgspec", "sqlalchemy", "click"} <= packages
    assert not packages & {
        "flask",
        "gunicorn",
        "globus-action-provider-tools",
        "globus-sdk",
        "psycopg",
        "numpy",
        "pydantic",
        "requests",
    }


def test_a_script_records_spools_reads_and_traces_with_the_core(
    core: Installed, tmp_path: Path
) -> None:
    ran = core.run("python", "-W", "error", "-c", RECORDS, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_command_line_records_lists_and_handles_flows_with_the_core(
    core: Installed, tmp_path: Path
) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    for call in (
        ("store", "init"),
        ("record", "data", "scan-17"),
        ("exec", "--name", "made", "--", "true"),
        ("records",),
        ("runs",),
        ("lineage", "1.1"),
        ("statement", "1.1"),
        ("store", "check"),
        ("store", "backup", "backup.db"),
        ("store", "restore", "backup.db"),
        ("flow", "validate", "flow.json"),
        ("flow", "instrument", "flow.json", "--offline", "--provider-url", RECORD),
        ("slice", "-o", "part.db"),
        ("merge", "part.db"),
        ("mascot", "-C", "3", "-M", "2", "-N", "1", "-E", "2", "-U", "1"),
    ):
        ran = core.run("braid", *call, cwd=tmp_path)
        assert ran.returncode == 0, (call, ran.stderr)
    ran = core.run("braid", "doctor", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    ran = core.run("braid", "doctor", cwd=tmp_path, environ={"BRAID_CLIENT_ID": "x"})
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "pip install 'braid-provenance[server,globus]'" in ran.stdout


@pytest.mark.parametrize(
    ("extra", "call"),
    [
        ("server", ("serve",)),
        ("sandbox", ("sandbox",)),
        ("demo", ("demo",)),
        ("sandbox", ("flow", "run", "flow.json", "--input", "input.json")),
        ("globus", ("flow", "deploy", "flow.json", "--title", "Scans")),
        ("globus", ("flow", "harvest", "7d8c2b3a-6a31-4f57-8b44-5f1c2e9d0a11")),
        ("globus", ("runs", "--server", "http://127.0.0.1:1")),
        ("globus", ("record", "data", "x", "--server", "http://127.0.0.1:1")),
        ("postgres", ("runs", "--store", "postgresql://me@127.0.0.1:1/braid")),
        ("exchange", ("export", "1.1", "--format", "prov-json")),
        ("exchange", ("export", "1.1", "--format", "ro-crate", "-o", "crate")),
        ("sign", ("statement", "1.1", "--sign", "key.pem")),
        ("pictures", ("lineage", "1.1", "-o", "lineage.png")),
        ("plot", ("mascot", "--sweep", "figures", "--up-to", "100")),
    ],
)
def test_a_missing_extra_is_one_sentence_that_names_it(
    core: Installed, tmp_path: Path, extra: str, call: tuple[str, ...]
) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    (tmp_path / "input.json").write_text("{}")
    (tmp_path / "key.pem").write_text("none")
    core.run("braid", "record", "data", "scan-17", cwd=tmp_path)
    ran = core.run("braid", *call, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.count("\n") == 1
    assert f"pip install 'braid-provenance[{extra}]'" in ran.stderr


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("globus", "import hpc; hpc.remote"),
        ("hpc", "import hpc\nwith hpc.aggregated('sqlite:///x.db'): pass"),
        ("server", "import action_provider.app"),
        ("sandbox", "import flows.sandbox"),
        (
            "graph",
            "import braid; s = braid.open_store('sqlite:///x.db'); "
            "s.reader().lineage(s.data('a').urn).to_networkx()",
        ),
        (
            "frames",
            "import braid; braid.open_store('sqlite:///x.db').reader().records().to_dataframe()",
        ),
    ],
)
def test_python_is_told_of_a_missing_extra_likewise(
    core: Installed, tmp_path: Path, extra: str, code: str
) -> None:
    caught = f"""
try:
    exec({code!r})
except ImportError as error:
    print(error)
"""
    ran = core.run("python", "-c", caught, cwd=tmp_path)
    assert f"braid-provenance[{extra}]" in ran.stdout, ran.stderr
    assert ran.stdout.count("\n") == 1


def test_a_package_of_somebody_else_in_the_place_of_ours_is_told_in_one_sentence(
    wheel: Path, tmp_path: Path
) -> None:
    from tests.support.installing import make_environment

    other = make_environment(tmp_path / "env", str(wheel))
    other.install("--no-deps", "flows")
    ran = other.run("braid", "runs", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "package flows" in ran.stderr
    assert "an environment of its own" in ran.stderr


def test_a_cluster_node_installs_from_a_wheelhouse_without_network_and_compiler(
    source: Path, tmp_path: Path
) -> None:
    """As docs/install.md says: made where there is a network, used where there is none."""
    from tests.support.installing import make_environment

    outside = make_environment(tmp_path / "outside", "pip")
    house = tmp_path / "wheelhouse"
    fetched = outside.run(
        "python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(house), str(source),
        cwd=tmp_path,
    )  # fmt: skip
    assert fetched.returncode == 0, fetched.stderr
    node = make_environment(tmp_path / "node", "pip")
    installed = node.run(
        "python", "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(house),
        "braid-provenance", cwd=tmp_path,
        environ={"PATH": str(node.folder / "bin"), "http_proxy": "http://127.0.0.1:9",
                 "https_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    ran = node.run("python", "-c", RECORDS, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_the_version_is_the_same_everywhere(core: Installed, tmp_path: Path) -> None:
    code = """
import importlib.metadata, braid, flows, hpc, action_provider, provenance_store
print({m.__version__ for m in (braid, flows, hpc, action_provider, provenance_store)}
      | {importlib.metadata.version("braid-provenance")})
"""
    ran = core.run("python", "-c", code, cwd=tmp_path)
    assert ran.stdout.count(",") == 0, ran.stdout
    assert core.run("braid", "--version", cwd=tmp_path).stdout.split()[1] in ran.stdout


def test_the_licence_goes_with_the_wheel(core: Installed) -> None:
    (found,) = core.folder.glob("lib/*/site-packages/braid_provenance-*/licenses/LICENSE")
    assert found.read_bytes() == (ROOT / "LICENSE").read_bytes()
