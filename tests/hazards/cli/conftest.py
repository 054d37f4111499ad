"""Command lines run in this process, in an empty folder."""

from __future__ import annotations

from tests.functional.cli.conftest import braid

__all__ = ["braid"]
