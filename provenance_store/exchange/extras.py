"""The libraries that only an exchange needs, imported when they are used and nowhere else."""

from __future__ import annotations

import importlib
from typing import Any

from provenance_store.errors import ConfigurationError

__all__ = ["prov_model", "rocrate_library"]


def prov_model() -> Any:
    """The module ``prov.model``; raises ConfigurationError when `prov` is not installed."""
    return _imported("prov.model", "PROV")


def rocrate_library() -> Any:
    """The module ``rocrate.rocrate``; raises ConfigurationError when it is not installed."""
    return _imported("rocrate.rocrate", "RO-Crate")


def _imported(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"{what} needs the library {name.partition('.')[0]} ({error}): "
            "pip install 'braid-provenance[exchange]'"
        ) from None
