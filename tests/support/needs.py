"""What a test needs and does not find."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import NoReturn

import pytest

__all__ = ["missing", "need_module"]


def missing(reason: str) -> NoReturn:
    """Skip the test; where continuous integration runs, everything has to be there: fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def need_module(name: str) -> ModuleType:
    """A module of one of our extras; without it the tests that need it are skipped or fail."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"{name} is not installed")
