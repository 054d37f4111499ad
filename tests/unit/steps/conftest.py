"""Fixtures of the tests of steps."""

from __future__ import annotations

import pytest

from tests.unit.steps.room import Room


@pytest.fixture
def room() -> Room:
    return Room()
