"""What a command leaves behind and says of itself: files not made for nothing, words on what was
done."""

from __future__ import annotations

import json
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
    assert braid("merge", "bad.json", "--store", "new.db").code == 2
    assert braid("import", "bad.json", "--store", "new.db").code != 0
    assert [file.name for file in Path().iterdir()] == ["bad.json"]


def test_what_came_before_a_refusal_stays(braid: Braid, scan: str) -> None:
    assert braid("slice", "-o", "team.db").code == 0
    Path("bad.db").write_text("nothing")
    assert braid("merge", "team.db", "bad.db", "--store", "new.db").code == 2
    assert "scan-7" in braid("records", "--store", "new.db").out
