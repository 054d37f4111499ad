"""Command lines run in this process, in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Braid, caller


@pytest.fixture
def braid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Braid:
    """Call ``braid("runs", "--limit", 3)`` as a user would in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return caller(capsys)
