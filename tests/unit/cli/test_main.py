"""Where the command begins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from braid.__main__ import main
from provenance_store.exchange import formats


def test_ctrl_c_while_braid_is_being_imported_is_told_in_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *more: object) -> None:
            if name == "braid.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "braid.commands")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert main(["--version"]) == 130
    assert capsys.readouterr().err == "braid: stopped.\n"


@pytest.mark.parametrize("written", [False, True])
def test_ctrl_c_says_whether_the_store_was_changed(
    written: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours, theirs, file = (str(tmp_path / name) for name in ("ours.db", "theirs.db", "x.json"))
    assert main(["record", "data", "x", "--store", theirs]) == 0
    assert main(["export", "--all", "--store", theirs, "-o", file]) == 0
    real = formats.import_file

    def interrupted(*args: Any, **more: Any) -> Any:
        if written:
            real(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "import_file", interrupted)
    capsys.readouterr()
    assert main(["import", file, "--store", ours]) == 130
    said = [line for line in capsys.readouterr().err.splitlines() if line]  # without that of ^C
    if written:
        assert said == [
            f"braid: there was no store at {ours}; one was made.",
            "braid: stopped; what was written to the store before stays there.",
        ]
    else:
        assert said == ["braid: stopped; nothing was written to the store."]
    assert Path(ours).exists() == written
