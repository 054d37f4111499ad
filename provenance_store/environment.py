"""The environment of this process, to be kept with steps and model versions."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provenance_store.measuring import measure
from provenance_store.undecoded import escaped

__all__ = ["current_environment", "hardware", "read_parts", "system"]


@functools.cache
def current_environment() -> dict[str, Any]:
    """Hardware, software and code of the running process; the same object every time.

    ``code`` names the script with its SHA-256 when there is one. Nothing is taken from
    environment variables or from command-line arguments: they may hold secrets. A part that
    cannot be read says so in ``unreadable``.
    """
    return read_parts({"hardware": hardware, "software": _software, "code": _code})


def read_parts(parts: Mapping[str, Callable[[], dict[str, Any]]]) -> dict[str, Any]:
    """What each part says; one that cannot be read says why in ``unreadable``. Never raises."""
    return {name: _read(part) for name, part in parts.items()}


def hardware() -> dict[str, Any]:
    """This machine: its name, architecture and number of CPUs."""
    machine = platform.uname()
    return {"host": machine.node, "machine": machine.machine, "cpu_count": os.cpu_count()}


def system() -> str:
    """The operating system with its version."""
    return f"{platform.system()} {platform.release()}"


def _read(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A part of the environment. Whatever is wrong with an installation, nobody's record is lost
    for it."""
    try:
        return part()
    except Exception as error:
        return {"unreadable": f"{type(error).__name__}: {escaped(str(error))[:200]}"}


def _software() -> dict[str, Any]:
    return {"python": platform.python_version(), "system": system(), "packages": _packages()}


def _packages() -> dict[str, str]:
    """The versions of what is installed; without what has no readable metadata."""
    import importlib.metadata  # as slow to import as all of the recorder

    found = {}
    for distribution in importlib.metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except Exception:  # Half-removed or damaged: any error, and of that package alone.
            continue
        if isinstance(name, str) and isinstance(version, str):
            found[name] = version
    return dict(sorted(found.items()))


def _code() -> dict[str, Any]:
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if not script:
        return {}
    digest = measure(Path(script)).digest
    return {"script": escaped(script)} | ({"digest": digest} if digest else {})
