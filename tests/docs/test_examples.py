"""The example in the docstring of each call of the reference runs as it is shown."""

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

NOT_RUN = {
    "hpc.remote": "needs a server and a token; tests/hpc/test_remote.py has both",
    "hpc.aggregated": "needs mpiexec; tests/hpc runs it",
    "hpc.workers": "needs mpiexec; tests/hpc runs it",
}
"""Calls whose examples are only read as Python, and why."""
READING = {
    name
    for section in sections()
    if section.title in ("Ask about the history", "Go through what was found")
    for name, _ in section.calls
}
"""Calls whose examples read one history, which all of them share: they write nothing."""
CALLS = [
    pytest.param(name, call, id=name) for section in sections() for name, call in section.calls
]
RUN_ID = "8c1f2d3e-5a0f-4f3b-9c39-6f1c1a7f0d11"
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


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """What the examples of reading calls find: docs/reference/python.md describes it."""
    with braid.open_store(tmp_path_factory.mktemp("history") / "braid.db") as store:
        scan = store.data("scan-17", tags={"sample": "Ni", "temperature_K": 293.5})
        empty = store.data("scan-18", tags={"sample": "Ti", "temperature_K": 310.0})
        model = store.model("braggnn")
        store.run(RUN_ID, label="hedm-17", status="SUCCEEDED")
        flow = store.recorder(run_id=RUN_ID)
        with flow.step("Find peaks", inputs=[scan]) as step:
            peaks = step.output("peaks-17")
        with flow.step("Train", inputs=[peaks], models=[model]) as step:
            first = step.updated(model, [peaks], **trained(lr=0.01, loss=0.5, mae=0.41))
        first.update([peaks], **trained(lr=0.001, loss=0.3, mae=0.28)).alias("champion")
        reason = {"message": "the scan has no frames"}
        store.step("Find peaks", inputs=[empty]).finish("FAILED", error=reason)
        yield store


def trained(*, lr: float, loss: float, mae: float) -> dict[str, Any]:
    curve = [{"epoch": 1, "loss": 2 * loss}, {"epoch": 2, "loss": loss}]
    return {"hyperparameters": {"lr": lr}, "metrics": curve, "scores": {"mae": mae}}


def example_of(name: str, call: Callable[..., Any]) -> doctest.DocTest:
    text = inspect.getdoc(call) or ""
    return doctest.DocTestParser().get_doctest(text, {}, name, None, None)


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_each_call_has_an_example_that_uses_it(name: str, call: Callable[..., Any]) -> None:
    shown = "".join(example.source for example in example_of(name, call).examples)
    compile(shown, name, "exec")
    assert f"{name.rpartition('.')[2]}(" in shown


@pytest.mark.parametrize(
    ("name", "call"), [case for case in CALLS if case.id not in READING | set(NOT_RUN)]
)
def test_the_example_runs_and_shows_what_it_says(
    name: str, call: Callable[..., Any], names: dict[str, Any]
) -> None:
    runs_as_shown(example_of(name, call), names)


@pytest.mark.parametrize(("name", "call"), [case for case in CALLS if case.id in READING])
def test_the_example_finds_in_the_history_what_it_says(
    name: str, call: Callable[..., Any], history: Store
) -> None:
    held = history.info()
    runs_as_shown(example_of(name, call), {"store": history, "reader": history.reader()})
    assert history.info() == held


def runs_as_shown(example: doctest.DocTest, names: dict[str, Any]) -> None:
    example.globs = names
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    runner.run(example, out=said.write)
    assert runner.tries > 0
    assert runner.failures == 0, said.getvalue()


def test_only_calls_of_the_reference_are_excused() -> None:
    assert set(NOT_RUN) <= {str(case.id) for case in CALLS}
    assert {"reader.records", "listing.first"} <= READING
