"""Where the command begins."""

from __future__ import annotations

import sys

import pytest

from braid.__main__ import main


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
