"""Fixtures of the whole suite: a clean environment, and real databases; and how it is run."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from provenance_store import Store, open_store
from tests.support.needs import missing
from tests.support.postgres import PostgresServer

SHARED_FLOWS = Path(__file__).parents[2] / "shared" / "flows"

settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.register_profile("exploring", deadline=None, print_blob=True)
settings.load_profile("steady")
"""The same examples in each run, however slow the machine; `--hypothesis-profile exploring` tries
others each time."""

MANY_PROCESSORS = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: three times as many as a small machine has processors, for many tests wait."""
    count = os.cpu_count() or 1
    return count if count >= MANY_PROCESSORS else 3 * count


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there now stays: the garbage collector need not look at it again in each test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own settings or home leaks into a test."""
    for name in list(os.environ):
        if name.startswith(("BRAID_", "GLOBUS_")):
            monkeypatch.delenv(name)
    # Whoever has loaded GNU readline, as pytest does, hands its width on to its children.
    monkeypatch.delenv("COLUMNS", raising=False)
    # Addresses in tests are of nobody; those of a test's own servers are asked where it says so.
    monkeypatch.setenv("BRAID_OFFLINE", "1")
    # Compiling all that it imports takes a child process longer than most of what it is asked.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process; skipped without one, unless CI asks for it."""
    server = PostgresServer.find()
    if server is None:
        missing("PostgreSQL is not installed (apt-get install postgresql)")
    with server:
        yield server


@pytest.fixture
def own_postgres() -> PostgresServer:
    """A PostgreSQL server, not started yet, that the test may stop; `with` starts it."""
    server = PostgresServer.find()
    if server is None or not server.is_ours:
        missing("there is no PostgreSQL here that a test may stop (apt-get install postgresql)")
    return server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: each test that asks runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    yield (url := server.new_database())
    server.discard(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(
    request: pytest.FixtureRequest, tmp_path: Path, new_store_file: Path
) -> Iterator[str]:
    """The URL of a new store, where the schema is and nothing else; on SQLite and PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(new_store_file, tmp_path / 'store.db')}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    yield (url := server.new_store())
    server.discard(url)


@pytest.fixture(scope="session")
def new_store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store, to be copied: that is quicker than to make another one."""
    file = tmp_path_factory.mktemp("new") / "store.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open, empty store."""
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_flows() -> Path:
    """The folder of real flow definitions; skipped where it is not there."""
    if not SHARED_FLOWS.is_dir():
        pytest.skip("the collection of real flow definitions is not here")
    return SHARED_FLOWS
