"""Decides what is put around each state of a definition, and tells what the author should know.

Nothing is built here: a `Plan` names the injected states of one state and holds its input as the
record will send it. Names and places are given out in document order, so that the same
definition always gets the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.definition.graph import edges_of
from flows.definition.options import MissingResultPath, Note, Options, ResultDetail
from flows.definition.parameter_capture import Capture, ParameterCapture
from flows.definition.paths import Names, join, parse_path, simple_prefix, slug_of
from flows.definition.record_state import (
    MOST_RULES,
    RECEIPTS,
    ChoiceRecord,
    State,
    record_of_choice,
)
from flows.definition.state_reads import (
    choice_by_hand,
    is_recorded,
    may_not_be_object,
    reads,
    recorded_by_hand,
    result_place,
    written,
)

__all__ = ["Failure", "Plan", "Planner"]

_CALL_FAILURES = frozenset({"ActionUnableToRun", "ActionTimeout", "ActionFailedException"})


@dataclass
class Plan:
    """What will be put around one state."""

    name: str
    slug: str
    is_step: bool = False
    entry: str = ""
    """The injected state in front of it, if any."""
    after: str = ""
    caught: dict[int, str] = field(default_factory=dict)
    """Number of the Catch -> the state that records what it caught."""
    uncaught: str = ""
    """The state to which a failure leads that nothing catches, where its own record cannot tell
    of it too."""
    guard: str = ""
    """The state behind the record, by which the run fails if the step did; empty where the record
    is of a step that came out well only."""
    is_first: bool = False
    """Whether a run may get here before anything of it was recorded."""
    capture: Capture | None = None
    choice: ChoiceRecord | None = None
    """What the state in front of a Choice says of it."""
    input: dict[str, Any] = field(default_factory=dict)
    set_result_path: str = ""

    @property
    def place(self) -> str:
        """Where the receipt lands."""
        return f"$.{RECEIPTS}.{self.slug}"


@dataclass(frozen=True)
class Failure:
    """What all failures that nothing catches lead to: their record, the Fail behind it, and where
    the error, the step and the receipt are kept."""

    record: str
    fail: str
    error: str
    step: str
    receipt: str


class Planner:
    """Plans one definition, which must be valid and not instrumented."""

    def __init__(
        self, definition: Mapping[str, Any], options: Options, *, provider_url: str
    ) -> None:
        self._provider_url = provider_url
        self._states: Mapping[str, State] = definition["States"]
        self._options = options
        self.names = Names(self._states)
        places = list(written(definition))
        own = (place for place in places if place[:1] == (RECEIPTS,) and place[1:])
        # A place that is only read is where an author expects the receipt.
        self._slugs = Names(str(place[1]) for place in own)
        places += [read.segments for read in reads(definition)]
        self._members = Names(str(place[0]) for place in places if place)
        self._no_object = may_not_be_object(definition)
        self._first = self._reached_unrecorded(str(definition["StartAt"]))
        self.failure: Failure | None = None
        # Who takes the run's whole input would see what a guard needs from the beginning.
        self._is_seen = any(read.sees_all(RECEIPTS) for read in reads(definition))
        self._guards: dict[str, str] = {}
        """State that follows -> the guard in front of it, which all steps before it share."""
        self.notes: list[Note] = []

    def plans(self) -> dict[str, Plan]:
        """The plan of every state; afterwards ``notes`` holds what the author should know."""
        plans = {name: self._plan(name, state) for name, state in self._states.items()}
        choices = [name for name, state in self._states.items() if state["Type"] == "Choice"]
        if choices and not self._options.record_choices:
            self.notes.append(
                Note(
                    "$",
                    f"which way its Choice states go ({len(choices)} of them) is not recorded. "
                    "--record-choices records it, with one more action for each visit; a harvest "
                    "of the run adds it too.",
                )
            )
        return plans

    def _reached_unrecorded(self, start: str) -> set[str]:
        """The states that a run can get to before anything of it was recorded."""
        found: set[str] = set()
        waiting = [start]
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                if not self._has_record_behind(name):
                    waiting += [edge.target for edge in edges_of(name, self._states[name])]
        return found

    def _has_record_behind(self, name: str) -> bool:
        """Whether a run that leaves a state has been recorded, unless the provider was away."""
        state = self._states[name]
        if self._records_choice(name):
            return not record_of_choice(state).may_fail
        by_hand = recorded_by_hand(self._states, name, self._provider_url)
        is_set = self._options.on_missing_result_path is MissingResultPath.SET
        is_step = is_recorded(state, self._provider_url)
        return is_step and not by_hand and (bool(result_place(state)) or is_set)

    def _records_choice(self, name: str) -> bool:
        return self._options.record_choices and not self._why_no_choice(name, self._states[name])

    def _why_no_choice(self, name: str, state: State) -> str:
        """Why nothing can be recorded in front of a state as of a Choice; empty if it can."""
        if state["Type"] != "Choice":
            return "it is not a Choice"
        if name in self._no_object[0]:
            return "the run's state may be no object here"
        if by_hand := choice_by_hand(self._states, name, self._provider_url):
            return f"its author records it in {by_hand!r}"
        too_many = len(state["Choices"]) > MOST_RULES
        return f"it has more than {MOST_RULES:,} rules" if too_many else ""

    def _plan(self, name: str, state: State) -> Plan:
        plan = Plan(name, self._slugs.unique(slug_of(name), mark="_"), is_first=name in self._first)
        if is_recorded(state, self._provider_url):
            plan.is_step = True
            self._plan_step(plan, state)
        elif state["Type"] == "Fail":
            self._plan_fail(plan)
        elif state["Type"] == "Choice":
            self._plan_choice(plan, state)
        elif state.get("End") and self._options.record_end:
            self._plan_end(plan)
        return plan

    def _plan_step(self, plan: Plan, state: State) -> None:
        if by_hand := recorded_by_hand(self._states, plan.name, self._provider_url):
            self._note(
                plan,
                f"its author records it in {by_hand!r}, so no record is put behind it; what a "
                "Catch of it receives is recorded.",
            )
        elif result_place(state) or self._options.on_missing_result_path is MissingResultPath.SET:
            plan.after = self.names.unique(f"Braid {plan.name}")
        else:
            self._note(plan, "has no ResultPath and is not recorded, as was asked for.")
        if not result_place(state) and plan.after:
            plan.set_result_path = f"$.{self._members.unique(f'{plan.slug}Result', mark='_')}"
            self._note(
                plan,
                f"was given the ResultPath {plan.set_result_path}: its result no longer replaces "
                "the run's state, so states that read the bare result have to be adapted.",
            )
        for number in range(len(state.get("Catch", ()))):
            plan.caught[number] = self.names.unique(f"Braid failure of {plan.name}")
        if plan.after or by_hand:
            self._plan_uncaught(plan, state)
        self._plan_input(plan, state)

    def _plan_input(self, plan: Plan, state: State) -> None:
        writers = [entry for entry in state.get("Catch", ()) if result_place(entry)]
        if not (plan.after or writers):
            return
        if plan.after and result_place(state):
            writers.insert(0, state)
        places = [result_place(writer) for writer in writers]
        copier = ParameterCapture(tuple(places), Capture(plan.place))
        if "InputPath" in state:
            plan.input = copier.input_path(state["InputPath"])
        elif "Parameters" in state:
            plan.input = {"parameters": copier.parameters(state["Parameters"])}
        for path, reason in copier.left_out.items():
            self._note(plan, f"its record leaves out {path[2:]}: {reason}.")
        if not copier.capture.values:
            return
        if plan.name in self._no_object[0]:
            plan.input = {}
            self._note(plan, "its inputs are not recorded: the run's state may be no object here.")
            return
        plan.capture = copier.capture
        plan.entry = self.names.unique(f"Braid before {plan.name}")
        kept = ", ".join(copier.capture.values)
        self._note(
            plan,
            f"overwrites what it reads, so {kept} is kept aside until the record is made; "
            "it counts towards the 200 KB of the run's state for so long."
            if plan.after
            else f"a Catch overwrites what it reads, so {kept} is kept aside for the record of a "
            "failure; it counts towards the 200 KB of the run's state.",
        )

    def _plan_uncaught(self, plan: Plan, state: State) -> None:
        caught = {error for entry in state.get("Catch", ()) for error in entry["ErrorEquals"]}
        if "States.ALL" in caught:
            return
        missing = _CALL_FAILURES - caught
        if state.get("ExceptionOnActionFailure") is False:
            missing -= {"ActionFailedException"}
        errors = ", ".join(sorted(missing))
        if self._options.record_uncaught and plan.name not in self._no_object[0]:
            self._lead_failures()
            if self._tells_either_way(plan, state):
                plan.guard = self._guard_before(str(state.get("Next", "")))
            else:
                plan.uncaught = self.names.unique(f"Braid {plan.name} failed")
        elif errors:
            why = (
                "the error cannot be kept where the run's state may be no object"
                if self._options.record_uncaught
                else "--record-uncaught records it"
            )
            self._note(plan, f"{errors} here would end the run without a record; {why}.")

    def _tells_either_way(self, plan: Plan, state: State) -> bool:
        """Whether the record of a step can be sent after its failure as well: what it reads is then
        read by expressions that never fail. What a handler answers may look like an error."""
        options = self._options
        if not (plan.after and options.record_either_way) or "Handler" in state or self._is_seen:
            return False
        if options.result is ResultDetail.STATUS:
            return False
        segments = parse_path(plan.set_result_path or state["ResultPath"]).segments
        return simple_prefix(segments)[1] == len(segments)

    def _guard_before(self, following: str) -> str:
        if following not in self._guards:
            self._guards[following] = self.names.unique(f"Braid {len(self._guards) + 1}")
        return self._guards[following]

    def _lead_failures(self) -> None:
        """Name once what all failures lead to, and tell the author."""
        if self.failure is not None:
            return
        places = (
            f"$.{RECEIPTS}.{self._slugs.unique(name, mark='_')}"
            for name in ("error", "failed", "failure")
        )
        self.failure = Failure(
            self.names.unique("Braid failure"), self.names.unique("Braid fail"), *places
        )
        self.notes.append(
            Note(
                "$",
                "a failure that nothing catches is recorded, and the run then fails in the state "
                f"{self.failure.fail!r} with the same Error and Cause; the details of the run name "
                "that state. --no-record-uncaught leaves such failures unrecorded.",
            )
        )

    def _plan_fail(self, plan: Plan) -> None:
        if plan.name in self._no_object[0]:
            self._note(plan, "is not recorded: the run's state may be no object here.")
        else:
            plan.entry = self.names.unique(f"Braid {plan.name}")

    def _plan_choice(self, plan: Plan, state: State) -> None:
        if not self._options.record_choices:
            return
        if why := self._why_no_choice(plan.name, state):
            self._note(plan, f"is not recorded in front of it: {why}.")
            return
        plan.entry = self.names.unique(f"Braid {plan.name}")
        plan.choice = record_of_choice(state)
        for path, reason in plan.choice.left_out.items():
            self._note(plan, f"its record leaves out {path}: {reason}.")
        if plan.choice.may_fail:
            paths = ", ".join(plan.choice.may_fail)
            self._note(plan, f"a visit is recorded only if there is something at {paths}.")

    def _plan_end(self, plan: Plan) -> None:
        if plan.name in self._no_object[1]:
            self._note(
                plan,
                "the end of the run is not recorded: the run's output may be no object, and "
                "a receipt cannot be added to it.",
            )
        else:
            plan.after = self.names.unique(f"Braid {plan.name}")

    def _note(self, plan: Plan, message: str) -> None:
        self.notes.append(Note(join("$.States", plan.name), message))
