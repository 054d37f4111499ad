"""Whether an MPI launcher started this process."""

from __future__ import annotations

import pytest

from hpc.mpi.launch import Launched, launched
from hpc.settings import LAUNCHER_VARIABLES


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for pair in LAUNCHER_VARIABLES:
        for variable in pair:
            monkeypatch.delenv(variable.name, raising=False)


def test_a_process_started_by_itself_is_in_no_job() -> None:
    assert launched() is None


@pytest.mark.parametrize("pair", LAUNCHER_VARIABLES, ids=lambda pair: pair[0].name)
def test_launchers_tell_by_their_variables(monkeypatch: pytest.MonkeyPatch, pair: object) -> None:
    rank, ranks = pair  # type: ignore[misc]
    monkeypatch.setenv(rank.name, "3")
    assert launched() is None
    monkeypatch.setenv(ranks.name, "8")
    assert launched() == Launched(3, 8)


def test_a_job_of_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "1")
    assert launched() is None
