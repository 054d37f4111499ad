"""A little science in a store, for the tests of statements."""

from __future__ import annotations

import pytest

from provenance_store import Store
from tests.support.science import Science, some_science


@pytest.fixture
def science(store: Store) -> Science:
    return some_science(store)
