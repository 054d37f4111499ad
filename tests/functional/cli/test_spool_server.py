"""What was recorded into files, brought in through a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hpc
from flows.sandbox import Sandbox
from provenance_store import Store
from provenance_store.values import Audience
from tests.functional.provider.house import serving
from tests.support.command_line import Braid

AWAY = "http://127.0.0.1:9"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A spool folder that holds a file with three batches, 2,502 records."""
    with hpc.spool(tmp_path / "sp", run_id="job-1") as recorder:
        scans = [recorder.data(f"scan-{n}", tags={"n": n}) for n in range(2500)]
        recorder.model("net").update(scans[:9])
    return tmp_path / "sp"


def waiting(spool: Path) -> int:
    return len(list((spool / "new").iterdir()))


def test_a_spool_is_loaded_through_a_server_and_again_changes_nothing(
    braid: Braid, server: str, its_store: Store, spool: Path
) -> None:
    at = ("--server", server, "--format", "json")
    through = braid("spool", "load", spool, *at)
    assert (through.code, through.err, waiting(spool)) == (0, "", 0)
    assert its_store.check() == []
    before = its_store.info()
    assert before["records"]["data"] == 2500
    (done,) = (spool / "done").iterdir()
    done.rename(spool / "new" / done.name)
    assert braid("spool", "load", spool, *at, "--delete") == through
    assert its_store.info() == before
    assert json.loads(braid("spool", "load", spool, *at).out)["files"] == 0


def test_the_report_is_that_of_a_store(
    braid: Braid, server: str, its_store: Store, spool: Path
) -> None:
    local = braid("spool", "load", spool, "--store", "local.db", "--format", "json")
    (done,) = (spool / "done").iterdir()
    done.rename(spool / "new" / done.name)
    assert braid("spool", "load", spool, "--server", server, "--format", "json") == local
    assert json.loads(local.out)["records"] == 2502


def test_what_is_loaded_is_of_who_is_logged_in(
    braid: Braid,
    server: str,
    its_store: Store,
    spool: Path,
    sandbox: Sandbox,
    environ: dict[str, str],
) -> None:
    assert braid("spool", "load", spool, "--server", server).code == 0
    login = sandbox.directory.identity(environ["BRAID_LOGIN_CLIENT_ID"])
    assert login is not None
    (scan,) = its_store.documents().records(name="scan-7")["records"]
    assert scan["owner"] == login.urn
    assert its_store.documents().run("job-1")["recorded_by"] == login.urn
    shown = braid("records", "--run", "job-1", "--server", server, "--format", "json", "--limit", 1)
    assert len(json.loads(shown.out)["records"]) == 1


def test_a_torn_file_is_set_aside_and_what_is_whole_in_it_is_loaded(
    braid: Braid, server: str, its_store: Store, spool: Path
) -> None:
    (file,) = (spool / "new").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    with hpc.spool(spool) as recorder:
        recorder.data("whole")
    loaded = braid("spool", "load", spool, "--server", server)
    assert loaded.code == 1
    assert loaded.out.endswith(": 1, records: 2001.\n")
    assert loaded.err.startswith(f"braid: {spool / 'bad' / file.name}: The file is torn")
    assert loaded.err.count("\n") == 1
    assert (spool / "bad" / file.name).exists()
    assert its_store.info()["records"]["data"] == 2001


def test_what_came_before_what_it_adds_to_is_loaded_after_it(
    braid: Braid, server: str, its_store: Store, tmp_path: Path
) -> None:
    recorders = [hpc.spool(tmp_path / "sp") for _ in range(3)]
    made = [recorder.dataset(f"set-{n}", live=True) for n, recorder in enumerate(recorders)]
    for n in (1, 2):
        recorders[n].add(made[n - 1].urn, members=[made[n].urn])
    for recorder in reversed(recorders):
        recorder.close()
    loaded = braid("spool", "load", "sp", "--server", server)
    assert loaded.code == 0
    assert loaded.out.endswith(": 3, records: 3.\n")
    assert len(its_store.documents().lineage(made[0].urn)["nodes"]) == 3


