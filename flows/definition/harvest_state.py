"""Puts into a definition the states that ask for the whole run to be harvested.

All ways on which a run ends well lead through one state that asks; in front of each Fail stands
one of its own. A failure that nothing catches ends the run before it could ask, unless a Catch is
added for it. What the run did is read from its log, so no step of it is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.definition.graph import retarget
from flows.definition.options import Note, Options
from flows.definition.paths import Names, join
from flows.definition.record_state import (
    RECEIPTS,
    RecordProvider,
    State,
    call_state,
    emptied,
    end_state,
    ended_by,
    fail_state,
)
from flows.definition.state_reads import calls, can_catch, may_not_be_object, written
from flows.definition.strip import InjectedKind, Marker

__all__ = ["Asker"]

_NO_OBJECT = "the run's state may be no object {}, and no receipt can be put into it."


class Asker:
    """Weaves one definition, which must be valid and not instrumented.

    ``as_written`` is the same as its author wrote it, with the keys that are null.
    """

    def __init__(
        self,
        definition: Mapping[str, Any],
        as_written: Mapping[str, Any],
        provider: RecordProvider,
        options: Options,
    ) -> None:
        self._written = as_written
        self._states: Mapping[str, State] = definition["States"]
        self._provider = provider
        self._options = options
        self._no_object = may_not_be_object(definition)
        self._names = Names(self._states)
        taken = (path for path in written(definition) if path[:1] == (RECEIPTS,) and path[1:])
        slugs = Names(str(path[1]) for path in taken)
        self._place = f"$.{RECEIPTS}.{slugs.unique('harvest', mark='_')}"
        self._error = f"$.{RECEIPTS}.{slugs.unique('error', mark='_')}"
        self.notes: list[Note] = []
        self._ask = self._names.unique("Braid harvest")
        self._end = self._names.unique("Braid end")
        self._before_fail = {
            name: self._names.unique(f"Braid harvest before {name}")
            for name, state in self._states.items()
            if state["Type"] == "Fail" and self._may_ask_before(name)
        }
        self._failed = self._names.unique("Braid harvest after a failure")
        self._fail = self._names.unique("Braid fail")
        states = self._states.items()
        self._uncaught = [name for name, state in states if self._is_open(name, state)]

    def weave(self) -> dict[str, Any]:
        """The instrumented definition, keys in the author's order."""
        states: dict[str, State] = {}
        asks = False
        for name, state in self._states.items():
            if name in self._before_fail:
                states[self._before_fail[name]] = self._asking_before(name)
            new = retarget(self._written["States"][name], self._enter)
            if state.get("End") and self._may_ask_after(name, state):
                asks = True
                new = ended_by(new, self._ask)
            states[name] = self._with_catch(new) if name in self._added else new
        if asks:
            states[self._ask] = self._asking_at_end()
            states[self._end] = end_state(Marker(InjectedKind.END, "", {}))
        self._put_failure(states)
        new = {"StartAt": self._enter(self._written["StartAt"]), "States": states}
        return {key: new.get(key, value) for key, value in self._written.items()}

    def _enter(self, target: str) -> str:
        return self._before_fail.get(target, target)

    @property
    def _added(self) -> list[str]:
        """The states that get a Catch."""
        return self._uncaught if self._options.record_uncaught else []

    def _may_ask_before(self, name: str) -> bool:
        if name in self._no_object[0]:
            self._note(name, "does not ask: " + _NO_OBJECT.format("here"))
            return False
        return True

    def _may_ask_after(self, name: str, state: State) -> bool:
        if calls(state, self._provider.url):
            self._note(name, "its author asks here, so nothing is put behind it.")
            return False
        if name in self._no_object[1]:
            self._note(name, "no harvest is asked for: " + _NO_OBJECT.format("at this end"))
            return False
        return True

    def _is_open(self, name: str, state: State) -> bool:
        """Whether a failure of a state may end the run unheard, and can be kept."""
        if not can_catch(state) or calls(state, self._provider.url) or name in self._no_object[0]:
            return False
        caught = {error for entry in state.get("Catch", ()) for error in entry["ErrorEquals"]}
        return "States.ALL" not in caught

    # ---- the states ----------------------------------------------------------------------

    def _asking_at_end(self) -> State:
        return self._asking(Marker(InjectedKind.HARVEST, "", {}), self._end, is_end=True)

    def _asking_before(self, name: str) -> State:
        return self._asking(Marker(InjectedKind.BEFORE_FAIL, name, {}), name)

    def _asking(self, marker: Marker, following: str, *, is_end: bool = False) -> State:
        named = self._options.conventions
        parameters = {
            "run_id.$": "$._context.run_id",
            "flow_id.$": "$._context.flow_id",
            **({"conventions": named} if named else {}),
            "on_missing_consent": "fail",
        }
        return call_state(
            self._provider,
            parameters,
            comment=marker.comment(),
            place=self._place,
            following=following,
            is_end=is_end,
        )

    def _with_catch(self, state: State) -> State:
        entry = {"ErrorEquals": ["States.ALL"], "ResultPath": self._error, "Next": self._failed}
        return {**state, "Catch": [*(state.get("Catch") or []), entry]}

    def _put_failure(self, states: dict[str, State]) -> None:
        """What a failure that nothing catches leads to; or a word that it leads nowhere."""
        if not self._uncaught:
            return
        if not self._options.record_uncaught:
            self.notes.append(
                Note(
                    "$",
                    "a failure that no Catch handles ends the run before it asks: "
                    "--record-uncaught lets it ask, and `braid flow watch` finds such runs too.",
                )
            )
            return
        states[self._failed] = self._asking(Marker(InjectedKind.CAUGHT, "", {}), self._fail)
        marker = Marker(InjectedKind.FAIL, "", emptied(self._written["States"], self._uncaught))
        states[self._fail] = fail_state(marker, error=self._error)
        self.notes.append(
            Note(
                "$",
                f"a failure that nothing catches asks too; the run then fails in {self._fail!r} "
                "with the same Error and Cause, and its details name that state.",
            )
        )

    def _note(self, name: str, message: str) -> None:
        self.notes.append(Note(join("$.States", name), message))
