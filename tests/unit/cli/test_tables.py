"""Tables: they fit a terminal without breaking a word, and are whole in a pipe and in CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from braid.cli.output import Display, Field, Form
from braid.cli.tables import elided, elided_uri
from provenance_store.display import counted, duration, rounded, size
from tests.support.command_line import Braid, every_command

RUN = "{:08x}-191e-4c32-b650-8225bb5493a9"
URI = "globus://9fc1a226-0bff-4e00-9fad-1ce15ff7ba61/models/2026/bragg-peaks-{}.npz"
FIELDS = [
    Field("ID", "id", Form.WHOLE),
    Field("Name", "name"),
    Field("Loss", "loss", Form.WHOLE),
    Field("Made at", "at", Form.TIME, rank=1),
    Field("Run ID", "run_id", Form.RUN, rank=2),
    Field("Tags", "tags", rank=3),
    Field("URIs", "uri", Form.URIS, rank=4),
    Field("Status", "status", sparse=True),
    Field("URN", "urn", wide=True),
]


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"1.{number}",
        "name": f"fitted peaks of scan-{number}-which-has-a-name-of-one-very-long-word.h5",
        "loss": 0.0014018868926823375,
        "at": "2026-11-22T07:26:46.123456+00:00",
        "run_id": RUN.format(number),
        "tags": {"sample": "Ni", "temperature_K": 293.5},
        "uri": URI.format(number),
        "urn": f"urn:braid:{RUN.format(1)}:{number}",
        **more,
    }


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What a table of some rows looks like, on a terminal of so many columns or else in a pipe."""

    def show(rows: list[dict[str, Any]], *, columns: int | None = None, **asked: Any) -> Any:
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
        Display(**asked).table({"rows": rows}, rows="rows", fields=FIELDS)
        return capsys.readouterr()

    return show


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_fits_and_breaks_no_word(shown: Any, width: int) -> None:
    out, err = shown([row(n) for n in range(4)], columns=width)
    assert max(map(len, out.splitlines())) <= width
    words = {word for n in range(4) for value in row(n).values() for word in str(value).split()}
    words |= {"0.0014019", "sample=Ni,", "temperature_K=293.5", "2026-11-22", "07:26:46"}
    words |= {RUN.format(n)[:8] for n in range(4)} | {w for f in FIELDS for w in f.title.split()}
    assert [word for word in out.split() if "\u2026" not in word and word not in words] == []
    assert [line for line in out.splitlines() if line.endswith(" ")] == []
    assert max(map(len, err.splitlines()), default=0) <= width
    left_out = re.search(r"Left out to fit (\d+) columns: (.*?)\. --wide", " ".join(err.split()))
    assert (left_out is None) == (width == 200)
    if left_out is not None:
        assert left_out[1] == str(width)
        titles = {field.name: field.title for field in FIELDS}
        assert [titles[name] for name in left_out[2].split(", ") if titles[name] in out] == []
        assert left_out[2].endswith("uris")


def test_run_ids_are_shortened_where_that_tells_them_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    mine, alike = RUN.format(0), RUN.format(0).replace("8225", "8226")
    for other, length in ((RUN.format(1), 8), (alike, 36)):
        rows = [row(1, run_id=run) for run in (mine, other, "beamtime-2026-11-30")]
        display = Display(columns=("run_id",))
        display.table({"rows": rows}, rows="rows", fields=FIELDS)
        told = capsys.readouterr().out.split()[2:]
        assert told == [mine[:length], other[:length], "beamtime-2026-11-30"]


def test_a_pipe_gets_every_value_whole_but_long_numbers(shown: Any) -> None:
    title, line = shown([row(1)]).out.splitlines()
    assert title.split() == "ID Name Loss Made at Run ID Tags URIs".split()
    assert all(text in line for text in (row(1)["name"], RUN.format(1), URI.format(1)))
    assert " 0.0014019 " in line


