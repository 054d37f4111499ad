"""Display: text for people, JSON and CSV for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from braid.cli.output import ROWS, Display, Field, Form, in_words, json_text, printable, run_status
from provenance_store.batch import TABLES

DOCUMENT = {
    "runs": [
        {"run_id": "r1", "label": "short", "start_time": "2026-11-22T07:26:46.123456+00:00"},
        {"run_id": "r2", "label": "a, \x1b[31mlonger\x1b[0m one\n", "start_time": None},
    ],
    "has_next_page": True,
    "marker": "m1",
}
FIELDS = [
    Field("Run ID", "run_id"),
    Field("Label", "label"),
    Field("Started", "start_time", Form.TIME),
]


def test_plain_columns_are_aligned_and_more_is_announced_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Display("text").table(DOCUMENT, rows="runs", fields=FIELDS)
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["Run", "r1", "r2"]
    assert out.splitlines()[1].endswith("2026-11-22 07:26:46")
    assert "\x1b" not in out
    assert "--marker m1" in err


def test_many_tags_are_cut_in_a_table_and_whole_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    tags = {f"tag_{number}": [number, "x"] for number in range(20)}
    document, fields = {"records": [{"tags": tags}]}, [Field("Tags", "tags")]
    Display("text").table(document, rows="records", fields=fields)
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith('tag_0=[0, "x"], tag_1=[1, "x"]')
    assert line.endswith(", ...")
    assert len(line) <= 80
    Display("csv").table(document, rows="records", fields=fields)
    assert "tag_19" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (30, "ACTIVE"),
        (3_700, "ACTIVE, last heard of 1 hour ago"),
        (3 * 86_400 + 50_000, "ACTIVE, last heard of 3 days ago"),
    ],
)
def test_a_run_that_went_silent_is_shown_so(seconds: int, said: str) -> None:
    heard = datetime.now(UTC) - timedelta(seconds=seconds)
    assert run_status({"status": "ACTIVE", "last_heard_at": heard.isoformat()}) == said


def test_a_run_that_is_over_has_its_status_alone() -> None:
    assert run_status({"status": "FAILED", "last_heard_at": None}) == "FAILED"
    assert run_status({"status": None, "last_heard_at": None}) == ""


def test_json_is_the_document_itself(capsys: pytest.CaptureFixture[str]) -> None:
    Display("json").table(DOCUMENT, rows="runs", fields=FIELDS)
    out, err = capsys.readouterr()
    assert json.loads(out) == DOCUMENT
    assert err == ""


def test_csv_has_a_header_and_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    Display("csv").table(DOCUMENT, rows="runs", fields=FIELDS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run_id,label,started"
    assert lines[2].startswith('r2,"a, ')


def test_nothing_found_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Display("text").table({"runs": []}, rows="runs", fields=FIELDS, empty="No runs.")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "No runs.\n")


def test_details_leave_out_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    Display("text").details({"a": {"b": 1}, "c": None}, fields=[Field("B", "a.b"), Field("C", "c")])
    assert capsys.readouterr().out == "B: 1\n"


def test_a_name_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b]0;title\x07b\r\nc") == r"a\x1b]0;title\x07b  c"


def test_csv_holds_no_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    values = ["=1+1", "+x", "-cmd", "@x", "-1.5", "+2e3", "x=1"]
    document = {"rows": [{"a": value} for value in values]}
    Display("csv").table(document, rows="rows", fields=[Field("A", "a")])
    shown = capsys.readouterr().out.split()[1:]
    assert shown == ["'=1+1", "'+x", "'-cmd", "'@x", "-1.5", "+2e3", "x=1"]


def test_rows_of_every_table_have_a_word() -> None:
    assert set(ROWS) == {*TABLES, "parameter", "run", "taint"} - {"action"}
    assert in_words({"tag": 1200, "record": 1, "link": 0}) == "1 record, 1,200 tags"


HOSTILE = "\x1b[2J\x9b31m\x7f\u202egnp.exe\u2066\u2028\u061c\U000e0041\udcff"
"""A screen cleared, a colour, text shown from right to left, invisible letters, a lone byte."""
LETTERS = "Å 東京 ümläut 👩\u200d🔬 می\u200cخواهم"


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_no_format_writes_what_could_drive_a_terminal(
    format_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"rows": [{"a": HOSTILE, "tags": {HOSTILE: HOSTILE}, "list": [HOSTILE]}]}
    fields = [Field("A", "a"), Field("Tags", "tags"), Field("List", "list")]
    display = Display(format_)
    display.table(document, rows="rows", fields=fields)
    if format_ != "csv":
        display.details(document["rows"][0], fields=fields)
    out = capsys.readouterr().out
    assert not {c for c in out if not c.isprintable()} - {"\n"}
    assert r"\u202e" in out
    assert "gnp.exe" in out


def test_json_with_escapes_is_the_same_document() -> None:
    document = {HOSTILE: [HOSTILE, LETTERS, "\t\n\r"]}
    assert json.loads(json_text(document)) == document
    assert LETTERS in json_text(document)


def test_letters_of_all_scripts_stay() -> None:
    assert printable(LETTERS) == LETTERS
    assert printable("no\u00a0break") == "no break"
