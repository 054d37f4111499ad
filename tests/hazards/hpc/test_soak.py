"""The soak of `make soak`, for a short while."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mpi import ROOT, need_mpi

SOAK = ROOT / "benchmarks" / "soak.py"


@pytest.mark.slow
def test_faults_in_between_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    need_mpi()
    command = [sys.executable, str(SOAK), "--minutes", "0.05", "--folder", str(tmp_path / "soak")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "records acknowledged" in ran.stdout
