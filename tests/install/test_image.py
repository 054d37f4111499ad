"""The container image, by its files: what `.dockerignore` and `COPY` leave makes a whole wheel.

No container engine is needed: the Dockerfile's own COPY lines are carried out on a tree from which
`.dockerignore` has taken what it takes, and what its RUN lines install is installed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.installing import Installed, build_wheel, make_environment
from tests.support.processes import ROOT

pytestmark = [pytest.mark.install, pytest.mark.core]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def image(source: Path, dockerfile: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What the image holds of Python packages."""
    folder = tmp_path_factory.mktemp("image")
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    context, built = folder / "context", folder / "src"
    context.mkdir()
    built.mkdir()
    for name in allowed:
        _copy(source / name, context / name)
    for line in re.findall(r"^COPY (?!--)(.+)$", dockerfile, re.MULTILINE):
        *names, target = line.split()
        for name in names:
            into = built / (target if (context / name).is_dir() else name)
            _copy(context / name, into)
    wheel = build_wheel(built, folder / "wheels")
    locks = re.search(r"--require-hashes --no-deps \\\n\s+--requirement (\S+)", dockerfile)
    assert locks is not None
    made = make_environment(
        folder / "env", "--require-hashes", "--no-deps", "--requirement", str(built / locks[1])
    )
    made.install("--no-deps", str(wheel))
    return made


def _copy(what: Path, to: Path) -> None:
    if what.is_dir():
        shutil.copytree(what, to)
    else:
        shutil.copyfile(what, to)


def test_each_command_of_the_image_starts(image: Installed, tmp_path: Path) -> None:
    from braid.commands import COMMANDS

    for name in COMMANDS:
        ran = image.run("braid", name, "--help", cwd=tmp_path)
        assert ran.returncode == 0, (name, ran.stderr)


@pytest.mark.parametrize(
    "call",
    [
        ("store", "init"),
        ("record", "data", "scan-17"),
        ("exec", "--", "true"),
        ("spool", "load", "spool"),
        ("mascot", "-C", "3", "-M", "2", "-N", "1", "-E", "2", "-U", "1"),
        ("export", "--run", "x", "--format", "prov-json"),
    ],
)
def test_commands_of_hpc_and_exchange_work_in_the_image(
    image: Installed, tmp_path: Path, call: tuple[str, ...]
) -> None:
    (tmp_path / "spool").mkdir()
    image.run("braid", "store", "init", cwd=tmp_path)
    ran = image.run("braid", *call, cwd=tmp_path)
    assert "pip install" not in ran.stderr
    assert "unexpected" not in ran.stderr


def test_the_server_of_the_image_has_what_it_imports(image: Installed, tmp_path: Path) -> None:
    code = (
        "import action_provider.app, braid.web_server.server, psycopg, globus_action_provider_tools"
    )
    ran = image.run("python", "-c", code, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_the_base_image_is_pinned(dockerfile: str) -> None:
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert bases
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases[0])