def test_wide_shows_all_columns_that_have_something(shown: Any) -> None:
    out, err = shown([row(1)], columns=80, wide=True)
    assert row(1)["urn"] in out
    assert RUN.format(1) in out
    assert "Status" not in out
    assert err == ""
    assert "Status" in shown([row(1, status="FAILED"), row(2)], columns=80, wide=True).out


def test_an_id_inside_a_name_is_shown_by_its_beginning() -> None:
    assert elided(f"task-{RUN.format(7)}", 16) == "task-00000007…"


def test_a_uri_of_wide_characters_keeps_the_end_of_its_name() -> None:
    short = elided_uri("s3://" + "結晶回折測定" * 4 + ".h5", 32)
    assert cell_len(short) <= 32
    assert short.endswith("測定.h5")


def test_csv_has_everything_whole(shown: Any) -> None:
    (found,) = csv.DictReader(io.StringIO(shown([row(1)], format="csv").out))
    assert found["loss"] == "0.0014018868926823375"
    assert found["made_at"] == row(1)["at"]
    assert found["urn"] == row(1)["urn"]


def tables() -> Iterator[str]:
    """The commands that show a table, by their place in the tree."""
    for path, command in every_command():
        for option in command.params:
            if option.name == "format_" and "csv" in getattr(option.type, "choices", ()):
                yield path


@pytest.mark.parametrize("path", list(tables()))
def test_columns_of_every_table_can_be_chosen(path: str, braid: Braid) -> None:
    help_ = braid(*path.split(), "--help").out
    assert "--columns NAME,..." in help_
    assert "--wide" in help_


def test_a_column_that_is_none_is_refused_with_those_there_are(braid: Braid) -> None:
    braid("record", "fact", "setup", "--store", "braid.db")
    answer = braid("records", "--columns", "id,nmae")
    assert (answer.code, answer.out) == (2, "")
    assert "Unknown column 'nmae'; the columns are id, kind, name, version," in answer.err
    assert braid("records", "--columns", "kind, name").out.split() == "Kind Name fact setup".split()
    answer = braid("records", "--columns", "name", "--format", "csv")
    assert answer.out == "name\nsetup\n"
    assert braid("records", "--columns", "name", "--format", "json").code == 2


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (80, URI.format(1)),
        (60, "globus://9fc1a226\u2026/models/2026/bragg-peaks-1.npz"),
        (45, "globus://9fc1a226\u2026/\u2026/2026/bragg-peaks-1.npz"),
        (40, "globus://9fc1a226\u2026/\u2026/bragg-peaks-1.npz"),
        (36, "globus://\u2026/bragg-peaks-1.npz"),
        (20, "globus://\u2026/brag\u2026.npz"),
    ],
)
def test_a_uri_loses_its_middle_and_keeps_the_file(width: int, told: str) -> None:
    assert elided_uri(URI.format(1), width) == told


@given(uri=st.text(min_size=1), width=st.integers(1, 40))
def test_no_uri_is_wider_than_its_column(uri: str, width: int) -> None:
    from rich.cells import cell_len

    assert cell_len(elided_uri(uri, width)) <= max(width, 1)


def test_numbers_are_told_as_people_read_them() -> None:
    assert [rounded(x) for x in (0.0014018868926823375, 71.68, 8047.78, 1234567.891, 1e-05)] == [
        "0.0014019",
        "71.68",
        "8047.78",
        "1234568",
        "1e-05",
    ]
    assert [size(n) for n in (0, 1, 999, 1000, 81_070, 999_600, 2_100_000, 10**16)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1.0 kB",
        "81 kB",
        "1.0 MB",
        "2.1 MB",
        "10 PB",
    ]
    assert [
        duration(s) for s in (0, 0.0002, 0.04, 0.41, 9.96, 59.7, 72, 7_500, 3_600, 273_600, -72)
    ] == [
        "0.0 s",
        "under 1 ms",
        "40 ms",
        "0.4 s",
        "10 s",
        "1 min",
        "1 min 12 s",
        "2 h 5 min",
        "1 h",
        "3 d 4 h",
        "-1 min 12 s",
    ]
    assert [counted(n, "step") for n in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]
