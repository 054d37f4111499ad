"""A little science in a store, for the tests of statements; another store to bring things to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provenance_store import Store, open_store
from tests.support.science import Science, some_science


@pytest.fixture
def science(store: Store) -> Science:
    return some_science(store)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as opened:
        yield opened
