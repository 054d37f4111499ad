"""A provider and people to call it, for all tests as a user would."""

from __future__ import annotations

from tests.support.town import ada, bob, both_houses, carol, closing, house, town

__all__ = ["ada", "bob", "both_houses", "carol", "closing", "house", "town"]
