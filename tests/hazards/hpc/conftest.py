"""A provider for remote recorders."""

from __future__ import annotations

from tests.support.town import ada, house, town

__all__ = ["ada", "house", "town"]
