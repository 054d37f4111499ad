"""What of a run its log does not tell: a beginning that was cut off, pages that are missing.

The place of a visit in the run is known only if all before it is. Behind a gap a visit is recorded
if its action's id says which it is, for then the whole log, when it is there, finds it again; the
other visits wait for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.definition.graph import edges_of
from flows.harvest.visits import History, Visit
from provenance_store.errors import InvalidInput

__all__ = ["Gaps", "check_states", "gaps_of", "has_more_pages"]

NAMED = 5
NEXT = ("marker", "pagination_token")
"""What a page has for asking for the next one, where there is one."""
PAGED = frozenset({"has_next_page", *NEXT})


@dataclass(frozen=True)
class Gaps:
    """From which visit on the place in the run is not known, None where it is of all; whether
    there are entries behind the last; and a sentence for each thing that is missing."""

    first: int | None = None
    more: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the log tells the run from its beginning to its present end."""
        return self.first is None and not self.more

    def is_placed(self, place: int) -> bool:
        """Whether all before a visit is known."""
        return self.first is None or place < self.first


def check_states(history: History, states: Mapping[str, Any]) -> None:
    """Raise InvalidInput for a definition that is not that of the run: it has none of its states.

    Recorded by it, steps would have neither results nor files, and no later harvest could tell.
    """
    visited = dict.fromkeys(visit.name for visit in history.visits)
    if visited and states and not any(name in states for name in visited):
        raise InvalidInput(
            f"the definition has none of the run's states ({_listed(visited)}); give the one with "
            "which the run started, as get_run_definition answers it.",
            path="definition",
        )


def gaps_of(history: History, states: Mapping[str, Any], *, more: bool) -> Gaps:
    """What a log leaves open; `more` says that the service has further pages of it."""
    notes = []
    first = _first_gap(history, states)
    if first == 0 and (history.visits or history.end_code):
        notes.append("the log does not tell how the run began: its first entries are missing.")
    elif first:
        before, behind = history.visits[first - 1].name, history.visits[first].name
        notes.append(f"entries of the log are missing between {before} and {behind}.")
    if more and first != 0:
        notes.append("the log goes on: it has further pages, which are missing here.")
    strangers = dict.fromkeys(v.name for v in history.visits if v.name not in states)
    if strangers and states:
        notes.append(
            f"the definition does not have {_listed(strangers)}: it may be of another version of "
            "the flow, and results of these states cannot be found."
        )
    return Gaps(first, more, tuple(notes))


def has_more_pages(document: Any) -> bool:
    """Whether the pages of a log, as the service gave them, lack the last one."""
    pages = list(_pages(document))
    return bool(pages) and all(map(_is_followed, pages))


def _is_followed(page: Mapping[str, Any]) -> bool:
    if "has_next_page" in page:
        return page["has_next_page"] is True
    return any(isinstance(page.get(name), str) and page[name] for name in NEXT)


def _pages(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, dict) and "entries" in document:
        if not PAGED.isdisjoint(document):
            yield document
        document = document["entries"]
    for value in document if isinstance(document, list) else ():
        if isinstance(value, dict) and "entries" in value and "code" not in value:
            yield from _pages(value)


def _first_gap(history: History, states: Mapping[str, Any]) -> int | None:
    """The first visit that does not follow the one before it; 0 if the run's begin is not told."""
    if not history.has_begun:
        return 0
    before: Visit | None = None
    for place, visit in enumerate(history.visits):
        if before is not None and not _follows(before, visit, states):
            return place
        before = visit
    return None


def _follows(before: Visit, visit: Visit, states: Mapping[str, Any]) -> bool:
    """Whether the definition leads from one visit to the next, as far as it tells."""
    state = states.get(before.name)
    if not isinstance(state, dict) or visit.name not in states:
        return True
    edges = edges_of(before.name, state)
    targets = {edge.target for edge in edges if isinstance(edge.target, str)}
    return not targets or visit.name in targets


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
