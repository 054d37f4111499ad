"""What is installed here, what the settings say, and what waits to be loaded."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Collection, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from braid import __version__
from provenance_store.display import counted
from provenance_store.errors import ConfigurationError
from provenance_store.extras import EXTRAS
from provenance_store.settings import Setting, inherited
from provenance_store.transfer.condition import Finding

__all__ = ["PACKAGES", "examine_machine", "settings"]

PACKAGES = ("provenance_store", "flows", "hpc", "action_provider", "braid")
"""Packages whose ``settings`` module declares what they read from the environment."""


def settings() -> list[Setting[Any]]:
    """Every setting that is declared."""
    return [one for name in PACKAGES for one in import_module(f"{name}.settings").SETTINGS]


def examine_machine(needed: Collection[str]) -> Iterator[Finding]:
    """Extras, of which some are `needed`, settings, spool."""
    yield from _extras(needed)
    yield from _settings()
    yield from _spool()


def _extras(needed: Collection[str]) -> Iterator[Finding]:
    lacking = {
        name: [module for module in modules if find_spec(module) is None]
        for name, modules in EXTRAS.items()
        if name != "demo"
    }
    here = ", ".join(name for name, modules in lacking.items() if not modules) or "no extra"
    missing = [name for name in needed if lacking[name]]
    program = f"Braid {__version__}, Python {platform.python_version()}"
    if not missing:
        yield Finding("installed", "ok", f"{program}, with {here}.")
        return
    yield Finding(
        "installed",
        "fail",
        f"{program}, without what is needed here: {', '.join(missing)}.",
        f"pip install 'braid-provenance[{','.join(missing)}]'",
    )


def _settings() -> Iterator[Finding]:
    known = settings()
    wrong = []
    for setting in known:
        try:
            setting.get()
        except ConfigurationError as error:
            wrong.append(
                Finding("settings", "fail", error.message, "What reads it does not start.")
            )
    names = {setting.name for setting in known}
    for name in sorted(inherited()):
        if name.startswith("BRAID_") and name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"Did you mean {near[0]}?" if near else "docs/reference/settings.md lists all."
            wrong.append(Finding("settings", "warn", f"{name} is set, and is no setting.", meant))
    yield from wrong
    if not wrong:
        count = sum(1 for name in inherited() if name in names and name.startswith("BRAID_"))
        yield Finding("settings", "ok", f"{counted(count, 'setting')} set, to valid values.")


def _spool() -> Iterator[Finding]:
    from hpc.settings import SPOOL
    from hpc.spooling.load import files_in

    folder = Path(SPOOL.get())
    new, unfinished, bad = (len(files_in(folder, name)) for name in ("new", "tmp", "bad"))
    if new:
        yield Finding(
            "spool",
            "warn",
            f"Not loaded yet: {counted(new, 'file')} in {folder}.",
            f"braid spool load {folder}",
        )
    if unfinished:
        yield Finding(
            "spool",
            "warn",
            f"Being written, or their writer died: {counted(unfinished, 'file')} in {folder}/tmp.",
            f"When no job writes there any more: braid spool load --unfinished {folder}",
        )
    if bad:
        yield Finding(
            "spool",
            "warn",
            f"Refused or damaged: {counted(bad, 'file')} in {folder}/bad.",
            "`braid spool load` said why; correct the cause, move them back to new/, load again.",
        )
    if not new + unfinished + bad:
        yield Finding("spool", "ok", f"Nothing waits in {folder}.")
