"""Errors: one line, the right exit code, no trace."""

from __future__ import annotations

import click
import pytest

import braid.cli.errors
from braid.cli.errors import describe, exit_code, report
from provenance_store import errors as tree
from provenance_store.errors import (
    Ambiguous,
    BraidError,
    ConfigurationError,
    InvalidInput,
    NotFound,
    TooLarge,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("No."), 2),
        (TooLarge("No."), 2),
        (InvalidInput("No such state.", path="$.States.A"), 1),
        (ConfigurationError("Set it."), 2),
        (click.UsageError("Give a name."), 2),
        (NotFound("Gone."), 1),
        (OSError(2, "No such file or directory", "x.json"), 1),
        (KeyError("x"), 1),
    ],
    ids=repr,
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize("name", [name for name in tree.__all__ if name != "BraidError"])
def test_every_error_is_one_sentence_on_one_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error = getattr(tree, name)()
    assert isinstance(error, BraidError)
    assert report(error) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("braid: ")
    assert err.count("\n") == 1


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    report(NotFound("one\n  two\r\nthree"))
    assert capsys.readouterr().err == "braid: one two three\n"


def test_an_ambiguous_name_is_answered_with_the_choices() -> None:
    assert describe(Ambiguous("Two fit.", choices=["1.2", "1.3"])).endswith("1.2, 1.3.")


def test_an_unexpected_error_tells_how_to_see_the_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def boom() -> None:
        raise ValueError("secret\nsecond line")

    with pytest.raises(ValueError, match="secret") as caught:
        boom()
    monkeypatch.delenv("BRAID_DEBUG", raising=False)
    assert report(caught.value) == 1
    err = capsys.readouterr().err
    assert "unexpected ValueError: secret" in err
    assert "BRAID_DEBUG=1" in err
    assert "Traceback" not in err
    monkeypatch.setenv("BRAID_DEBUG", "1")
    report(caught.value)
    assert "Traceback" in capsys.readouterr().err


def test_the_table_ends_with_everything() -> None:
    assert braid.cli.errors.EXIT_CODES[-1] == (BaseException, 1)


def test_what_an_error_quotes_cannot_drive_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAID_DEBUG", "1")
    report(NotFound("There is no record \x9b2J\u202e7.1\x1b[0m."))
    err = capsys.readouterr().err
    assert r"There is no record \x9b2J\u202e7.1\x1b[0m." in err.splitlines()[0]
    assert not {c for c in err if not c.isprintable()} - {"\n"}
