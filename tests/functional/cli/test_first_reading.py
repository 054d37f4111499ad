"""What commands print is understood at the first reading: nothing is cut or left unsaid."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.support.command_line import Braid


@pytest.fixture
def run(braid: Braid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A store, named by its path, with a run of one step that read one file and made another."""
    monkeypatch.setenv("BRAID_STORE_URL", str(tmp_path / "here.db"))
    monkeypatch.setenv("COLUMNS", "80")
    scan = tmp_path / "scan.h5"
    scan.write_text("scan")
    made = braid("record", "data", "scan", "--file", str(scan), "--tag", "sample=Ni").out.strip()
    step = ("record", "step", "Fit", "--input", made, "--output", "peaks=s3://bucket/peaks.csv")
    braid(*step, "--run", "run-1")
    named = json.loads(braid("records", "--name", "peaks", "--format", "json").out)["records"]
    return {"scan": made, "peaks": named[0]["id"], "file": str(scan)}


def test_a_store_that_is_given_by_path_is_named_by_it(braid: Braid, run: dict[str, str]) -> None:
    path = str(Path(run["file"]).parent / "here.db")
    for command in (("store", "info"), ("store", "init"), ("store", "upgrade"), ("doctor",)):
        answer = braid(*command)
        assert path in answer.out + answer.err, command
        assert "sqlite:///" not in answer.out + answer.err, command


def test_a_statement_on_a_run_says_what_to_give(braid: Braid, run: dict[str, str]) -> None:
    answer = braid("statement", "run-1")
    assert answer.code == 2
    assert "run-1 is a run, and a statement is about one result" in answer.err
    assert "(peaks)" in answer.err


@pytest.mark.parametrize(
    "command", [("export", "nosuch"), ("diff", "nosuch", "scan"), ("diff", "scan", "nosuch")]
)
def test_a_name_of_neither_record_nor_run_says_so(
    braid: Braid, run: dict[str, str], command: tuple[str, ...]
) -> None:
    answer = braid(*command)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("braid: There is no record or run nosuch in this store.")


def test_what_is_taken_away_must_be_there(braid: Braid, run: dict[str, str]) -> None:
    answer = braid("untag", run["scan"], "nosuch")
    assert (answer.code, answer.err) == (
        1,
        f"braid: {run['scan']} has no tag 'nosuch'; it has sample.\n",
    )
    braid("record", "model", "net")
    braid("record", "model", "net", "--update", "--score", "f1=1")
    braid("alias", "net@v0", "champion")
    wrong = braid("alias", "net@v1", "champion", "--remove")
    assert wrong.code == 1
    assert "The alias 'champion' is that of net v0, not of this version" in wrong.err
    assert "champion" in braid("alias", "net").out
    assert braid("alias", "net@v0", "champion", "--remove").code == 0


def test_verify_shows_first_what_is_wrong_and_how_to_name_folders(
    braid: Braid, run: dict[str, str]
) -> None:
    Path(run["file"]).write_text("other")
    answer = braid("verify", run["peaks"], "--up")
    states = [line.split()[0] for line in answer.out.splitlines()[1:] if line[0] != " "]
    assert states == ["changed", "not"]
    assert answer.code == 1
    assert "--map s3://bucket/=FOLDER (1 file)" in answer.err


def test_an_import_taken_back_says_what_went_and_what_stays(
    braid: Braid, run: dict[str, str]
) -> None:
    braid("export", run["peaks"], "-o", "peaks.json")
    came = braid("import", "peaks.json", "--store", "theirs.db")
    assert "there was no store at theirs.db; one was made." in came.err
    assert "one was made" not in braid("import", "peaks.json", "--store", "theirs.db").err
    listed = json.loads(braid("import", "--list", "--store", "theirs.db", "--format", "json").out)
    undo = ("import", "--undo", listed["imports"][0]["id"], "--store", "theirs.db")
    assert "3 records and 1 run would go." in braid(*undo).err
    gone = braid(*undo, "--yes")
    assert "Taken back: 3 records and 1 run" in gone.err
    assert "stays in the store" in gone.err


def test_a_difference_is_counted_before_it_is_shown(braid: Braid, run: dict[str, str]) -> None:
    lines = braid("diff", run["scan"], run["peaks"]).out.splitlines()
    assert lines[0].split(";")[0].split()[1] in ("difference", "differences")
    assert max(map(len, lines[1:])) <= 80
    assert [line for line in lines if line.endswith(" ")] == []


def test_what_is_invalid_says_since_when_why_and_what_it_began_with(
    braid: Braid, run: dict[str, str], tmp_path: Path
) -> None:
    braid("invalidate", run["scan"], "--cause", "beam was off", "--yes")
    shown = braid("show", run["peaks"]).out
    assert "INVALID since 2" in shown
    assert f"That began with {run['scan']}." in shown
    assert "That began with" not in braid("show", run["scan"]).out
    page = braid("statement", run["peaks"]).out
    assert "It is INVALID since 2" in " ".join(page[: page.index("ON WHAT BASIS")].split())
    for name in ("out.zip", "datacite.json"):
        more = ("--format", "datacite") if name.startswith("data") else ()
        assert braid("export", run["peaks"], *more, "-o", name).code == 0
    assert f"it began with {run['scan']}" in Path("datacite.json").read_text()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("runs", "--server", "http://127.0.0.1:{port}"), "http://127.0.0.1:{port}"),
        (("runs", "--store", "postgresql://u@127.0.0.1:{port}/x"), "127.0.0.1 port {port}"),
        (("runs", "--store", "postgresql://u@nosuch.invalid/x"), "nosuch.invalid"),
        (("doctor", "--store", "postgresql://u@127.0.0.1:{port}/x"), "127.0.0.1:{port}"),
        (("doctor", "--server", "http://127.0.0.1:{port}"), "http://127.0.0.1:{port}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_server_that_is_away_is_told_with_its_address_and_no_class(
    braid: Braid, options: tuple[str, ...], named: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = braid(*(part.format(port=port) for part in options))
    said = answer.out + answer.err
    assert answer.code == 1
    assert named.format(port=port) in said
    assert "cannot be reached" in said
    assert not re.search(r"[A-Z]\w*Error|Errno|Timeout", said)


def test_a_restored_store_comes_with_what_to_do_next(braid: Braid, run: dict[str, str]) -> None:
    braid("store", "backup", "back.db")
    told = braid("store", "restore", "back.db").err
    assert "Check it: braid store check" in told
    assert "start the server again" in told
    assert "braid merge " in told


def test_a_full_statement_cuts_nothing_without_saying_so(braid: Braid, run: dict[str, str]) -> None:
    parameters = json.dumps({"words": "several words " * 40})
    step = ("record", "step", "Refine", "--input", run["peaks"], "--output", "fine=s3://b/f")
    braid(*step, "--parameters", parameters)
    found = json.loads(braid("records", "--name", "fine", "--format", "json").out)["records"]
    told = braid("statement", found[0]["id"], "--full").out
    assert "... (" in told
    assert 'What ends with "... (N characters)" is cut here' in told
