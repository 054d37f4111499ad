"""What of earlier results a visit took: from the references that its state's definition makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flows.definition.paths import PathSyntaxError, Segment, overlaps
from flows.definition.survey import is_identity, reads, result_place
from flows.harvest.visits import MISSING, Visit

__all__ = ["Taken", "outputs_taken", "sources_of"]

_WRITERS_OF_NOTHING = frozenset({"Choice", "Wait", "Fail"})
_CONTEXT = "_context"
_LISTS = ("results", "result")


class Taken(NamedTuple):
    """A value out of the result of an earlier visit: which visit, and where in its result."""

    place: int
    """The visit's place in the list of visits."""
    path: tuple[Segment, ...]


class _Written(NamedTuple):
    path: tuple[Segment, ...]
    place: int


def sources_of(visits: Sequence[Visit], states: Mapping[str, Any]) -> list[list[Taken]]:
    """For each visit, what it took of the results of earlier ones.

    A result that was overwritten in between is not what was read; values of the run's own input
    and of its context come from no visit.
    """
    read: dict[str, list[tuple[Segment, ...]]] = {}
    written: list[_Written] = []
    found: list[list[Taken]] = []
    for place, visit in enumerate(visits):
        if visit.name not in read:
            read[visit.name] = _read_by(visit.name, states)
        found.append(_taken(read[visit.name], written))
        written = _after(written, visit, place, states)
    return found


def _read_by(name: str, states: Mapping[str, Any]) -> list[tuple[Segment, ...]]:
    state = states.get(name)
    if not isinstance(state, dict):
        return []
    try:
        found = dict.fromkeys(read.segments for read in reads({"States": {name: state}}))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return []
    return [path for path in found if path[:1] != (_CONTEXT,)]


def _taken(read: list[tuple[Segment, ...]], written: list[_Written]) -> list[Taken]:
    found: dict[Taken, None] = {}
    for path in read:
        for at, place in reversed(written):
            if not overlaps(at, path):
                continue
            found[Taken(place, path[len(at) :])] = None
            if path[: len(at)] == at:
                break  # what was written there before cannot be seen any more
    return list(found)


def _after(
    written: list[_Written], visit: Visit, place: int, states: Mapping[str, Any]
) -> list[_Written]:
    state = states.get(visit.name)
    if not isinstance(state, dict) or visit.type in _WRITERS_OF_NOTHING:
        return written
    try:
        if visit.failure is not None or visit.after is MISSING or is_identity(state):
            return written
        path = result_place(state)
    except (PathSyntaxError, KeyError, TypeError, AttributeError):
        return written
    left = [one for one in written if one.path[: len(path)] != path]
    return [*left, _Written(path, place)]


def outputs_taken(path: tuple[Segment, ...], result: Any, outputs: Sequence[int]) -> list[int]:
    """Which of the outputs of a visit a value is of: where it is one of the values that its result
    lists, as Compute does, the records of these come first among the outputs.

    Empty where the value is of no record, like the id of a task.
    """
    details = result.get("details") if isinstance(result, dict) else None
    if not isinstance(details, dict) or (path and path[0] != "details"):
        return []
    name = next((name for name in _LISTS if details.get(name) not in (None, [])), None)
    if name is None or (len(path) > 1 and path[1] not in _LISTS):
        return []
    count = len(details[name]) if isinstance(details[name], list) else 1
    if count > len(outputs):
        return []
    at = path[2] if len(path) > 2 else None
    if isinstance(at, int) and -count <= at < count:
        return [outputs[at % count]]
    return list(outputs[:count])
