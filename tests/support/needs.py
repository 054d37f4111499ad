"""What a test needs and does not find."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["missing"]


def missing(reason: str) -> NoReturn:
    """Skip the test; where continuous integration runs, everything has to be there: fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
