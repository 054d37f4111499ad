"""The example in the docstring of each recording call runs as it is shown."""

from __future__ import annotations

import doctest
import inspect
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import braid
from braid.reference import sections
from provenance_store.store import Store

SECTIONS_WITHOUT = {"Ask about the history", "Go through what was found"}
"""Sections whose calls only read."""
NOT_RUN = {
    "hpc.remote": "needs a server and a token; tests/hpc/test_remote.py has both",
    "hpc.aggregated": "needs mpiexec; tests/hpc runs it",
    "hpc.workers": "needs mpiexec; tests/hpc runs it",
}
"""Calls whose examples are only read as Python, and why."""
CALLS = [
    pytest.param(name, call, id=name)
    for section in sections()
    if section.title not in SECTIONS_WITHOUT
    for name, call in section.calls
]
FILES = ("scan-18.h5", "peaks-17.csv", "weights.pt")


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What every example has at hand: docs/reference/python.md says so."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_text(name)
    with braid.open_store("braid.db") as store:
        yield {"braid": braid, **given(store)}


def given(store: Store) -> dict[str, Any]:
    scan = store.data("scan-17")
    model = store.model("braggnn")
    version = model.update([scan], metrics=[{"epoch": 1, "loss": 0.5}])
    return {"store": store, "scan": scan, "model": model, "version": version}


def example_of(name: str, call: Callable[..., Any]) -> doctest.DocTest:
    text = inspect.getdoc(call) or ""
    return doctest.DocTestParser().get_doctest(text, {}, name, None, None)


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_each_recording_call_has_an_example_that_uses_it(
    name: str, call: Callable[..., Any]
) -> None:
    shown = "".join(example.source for example in example_of(name, call).examples)
    compile(shown, name, "exec")
    assert f"{name.rpartition('.')[2]}(" in shown


@pytest.mark.parametrize(("name", "call"), [case for case in CALLS if case.id not in NOT_RUN])
def test_the_example_runs_and_shows_what_it_says(
    name: str, call: Callable[..., Any], names: dict[str, Any]
) -> None:
    example = example_of(name, call)
    example.globs = names
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    runner.run(example, out=said.write)
    assert runner.tries > 0
    assert runner.failures == 0, said.getvalue()


def test_only_calls_of_the_reference_are_excused() -> None:
    assert set(NOT_RUN) <= {str(case.id) for case in CALLS}
    assert {section.title for section in sections()} >= SECTIONS_WITHOUT
