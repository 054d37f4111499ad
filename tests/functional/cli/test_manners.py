"""What a command leaves behind and says of itself: files not made for nothing, words on what was
done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Braid


@pytest.fixture
def scan(braid: Braid) -> str:
    """A record in the store here."""
    return braid("record", "data", "scan-7").out.strip()


def test_a_dry_run_makes_no_store(braid: Braid, scan: str) -> None:
    assert braid("slice", "-o", "team.db").code == 0
    assert braid("export", "--all", "-o", "team.json").code == 0
    before = sorted(Path().iterdir())
    assert braid("merge", "team.db", "--store", "new.db", "--dry-run").code == 0
    assert braid("import", "team.json", "--store", "new.db", "--dry-run").code == 0
    assert sorted(Path().iterdir()) == before
    assert braid("import", "team.json", "--store", "new.db").code == 0
    assert braid("records", "--store", "new.db").out.count("scan-7") == 1


def test_a_refusal_makes_no_store(braid: Braid) -> None:
    Path("bad.json").write_text("[1]")
    assert braid("merge", "bad.json", "--store", "new.db").code == 1
    assert braid("import", "bad.json", "--store", "new.db").code == 1
    assert [file.name for file in Path().iterdir()] == ["bad.json"]


def test_what_came_before_a_refusal_stays(braid: Braid, scan: str) -> None:
    assert braid("slice", "-o", "team.db").code == 0
    Path("bad.db").write_text("nothing")
    assert braid("merge", "team.db", "bad.db", "--store", "new.db").code == 1
    assert "scan-7" in braid("records", "--store", "new.db").out


def test_an_invalidation_says_what_it_did(braid: Braid, scan: str) -> None:
    call = ("invalidate", scan, "--cause", "misaligned")
    braid("record", "data", "peaks", "--depends-on", scan)
    assert braid(*call, "--dry-run").out.endswith("\nNothing was marked (dry run).\n")
    told = braid(*call, "--yes").out.splitlines()[-1]
    assert told.startswith("Marked as invalid: scan-7 [data ")
    assert told.endswith(", and 1 record that derives from it.")
    again = braid("invalidate", scan, "--cause", "and late", "--yes").out
    assert "Invalid so far:  misaligned" in again
    assert again.splitlines()[-1].startswith("Marked once more as invalid: scan-7")
    undone = braid("invalidate", scan, "--undo", "--yes").out
    assert undone.splitlines()[-1].startswith("Restored scan-7 ")
    valid = braid("invalidate", scan, "--undo", "--yes")
    assert (valid.code, valid.err.endswith(" is not invalid.\n")) == (1, True)


def test_after_the_question_nothing_is_told_twice(
    braid: Braid, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    told = braid("invalidate", scan, "--cause", "misaligned").out
    assert told.count("scan-7") == 2
    assert told.count("Cause:") == 1


def test_an_input_that_is_not_there_stops_no_command(braid: Braid) -> None:
    ran = braid("exec", "--input", "nofile", "--", "true")
    assert ran.code == 0
    assert ran.err == "braid: nofile is not there: recorded without size and digest.\n"
    assert "nofile" in braid("records").out


@pytest.mark.parametrize("command", [("export", "--format", "prov-n"), ("statement",)])
def test_a_file_that_is_written_is_named(braid: Braid, scan: str, command: tuple[str]) -> None:
    answer = braid(*command, scan, "-o", "made.txt")
    assert (answer.code, answer.out, answer.err) == (0, "", "Wrote made.txt.\n")
    assert Path("made.txt").exists()


def test_a_store_that_cannot_be_opened_is_named(braid: Braid, tmp_path: Path) -> None:
    assert braid("records", "--store", tmp_path).err == (
        f"braid: {tmp_path} is a folder; a store is a file.\n"
    )


def test_a_file_that_names_no_record_is_named(braid: Braid, scan: str) -> None:
    Path("own.txt").write_text("own")
    answer = braid("digest", "own.txt")
    assert answer.code == 1
    assert "own.txt" in answer.out


def test_of_many_differences_the_first_are_told(braid: Braid) -> None:
    before: list[str] = []
    for number in range(12):
        depends = ["--depends-on", before[-1]] if before else []
        before.append(braid("record", "data", f"data-{number}", *depends).out.strip())
    assert braid("statement", before[-1], "--format", "json", "-o", "made.json").code == 0
    assert braid("store", "init", "--store", "empty.db").code == 0
    answer = braid("statement", "verify", "made.json", "--store", "empty.db")
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert "  12 of the 12 records are not in the store." in lines
    assert lines[-2].endswith(" more; --format json has all of them.")
    assert len(lines) == 17


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "it is nested too deeply"),
        ("# Statement", "verify takes the JSON form of a statement"),
        ("{", "it is not JSON: "),
    ],
)
def test_what_is_no_json_statement_is_told_so(braid: Braid, text: str, said: str) -> None:
    Path("made").write_text(text)
    answer = braid("statement", "verify", "made")
    assert (answer.code, said in answer.err) == (1, True)
