"""Calling `braid` inside the test's own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import click
import pytest

from braid.__main__ import main
from braid.commands import command as root

__all__ = ["Answer", "Braid", "caller", "every_command"]


class Answer(NamedTuple):
    """What a command line answered."""

    code: int
    out: str
    err: str


Braid = Callable[..., Answer]


def caller(capsys: pytest.CaptureFixture[str]) -> Braid:
    """A function to call as ``braid("runs", "--limit", 3)``."""

    def call(*args: object) -> Answer:
        code = main([str(arg) for arg in args])
        return Answer(code, *capsys.readouterr())

    return call


def every_command(
    found: click.Command = root, path: str = ""
) -> Iterator[tuple[str, click.Command]]:
    """Each command and group, the inner ones first, with its place in the tree."""
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            child = found.get_command(context, name)
            assert child is not None
            yield from every_command(child, f"{path} {name}".strip())
    yield path, found
