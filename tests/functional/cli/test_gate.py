"""A shell records what it has: of a value that cannot be kept as it is, what can be said of it."""

from __future__ import annotations

import pytest

from provenance_store import open_store
from tests.support.command_line import Braid
from tests.support.entrances import kept_of, noted
from tests.support.values import Case, of_field


def named(case: Case) -> str:
    return f"{case.field}-{case.name}"


def shell_cases() -> list[Case]:
    """Texts that an argument can hold."""
    texts = [c for c in of_field("name", "tag", "tag name", "uri") if type(c.value) is str]
    return [c for c in texts if "\x00" not in c.value and "\ud800" not in c.value and c.value != ""]


def line(case: Case) -> list[str]:
    """The command line that records a value in its field."""
    options = {
        "tag": ["--tag", f"t:str={case.value}"],
        "tag name": ["--tag", f"{case.value}=1"],
        "uri": ["--uri", case.value],
    }
    name = case.value if case.field == "name" else "x"
    return ["record", "data", *options.get(case.field, []), "--", name]


@pytest.mark.parametrize("case", shell_cases(), ids=named)
def test_a_shell_records_as_a_script_does(braid: Braid, case: Case) -> None:
    answer = braid(*line(case))
    assert answer.code == 0, answer.err
    with open_store("sqlite:///braid.db") as store:
        urn = answer.out.strip()
        assert case.matches(kept_of(store, urn, case.field))
        assert (noted(store, urn) is None) == case.strict


@pytest.mark.parametrize("case", [c for c in shell_cases() if not c.strict], ids=named)
def test_a_strict_shell_is_told_and_nothing_is_written(braid: Braid, case: Case) -> None:
    answer = braid(*line(case)[:2], "--strict", *line(case)[2:])
    assert answer.code in (1, 2)
    assert answer.out == ""
    with open_store("sqlite:///braid.db") as store:
        assert store.info()["tables"]["record"] == 0
