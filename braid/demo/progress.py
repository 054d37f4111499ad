"""Tells how a run gets on: a line for each step, and on a terminal a bar below them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from provenance_store.display import duration

__all__ = ["RunProgress"]

Entry = Mapping[str, Any]

STEP_WIDTH = 22
TEXT_WIDTH = 54
BESIDE = 2 + STEP_WIDTH + 2 + 2 + 8 + 2 + len("recorded")
"""Columns of a line that are not the step's comment."""


class RunProgress:
    """Follows the log of one run, entry by entry; a context manager for the bar's sake.

    A step's line comes when its record was made: record states are those that call `recorder`.
    """

    def __init__(
        self, console: Console, definition: Mapping[str, Any], recorder: str, *, expected: int
    ) -> None:
        self._console = console
        self._states: Mapping[str, Any] = definition["States"]
        self._recorder = recorder
        self._step = ""
        self._started = self._completed = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("Starting", total=expected)
        self.unrecorded: list[str] = []
        """Steps whose record could not be made."""

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, entry: Entry) -> None:
        """Takes one entry of the run's log."""
        name = entry["details"].get("state_name", "")
        state = self._states.get(name, {})
        if state.get("Type") != "Action":
            return
        if state["ActionUrl"] != self._recorder:
            self._follow_step(entry, name)
        elif entry["code"] in ("ActionCompleted", "ActionFailed"):
            self._tell(recorded=_is_recorded(entry, state))

    def _follow_step(self, entry: Entry, name: str) -> None:
        if entry["code"] == "ActionStarted":
            self._step, self._started = name, entry["time"]
            self._bar.update(self._task, description=escape(name))
        else:
            self._completed = entry["time"]

    def _tell(self, *, recorded: bool) -> None:
        comment = str(self._states[self._step].get("Comment", ""))
        room = max(min(TEXT_WIDTH, self._console.width - BESIDE), 20)
        text, *rest = textwrap.wrap(comment, room) or [""]
        took = duration(_seconds(self._started, self._completed))
        mark = "[green]recorded[/]" if recorded else "[red]not recorded[/]"
        if not recorded:
            self.unrecorded.append(self._step)
        self._bar.console.print(
            f"  [bold]{escape(self._step):<{STEP_WIDTH}}[/]  {escape(text):<{room}}"
            f"  {took:>8}  {mark}"
        )
        for line in rest:
            self._bar.console.print(f"  {'':<{STEP_WIDTH}}  {escape(line)}")
        self._bar.advance(self._task)


def _is_recorded(entry: Entry, state: Mapping[str, Any]) -> bool:
    """Whether a record state got its receipt."""
    if entry["code"] != "ActionCompleted":
        return False
    found: Any = entry["details"].get("output")
    for name in state["ResultPath"].removeprefix("$.").split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return isinstance(found, Mapping) and found.get("status") == "SUCCEEDED"


def _seconds(started: str, completed: str) -> float:
    begin, end = datetime.fromisoformat(started), datetime.fromisoformat(completed)
    return (end - begin).total_seconds()
