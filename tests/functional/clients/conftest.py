"""A sandbox, and environments with other versions of Globus' clients to drive it from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.sandbox import Client, Sandbox
from tests.support.environments import Environment, environment, requirements_of
from tests.support.town import ada, house, town

__all__ = ["ada", "house", "town"]

SDK_4 = "globus-sdk==4.10.0"
CLI = "globus-cli==3.44.0"
CORE = ("alembic", "click", "msgspec", "python-jsonpath", "rich", "simpleeval", "sqlalchemy")
SANDBOX = ("flask", "waitress", "jsonschema")
"""What our own package needs where it records and where it has a sandbox."""


@pytest.fixture(scope="session")
def sdk_4_python() -> Path:
    return environment([SDK_4, "responses", *requirements_of(*CORE, *SANDBOX)])


@pytest.fixture(scope="session")
def cli_python() -> Path:
    return environment([CLI])


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(time_scale=0.001) as running:
        yield running


@pytest.fixture
def account(sandbox: Sandbox) -> Client:
    """A service account."""
    return sandbox.add_client("A service account")


@pytest.fixture(params=["3", pytest.param("4", marks=[pytest.mark.install, pytest.mark.core])])
def sdk(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Environment:
    """Where globus-sdk 3, that of this process, or 4 is pointed at the sandbox."""
    if request.param == "3":
        return Environment(Path(sys.executable), tmp_path, sandbox.environ())
    python: Path = request.getfixturevalue("sdk_4_python")
    return Environment(python, tmp_path, sandbox.environ())


@pytest.fixture
def sdk_4(sdk_4_python: Path, tmp_path: Path) -> Environment:
    """Where globus-sdk is 4, and points nowhere."""
    return Environment(sdk_4_python, tmp_path, {})
