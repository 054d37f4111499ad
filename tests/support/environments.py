"""Virtual environments with other libraries than ours, made once from a package index.

They are kept in BRAID_TEST_ENVIRONMENTS, by default a folder under the system's temporary one, in
a folder for each list of requirements. Several test processes may ask for the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tests.support.installing import uv
from tests.support.processes import ROOT

__all__ = ["SCRIPTS", "Environment", "environment", "requirements_of"]

FOLDER = Path(
    os.environ.get("BRAID_TEST_ENVIRONMENTS")
    or Path(tempfile.gettempdir()) / f"braid-test-environments-{os.getuid()}"
)
SCRIPTS = ROOT / "tests" / "clients"
INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


class Environment:
    """A Python with libraries of its own; what it runs has `environ` besides a new home."""

    def __init__(self, python: Path, home: Path, environ: Mapping[str, str]) -> None:
        self.python = python
        self.home = home
        self.environ = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environ |= {"HOME": str(home), "PYTHONWARNINGS": "error", **environ}

    def arguments(self, *arguments: object) -> list[str]:
        """A command line of this Python."""
        return [str(self.python), *map(str, arguments)]

    def call(
        self, *arguments: object, given: str | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run this Python to its end in the home folder."""
        return subprocess.run(
            self.arguments(*arguments),
            cwd=self.home,
            env=self.environ | environ,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def script(self, name: str, *arguments: str, **environ: str) -> dict[str, Any]:
        """What a script of tests/clients printed, as JSON."""
        done = self.call(SCRIPTS / f"{name}.py", *arguments, **environ)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def braid(self, *arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run our own command line from this tree."""
        return self.call("-m", "braid", *arguments, PYTHONPATH=str(ROOT), **environ)


def requirements_of(*names: str) -> list[str]:
    """Our own requirements of libraries with these names, with their versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = [
        *project["dependencies"],
        *chain.from_iterable(project["optional-dependencies"].values()),
    ]
    by_name = {re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]: text for text in known}
    return [by_name[name] for name in names]


def environment(requirements: Sequence[str]) -> Path:
    """The Python of the environment with these requirements, which is made when it is missing."""
    text = "\n".join([sys.version, *sorted(requirements)])
    folder = FOLDER / hashlib.sha256(text.encode()).hexdigest()[:16]
    python, complete = folder / "bin" / "python", folder / "complete"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            uv("venv", "--python", sys.executable, str(folder))
            uv("pip", "install", "--python", str(python), *requirements)
            complete.write_text(text)
    return python
