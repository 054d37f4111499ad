"""The wheel in an environment of its own, far from the source tree: the demo runs from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.installing import make_environment

pytestmark = [pytest.mark.install, pytest.mark.core]


def test_the_demo_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    made = make_environment(tmp_path / "env", f"braid-provenance[demo] @ {wheel.as_uri()}")
    ran = made.run("braid", "demo", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "braid-demo").is_dir()
    shown = made.run("braid", "runs", "--store", "braid-demo/braid.db", cwd=tmp_path)
    assert "SUCCEEDED" in shown.stdout