@pytest.mark.parametrize("scope", [True, False])
def test_a_server_that_is_away_leaves_the_files_where_they_are(
    braid: Braid,
    server: str,
    its_store: Store,
    environ: dict[str, str],
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    scope: bool,
) -> None:
    if scope:
        monkeypatch.setenv("BRAID_SERVER_SCOPE", environ["BRAID_SCOPE"])
    refused = braid("spool", "load", spool, "--server", AWAY)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"braid: {AWAY} has not taken it ({AWAY} cannot be reached")
    assert refused.err.endswith(f"is still in {spool}, to be loaded when it is back.\n")
    assert (refused.err.count("\n"), waiting(spool)) == (1, 1)
    monkeypatch.delenv("BRAID_SERVER_SCOPE", raising=False)
    assert braid("spool", "load", spool, "--server", server).code == 0
    assert its_store.info()["records"]["data"] == 2500


def test_a_server_whose_store_is_away_leaves_the_files_where_they_are(
    braid: Braid, environ: dict[str, str], logged_in: None, spool: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'no-such-folder' / 'x.db'}"
    with serving(url, environ | {"BRAID_RECORDING": "threads"}) as house:
        refused = braid("spool", "load", spool, "--server", house.url)
    assert (refused.code, refused.err.count("\n"), waiting(spool)) == (1, 1, 1)
    assert f"is still in {spool}" in refused.err


def test_who_may_not_record_there_is_told_and_the_files_stay(
    braid: Braid,
    environ: dict[str, str],
    logged_in: None,
    sandbox: Sandbox,
    spool: Path,
    tmp_path: Path,
) -> None:
    boss = sandbox.add_identity("boss@example.org")
    settings = environ | {"BRAID_RECORDING": "threads", "BRAID_RUNNABLE_BY": boss.urn}
    with serving(f"sqlite:///{tmp_path / 'store.db'}", settings) as house:
        refused = braid("spool", "load", spool, "--server", house.url)
    assert (refused.code, refused.out, waiting(spool)) == (1, "", 1)
    assert refused.err == "braid: You may not record here; ask the operator for access.\n"


def test_a_refused_batch_sets_its_file_aside_and_says_why(
    braid: Braid, server: str, its_store: Store, spool: Path
) -> None:
    theirs = Audience("urn:globus:auth:identity:00000000-0000-4000-8000-000000000000")
    with hpc.spool(spool, audience=theirs) as recorder:
        recorder.data("of somebody else")
    with hpc.spool(spool) as recorder:
        recorder.data("mine")
    loaded = braid("spool", "load", spool, "--server", server, "--format", "json")
    report = json.loads(loaded.out)
    assert (loaded.code, report["files"], waiting(spool)) == (1, 2, 0)
    (bad,) = report["bad"]
    assert "records of another owner" in bad["reason"]
    assert its_store.documents().records(name="of somebody else")["records"] == []


def test_a_batch_larger_than_the_server_takes_is_sent_in_parts(
    braid: Braid, environ: dict[str, str], logged_in: None, spool: Path, tmp_path: Path
) -> None:
    settings = environ | {"BRAID_RECORDING": "threads", "BRAID_BATCH_LIMIT_BYTES": "50000"}
    with serving(f"sqlite:///{tmp_path / 'store.db'}", settings) as house:
        loaded = braid("spool", "load", spool, "--server", house.url)
        assert (loaded.code, waiting(spool)) == (0, 0)
        assert not (spool / "bad").exists()
        assert house.store.info()["records"]["data"] == 2500


def test_a_store_and_a_server_exclude_each_other(braid: Braid, spool: Path) -> None:
    refused = braid("spool", "load", spool, "--server", AWAY, "--store", "b.db")
    assert (refused.code, waiting(spool)) == (2, 1)
