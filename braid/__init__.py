"""The `braid` command line: one short file a command, at its path under `braid.commands`."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
