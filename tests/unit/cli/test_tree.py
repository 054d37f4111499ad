"""The command tree: complete, cheap to list, and as its tables say."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import braid
from braid.cli.lazy_group import LazyGroup, module_name
from braid.commands import command as root
from provenance_store.version import VERSION

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = ROOT / "braid" / "commands"
HEAVY = ("sqlalchemy", "alembic", "globus_sdk", "flask", "rich", "requests", "msgspec", "gunicorn")


def groups() -> Iterator[tuple[str, LazyGroup]]:
    def walk(path: str, group: LazyGroup) -> Iterator[tuple[str, LazyGroup]]:
        yield path, group
        context = click.Context(group)
        for name in group.list_commands(context):
            if (COMMANDS / path / module_name(name)).is_dir():
                found = group.get_command(context, name)
                assert isinstance(found, LazyGroup)
                yield from walk(f"{path}/{name}".lstrip("/"), found)

    assert isinstance(root, LazyGroup)
    yield from walk("", root)


def commands() -> list[tuple[str, str, str]]:
    return [
        (path, name, text)
        for path, group in groups()
        for name, text in group.commands_help.items()
        if not (COMMANDS / path / module_name(name)).is_dir()
    ]


def loaded_by(*args: str) -> set[str]:
    """Top-level packages in sys.modules after one command line, in a process of its own."""
    program = (
        "import sys\nfrom braid.__main__ import main\n"
        f"code = main({list(args)!r})\n"
        "print('MODULES', code, *sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    last = answer.stdout.splitlines()[-1].split()
    assert last[:2] == ["MODULES", "0"], answer.stderr
    return set(last[2:])


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["runs", "--help"], ["flow", "--help"]], ids=" ".join
)
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    assert loaded_by(*args).isdisjoint(HEAVY)


def test_every_module_is_listed_and_every_listed_command_is_a_module() -> None:
    for path, group in groups():
        found = {
            entry.stem
            for entry in (COMMANDS / path).iterdir()
            if entry.suffix == ".py" or (entry / "__init__.py").is_file()
        }
        assert found - {"__init__"} == set(map(module_name, group.commands_help)), path or "braid"


@pytest.mark.parametrize(("path", "name", "text"), commands(), ids=lambda value: value or "braid")
def test_a_command_says_of_itself_what_its_group_says(path: str, name: str, text: str) -> None:
    group = dict(groups())[path]
    found = group.get_command(click.Context(group), name)
    assert found is not None
    assert (found.help or "").splitlines()[0] == text


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert braid.__version__ == VERSION
