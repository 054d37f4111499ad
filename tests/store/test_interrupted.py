"""Ctrl-C in the middle of a long statement: it leaves as Ctrl-C, and nothing was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from provenance_store.opening import open_store
from provenance_store.store import Store


def interrupt_at(store: Store, words: str) -> None:
    """Have what begins with these words stopped by Ctrl-C."""

    @event.listens_for(store.sink.session.engine, "after_cursor_execute")
    def _stop(_: object, __: object, statement: str, *more: Any) -> None:
        if statement.startswith(words):
            raise KeyboardInterrupt


@pytest.fixture
def team(tmp_path: Path) -> Path:
    file = tmp_path / "team.db"
    with open_store(f"sqlite:///{file}") as store:
        store.data("scan")
    return file


def test_a_merge_that_is_stopped_leaves_the_store_as_it_was(team: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'own.db'}") as store:
        interrupt_at(store, "INSERT INTO main.record ")
        with pytest.raises(KeyboardInterrupt):
            store.merge(team)
        assert store.info()["tables"]["record"] == 0
        assert store.check() == []


def test_a_slice_that_is_stopped_leaves_no_file(team: Path, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{team}") as store:
        interrupt_at(store, "INSERT INTO slice.record ")
        with pytest.raises(KeyboardInterrupt):
            store.slice(tmp_path / "slice.db")
    assert [file.name for file in tmp_path.iterdir()] == ["team.db"]
