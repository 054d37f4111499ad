"""Packages of somebody else where Braid's should be."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import braid
from braid.__main__ import main
from provenance_store.errors import ConfigurationError

FOREIGN = ("", "__version__ = '9.9'\n", "raise RuntimeError('not for you')\n")


@pytest.mark.parametrize("name", ["flows", "hpc", "action_provider"])
@pytest.mark.parametrize("source", FOREIGN)
def test_a_foreign_package_in_the_place_of_ours_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    source: str,
) -> None:
    put_in_place(monkeypatch, tmp_path, name, source)
    assert main(["runs"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"package {name} in {tmp_path / name}" in told
    assert "an environment of its own" in told


def test_a_script_is_told_when_it_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_in_place(monkeypatch, tmp_path, "flows", "")
    monkeypatch.delitem(vars(braid), "flows", raising=False)
    with pytest.raises(ConfigurationError, match="package flows"):
        _ = braid.flows


def put_in_place(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, source: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(source)
    importlib.import_module(name)  # ours, which is put back afterwards
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name)


def test_each_name_of_the_facade_is_there() -> None:
    assert {name for name in braid.__all__ if not hasattr(braid, name)} == set()
    assert set(braid.__all__) <= set(dir(braid))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = braid.nothing
