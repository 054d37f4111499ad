"""Being somebody whom permissions hold, for tests that may run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["as_anybody"]

NOBODY = 65534


@contextmanager
def as_anybody() -> Iterator[None]:
    """While it is open, this process is no root."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
