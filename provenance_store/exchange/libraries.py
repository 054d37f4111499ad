"""The libraries that only an exchange needs, imported when they are used and nowhere else."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from provenance_store.errors import MissingExtra
from provenance_store.extras import extra

__all__ = ["decoded", "prov_model", "provided", "quietly", "rocrate_library"]


def prov_model() -> Any:
    """The module ``prov.model``; raises MissingExtra when `prov` is not installed."""
    with extra("exchange", "PROV"):
        return importlib.import_module("prov.model")


def decoded(document: Mapping[str, Any]) -> Any:
    """The ``prov.model.ProvDocument`` of a value that is PROV-JSON, which stays as it is."""
    part = dict(document)
    if "bundle" in part:
        part["bundle"] = {name: dict(bundle) for name, bundle in part["bundle"].items()}
    found = prov_model().ProvDocument()
    importlib.import_module("prov.serializers.provjson").decode_json_document(part, found)
    return found


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of `prov`, which go to those who write documents."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def provided(format: str) -> None:
    """Raise MissingExtra when `prov` needs a further library for a format, such as lxml for XML."""
    serializers = importlib.import_module("prov.serializers")
    try:
        serializers.get(format)
    except serializers.DoNotExist:
        raise MissingExtra(
            f"PROV as {format.upper()} needs a library that is not installed: "
            f"pip install 'prov[{format}]'."
        ) from None


def rocrate_library() -> Any:
    """The module ``rocrate.rocrate``; raises MissingExtra when it is not installed."""
    with extra("exchange", "RO-Crate"):
        return importlib.import_module("rocrate.rocrate")
