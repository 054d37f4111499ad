"""`braid mascot`: what it shows, and the figure of `--sweep`."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.command_line import Braid

SMALL = ("-C", 6, "-M", 4, "-N", 2, "-E", 5)


@pytest.mark.parametrize("commit", ["load", "batch", "each"])
def test_it_tells_entries_as_published_and_rows_as_stored(braid: Braid, commit: str) -> None:
    answer = braid("mascot", *SMALL, "--commit", commit, "--format", "json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["entries"] == 142
    assert told["counts"] == {"record": 28, "version": 12, "uri": 48, "link": 82}


def test_a_sweep_writes_the_points_and_draws_them(braid: Braid, tmp_path: Path) -> None:
    answer = braid("mascot", "--sweep", "figure", "--up-to", 11_000, "--format", "json")
    assert answer.code == 0, answer.err
    points = json.loads(answer.out)["points"]
    assert [(point["commit"], point["entries"]) for point in points] == [
        ("none", 3460),
        ("each", 3460),
        ("none", 10920),
        ("each", 10920),
    ]
    with (tmp_path / "figure" / "mascot.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["rows_per_second"]) for line in lines] == [
        point["rows_per_second"] for point in points
    ]
    drawn = ElementTree.parse(tmp_path / "figure" / "mascot.svg").getroot()
    assert drawn.tag.endswith("svg")
    assert (tmp_path / "figure" / "mascot.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "figure").iterdir()) == [
        "mascot.csv",
        "mascot.png",
        "mascot.svg",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--sweep", "figure", "-C", 5), "-C"),
        (("--sweep", "figure", "--store", "x.db"), "--store"),
        (("--sweep", "figure", "--up-to", 20), "3,460"),
        (("--up-to", 5000), "--sweep"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    braid: Braid, tmp_path: Path, wrong: tuple[object, ...], said: str
) -> None:
    answer = braid("mascot", *wrong)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "braid.db").exists()


def test_without_matplotlib_it_is_said_before_anything_is_measured(
    braid: Braid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    answer = braid("mascot", "--sweep", "figure")
    assert answer.code == 2
    assert "braid-provenance[plot]" in answer.err
    assert not (tmp_path / "figure").exists()
