"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from braid.commands import command

RECORDING = (
    *("record data", "record fact", "record model", "record step", "record promote"),
    "exec",
)


def options(path: str) -> dict[str, click.Option]:
    """The options of a command by name."""
    found: click.Command = command
    context = click.Context(found)
    for name in path.split():
        assert isinstance(found, click.Group)
        child = found.get_command(context, name)
        assert child is not None
        found = child
    return dict(_named(found))


def _named(found: click.Command) -> Iterator[tuple[str, click.Option]]:
    for option in found.params:
        if isinstance(option, click.Option):
            yield option.opts[-1], option


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        *((name, RECORDING) for name in ("--store", "--server", "--spool")),
        *((name, RECORDING[:3]) for name in ("--uri", "--file", "--depends-on", "--made-by")),
        *((name, (*RECORDING[:4], "exec")) for name in ("--run", "--tag")),
        ("--model", ("record step", "exec")),
        ("--strict", (*RECORDING[:4], "exec")),
        *((name, ("sandbox", "flow run")) for name in ("--collection", "--time-scale")),
        ("--port", ("serve", "sandbox")),
    ],
)
def test_an_option_means_the_same_wherever_it_is(name: str, commands: tuple[str, ...]) -> None:
    said = {(options(path)[name].help, options(path)[name].type.name) for path in commands}
    assert len(said) == 1


def test_each_server_has_a_port_of_its_own() -> None:
    assert [options(path)["--port"].default for path in ("serve", "sandbox")] == [8000, 8090]
