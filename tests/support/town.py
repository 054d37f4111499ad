"""Fixtures: one set of Globus stand-ins with people for all tests, and a provider for each.

A conftest imports those that the tests of its folder ask for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.sandbox import Sandbox
from tests.functional.provider.house import House, Person, Town, serving

__all__ = ["ada", "bob", "both_houses", "carol", "closing", "house", "town"]


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    """Globus stand-ins, with the provider registered; a second there is a millisecond here."""
    with Sandbox(time_scale=0.001) as sandbox:
        yield Town(sandbox)


@pytest.fixture
def house(town: Town, tmp_path: Path, new_store_file: Path) -> Iterator[House]:
    """A provider over an empty SQLite store."""
    file = shutil.copy(new_store_file, tmp_path / "store.db")
    with serving(f"sqlite:///{file}", town.environ()) as house:
        yield house


@pytest.fixture
def both_houses(town: Town, store_url: str) -> Iterator[House]:
    """A provider over an empty store: on SQLite, then on PostgreSQL."""
    with serving(store_url, town.environ()) as house:
        yield house


@pytest.fixture(scope="session")
def ada(town: Town) -> Person:
    return town.person("ada")


@pytest.fixture(scope="session")
def bob(town: Town) -> Person:
    return town.person("bob")


@pytest.fixture(scope="session")
def carol(town: Town) -> Person:
    return town.person("carol")


@pytest.fixture
def closing() -> Iterator[list[Any]]:
    """Clients to close after the test."""
    clients: list[Any] = []
    yield clients
    for client in clients:
        client.transport.session.close()
