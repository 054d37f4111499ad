"""Calling `braid` inside the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from braid.__main__ import main

__all__ = ["Answer", "Braid", "caller"]


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
