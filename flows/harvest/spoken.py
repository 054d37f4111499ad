"""What an author's own record state would have said, had the provider answered it.

Its Parameters are filled in once more, over the state of the run in which it stood, with receipts
of what was harvested in the places where the flow kept errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flows.harvest.recorded import is_record_of
from flows.harvest.visits import MISSING, Visit
from flows.language import put, render
from flows.language.paths import CONTEXT_KEY
from flows.language.templates import bare_key, hide_private_parameters
from flows.steps.body import Body, parse_body
from provenance_store.errors import InvalidInput

__all__ = ["SAID", "Receipts", "said_of"]

SAID = ("inputs", "outputs", "models", "tags", "files", "collections", "decision")

Receipts = Mapping[str, Mapping[str, Any]]
"""The receipts of harvested steps, by the ResultPath of the state that should have recorded."""


def said_of(
    place: int,
    visits: Sequence[Visit],
    states: Mapping[str, Any],
    *,
    receipts: Receipts,
    context: Mapping[str, Any],
) -> Body | None:
    """A body with the inputs, outputs, models and tags of the record state behind the
    visit at a place; None where there is no such state, or it says none of them.

    Raises InvalidInput when it could not have been recorded, or cannot be filled in any more.
    """
    following = place + 1
    if following >= len(visits):
        return None
    record = visits[following]
    state = states.get(record.name)
    if not isinstance(state, dict) or not is_record_of(state, visits[place].name):
        return None
    wanted = {k: v for k, v in state["Parameters"].items() if bare_key(k) in SAID}
    if not wanted or record.before is MISSING or not isinstance(record.before, dict):
        return None
    try:
        view: Any = {**record.before, CONTEXT_KEY: context}
        for path, receipt in receipts.items():
            view = put(path, view, {"status": "SUCCEEDED", "details": receipt})
        said = render(hide_private_parameters(wanted), view)
        text = json.dumps({"run": {"run_id": "-"}, "step": {"name": "-"}, **said})
    except (ValueError, TypeError, RecursionError):
        raise InvalidInput("its Parameters are not JSON.", path="Parameters") from None
    return parse_body(text)
