"""Add provenance to a flow definition without changing what the flow does.

What holds, each by a test: with the provider down the run visits the same states with the same
inputs and ends in the same way, its final state being the same but for the one key ``_braid``;
nothing private is copied; inputs are recorded as they were before the step; `strip` gives back
the original. Where that cannot be had, the definition is refused or a note says so. What cannot
be had at all: receipts and captured inputs count towards the 200 KB of the run's state, so a
flow that lives on that edge may be pushed over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.definition.harvest_state import Asker
from flows.definition.insert_states import StateInserter
from flows.definition.load import definition_digest
from flows.definition.options import (
    Instrumented,
    MissingResultPath,
    Mode,
    Note,
    Options,
    WholeState,
)
from flows.definition.paths import join
from flows.definition.problems import Severity, without_nulls
from flows.definition.record_state import RECEIPTS, RecordProvider, RecordStates
from flows.definition.state_reads import (
    after_recorded,
    has_records,
    is_recorded,
    reads,
    recorded_by_hand,
    result_place,
)
from flows.definition.strip import strip
from flows.definition.validate import validate
from flows.definition.value_rules import url_problem
from provenance_store.errors import InvalidInput

__all__ = ["instrument"]


def instrument(
    definition: Mapping[str, Any],
    *,
    provider_url: str,
    provider_scope: str | None = None,
    flow_title: str | None = None,
    options: Options | None = None,
) -> Instrumented:
    """The definition with a record state after each step, on each Catch and at each end; or, in
    the mode ``RUN``, with one state at its ends that asks for the run to be harvested.

    A step that its author records by hand, in the state right behind it, gets no second record
    there. `flow_title` is recorded with each run, which knows the flow's id only. Instrumenting
    again changes nothing, or replaces what was injected when the provider, the title or the
    options differ. The given definition is not modified. Raises InvalidInput when it is not
    valid, when a step has no ResultPath or a state reads the whole run's state (unless the
    options say what to do then), or when the provider's URL is none.
    """
    options = options or Options()
    _check_provider(provider_url, options.mode)
    written = strip(definition) if isinstance(definition, dict) else definition
    _check_valid(written)
    original = without_nulls(written)
    provider = RecordProvider(provider_url, provider_scope, options.run_as, options.wait_seconds)
    if options.mode is Mode.RUN:
        asker = Asker(original, written, provider, options)
        return Instrumented(asker.weave(), (*_about_asking(provider), *asker.notes))
    _check_result_paths(original, options, provider_url)
    notes = _check_whole_state(original, options, provider_url)
    states = RecordStates(provider, definition_digest(written), flow_title)
    weaver = StateInserter(original, written, states, options)
    return Instrumented(weaver.weave(), (_consent(provider), *notes, *weaver.notes))


def _consent(provider: RecordProvider) -> Note:
    if provider.run_as == "User":
        message = "whoever runs the flow is asked once more for consent, to the record states too."
    else:
        message = (
            f"record states run as {provider.run_as}: who ran the flow is then known from the "
            "flow's own word only, not from a token."
        )
    return Note("$", message)


def _about_asking(provider: RecordProvider) -> Iterator[Note]:
    yield Note(
        "$",
        "whoever runs the flow is asked once more for consent: to the state that asks, and that "
        "the provider reads their runs.",
    )
    if provider.run_as != "User":
        yield Note(
            "$",
            f"the state that asks runs as {provider.run_as}, who must be able to see the run: name "
            "that identity among its monitors.",
        )


def _check_provider(url: str, mode: Mode) -> None:
    _, _, last = url.rstrip("/").rpartition("/")
    wrong = {Mode.STEP: ("harvest", "query"), Mode.RUN: ("record", "query")}[mode]
    if last in wrong:
        wanted = "/record" if mode is Mode.STEP else "/harvest"
        raise InvalidInput(
            f"in mode {mode.value} the provider's address ends with {wanted}.", path="provider_url"
        )
    problem = url_problem(url)
    if problem is not None and problem.severity is Severity.ERROR:
        raise InvalidInput(f"{problem.message}; {problem.advice}", path="provider_url")


def _check_valid(definition: Mapping[str, Any]) -> None:
    errors = [found for found in validate(definition) if found.severity is Severity.ERROR]
    if errors:
        more = f" ({len(errors) - 1} more: validate the flow first)" if errors[1:] else ""
        raise InvalidInput(f"{errors[0].message}; {errors[0].advice}{more}", path=errors[0].path)


def _check_result_paths(definition: Mapping[str, Any], options: Options, provider_url: str) -> None:
    if options.on_missing_result_path is not MissingResultPath.REFUSE:
        return
    states = definition["States"]
    missing = [
        name
        for name, state in states.items()
        if is_recorded(state, provider_url)
        and not result_place(state)
        and not recorded_by_hand(states, name, provider_url)
    ]
    if missing:
        raise InvalidInput(
            f"{_listed(missing)} without a ResultPath: the result replaces the run's state, inputs "
            "included, and a record state would change it again. Give each a ResultPath, or choose "
            "to have one set (set) or to leave these steps unrecorded (skip).",
            path=join("$.States", missing[0]),
        )


def _check_whole_state(
    definition: Mapping[str, Any], options: Options, provider_url: str
) -> list[Note]:
    after = after_recorded(definition, provider_url, choices=options.record_choices)
    states = definition["States"]
    found = dict.fromkeys(
        read.path
        for read in reads(definition)
        if read.sees_all(RECEIPTS)
        # The first step cannot see a receipt, unless inputs are kept aside in front of it.
        and (read.state in after or _may_be_captured(states, read.state, provider_url))
    )
    if found and options.on_whole_state is WholeState.REFUSE:
        raise InvalidInput(
            f"the whole of the run's state is read here, which would then hold the receipts in "
            f"{RECEIPTS!r} too. Read the members that are needed, or choose to accept this.",
            path=next(iter(found)),
        )
    return [
        Note(path, f"reads the whole of the run's state and will see {RECEIPTS!r} in it.")
        for path in found
    ]


def _may_be_captured(states: Mapping[str, Any], name: str, provider_url: str) -> bool:
    return has_records(states, name, provider_url) and "Parameters" in states[name]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"
