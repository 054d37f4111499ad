"""Environments for one test each, to install into and to look at what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from tests.support.processes import ROOT

__all__ = ["Installed", "build_wheel", "make_environment", "uv"]

INSTALL_SECONDS = 600
RUN_SECONDS = 240
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("VIRTUAL")}
"""As this process was started: tests have homes of their own, where uv would find no cache."""


@dataclass(frozen=True)
class Installed:
    """A virtual environment; what runs in it sees nothing of this process's packages."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(
        self, *command: str, cwd: Path, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs: ``python``, ``braid``, … in a folder, with an empty HOME."""
        home = cwd / "home"
        home.mkdir(exist_ok=True)
        clean = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            **(environ or {}),
        }
        program = str(self.folder / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=cwd,
            env=clean,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )

    def install(self, *what: str) -> None:
        """Install more; fails the test with what uv says."""
        uv("pip", "install", "--python", str(self.python), *what)

    def packages(self) -> set[str]:
        """Names of what is installed, in lower case."""
        listed = uv("pip", "list", "--python", str(self.python), "--format", "freeze")
        return {line.partition("==")[0].lower() for line in listed.splitlines()}


def make_environment(folder: Path, *what: str, python: str = sys.executable) -> Installed:
    """A new environment with these requirements: names, ranges, files of wheels."""
    uv("venv", "--python", python, str(folder))
    made = Installed(folder)
    made.install(*what)
    return made


def build_wheel(source: Path, into: Path) -> Path:
    """The wheel of a source tree, built with the setuptools that is installed here."""
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir",
        str(into), str(source))  # fmt: skip
    (wheel,) = into.glob("*.whl")
    return wheel


def uv(*args: str) -> str:
    """Run uv; what it printed."""
    done = subprocess.run(
        [find_uv_bin(), "--quiet", *args],
        cwd=ROOT.parent,
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode:
        raise AssertionError(f"uv {' '.join(args)}: {done.stderr}")
    return done.stdout
