"""The libraries that only an exchange needs, imported when they are used and nowhere else."""

from __future__ import annotations

import importlib
from typing import Any

from provenance_store.extras import extra

__all__ = ["prov_model", "rocrate_library"]


def prov_model() -> Any:
    """The module ``prov.model``; raises MissingExtra when `prov` is not installed."""
    with extra("exchange", "PROV"):
        return importlib.import_module("prov.model")


def rocrate_library() -> Any:
    """The module ``rocrate.rocrate``; raises MissingExtra when it is not installed."""
    with extra("exchange", "RO-Crate"):
        return importlib.import_module("rocrate.rocrate")
