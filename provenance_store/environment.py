"""The environment of this process, to be kept with steps and model versions."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

__all__ = ["current_environment"]


@functools.cache
def current_environment() -> dict[str, Any]:
    """Hardware, software and code of the running process; the same object every time.

    ``code`` names the script with its SHA-256 when there is one. Nothing is taken from
    environment variables or from command-line arguments: they may hold secrets.
    """
    return {"hardware": _hardware(), "software": _software(), "code": _code()}


def _hardware() -> dict[str, Any]:
    machine = platform.uname()
    return {"host": machine.node, "machine": machine.machine, "cpu_count": os.cpu_count()}


def _software() -> dict[str, Any]:
    packages = {dist.metadata["Name"]: dist.version for dist in importlib.metadata.distributions()}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "packages": dict(sorted((name, version) for name, version in packages.items() if name)),
    }


def _code() -> dict[str, Any]:
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    if not script:
        return {}
    try:
        digest = hashlib.sha256(Path(script).read_bytes()).hexdigest()
    except OSError:
        return {"script": script}
    return {"script": script, "digest": f"sha256:{digest}"}
