"""A provider and somebody to call it."""

from __future__ import annotations

from tests.support.town import ada, bob, both_houses, house, town

__all__ = ["ada", "bob", "both_houses", "house", "town"]
