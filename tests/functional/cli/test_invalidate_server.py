"""Invalidating from a shell through a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provenance_store import Store
from tests.support.command_line import Braid


def made(braid: Braid, server: str, *args: object) -> str:
    return braid("record", *args, "--server", server).out.strip()


def test_what_is_invalidated_through_a_server_is_restored_through_it(
    braid: Braid, server: str, its_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = made(braid, server, "data", "scan")
    made(braid, server, "data", "peaks", "--depends-on", scan)
    call = ("invalidate", scan, "--cause", "misaligned", "--server", server)
    told = json.loads(braid(*call, "--dry-run", "--format", "json").out)
    assert (told["dry_run"], told["affected"]["count"]) == (True, 1)
    assert "invalidated" not in its_store.documents().record(scan)
    unasked = braid(*call)
    assert (unasked.code, "--yes" in unasked.err) == (2, True)
    done = braid(*call, "--yes")
    assert (done.code, done.err) == (0, "")
    assert "peaks" in done.out
    assert its_store.documents().record(scan)["invalidated"]["cause"] == "misaligned"
    monkeypatch.setenv("BRAID_SERVER", server)
    undone = braid("invalidate", scan, "--undo", "--yes")
    assert (undone.code, undone.err) == (0, "")
    assert "invalidated" not in its_store.documents().record(scan)
    again = braid("invalidate", scan, "--undo", "--yes")
    assert (again.code, again.err) == (1, "braid: 1.1 is not invalid.\n")
    assert braid("invalidate", scan, "--cause", "x", "--store", "none.db", "--yes").code == 1
    assert braid("invalidate", "9.9", "--cause", "x", "--yes").code == 1
    assert not Path("braid.db").exists()
