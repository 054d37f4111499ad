"""The log of a run, as the Flows service gives it or from a file: read and put in order.

An entry has a time, a code, a description and details. Pages of a log, a list of entries and whole
answers of the service are read alike, newest or oldest first. An unknown code is never a reason to
refuse the log.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from flows.settings import LOG_LIMIT_BYTES
from flows.steps.adapters.base import clean
from flows.steps.timestamps import moment_or_none
from flows.steps.validation_errors import within
from provenance_store.errors import InvalidInput, TooLarge

__all__ = ["BEGIN", "ENDS", "MAX_NAME", "Entry", "load_log", "read_log"]

BEGIN = "FlowStarted"
ENDS = {"FlowSucceeded": "SUCCEEDED", "FlowFailed": "FAILED", "FlowCanceled": "FAILED"}
"""How a run ended, by the code of its last entry."""
MAX_NAME = 128
"""Characters of a state's name."""


class Entry(NamedTuple):
    """One entry; `time` is in microseconds since 1970 UTC, None where it says none."""

    time: int | None
    code: str
    description: str
    details: Mapping[str, Any]

    @property
    def state_name(self) -> str | None:
        """The state that it is about; None for an entry about the whole run."""
        name = self.details.get("state_name")
        return (clean(name, MAX_NAME) or "unnamed") if isinstance(name, str) and name else None

    def document(self) -> dict[str, Any]:
        """What it says, without the run's state, for keeping with a step."""
        large = ("input", "output", "state_name", "state_type")
        kept = {name: value for name, value in self.details.items() if name not in large}
        return {"code": self.code, "description": self.description, "details": kept}


def read_log(document: Any) -> list[Entry]:
    """The entries, oldest first. Raises InvalidInput when this is no log.

    They are in the order in which they were written, whatever their times say: clocks are set
    back, and several entries have one time. Only of pages and entries that come in no order, which
    shows when the run begins in the middle, the times decide.
    """
    pages = [
        [_entry(value, path) for value, path in page] for page in _pages(document, "$") if page
    ]
    found = [entry for page in pages for entry in page]
    if _is_newest_first(found):
        return found[::-1]
    begins = [place for place, entry in enumerate(found) if entry.code == BEGIN]
    if begins and begins[0] != 0:
        return [entry for _, entry in sorted(_with_times(found), key=lambda pair: pair[0])]
    return found


_Page = list[tuple[Any, str]]


def _pages(document: Any, path: str) -> Iterator[_Page]:
    """The values of each page, or of the one list, with their paths."""
    if isinstance(document, dict) and "entries" in document:
        document, path = document["entries"], f"{path}.entries"
    if not isinstance(document, list):
        raise InvalidInput(
            "this is not the log of a run: it is a list of entries, each with a time and a code.",
            path=path,
        )
    here: _Page = []
    for place, value in enumerate(document):
        if isinstance(value, dict) and "entries" in value and "code" not in value:
            yield from _pages(value, f"{path}[{place}]")
        else:
            here.append((value, f"{path}[{place}]"))
    yield here


def _entry(value: Any, path: str) -> Entry:
    if not isinstance(value, dict) or not isinstance(value.get("code"), str):
        raise InvalidInput("this is not an entry of a run's log: it has no code.", path=path)
    details, description = value.get("details"), value.get("description")
    return Entry(
        moment_or_none(value.get("time")),
        value["code"],
        description if isinstance(description, str) else "",
        details if isinstance(details, dict) else {},
    )


def _is_newest_first(entries: list[Entry]) -> bool:
    """Whether they begin with the end: told by how a run begins and ends, else by most times."""
    codes = [entry.code for entry in entries]
    if codes[:1] == [BEGIN] or codes[-1:] == [BEGIN]:
        return codes[0] != BEGIN
    if codes and (codes[0] in ENDS or codes[-1] in ENDS):
        return codes[0] in ENDS
    times = [entry.time for entry in entries if entry.time is not None]
    later = sum((now > before) - (now < before) for before, now in pairwise(times))
    return later < 0


def _with_times(entries: list[Entry]) -> Iterator[tuple[int, Entry]]:
    """Each entry with its time, or with that of the one before where it says none."""
    last = 0
    for entry in entries:
        last = last if entry.time is None else entry.time
        yield last, entry


def load_log(path: Path) -> Any:
    """The log that a JSON file holds, or standard input for ``-``, for `read_log`.

    Raises InvalidInput naming the file and the place in it, TooLarge past the limit in the
    settings.
    """
    name = "standard input" if str(path) == "-" else str(path)
    document = _read(path, name)
    try:
        read_log(document)
    except InvalidInput as error:
        raise within(error, f"{name}: {error.path}") from None
    return document


def _read(path: Path, name: str) -> Any:
    try:
        return json.loads(_bytes(path, name).decode("utf-8-sig"), parse_constant=_nothing)
    except UnicodeDecodeError as error:
        message = f"is not UTF-8: byte {error.start} cannot be read."
        raise InvalidInput(message, path=f"{name}: $") from None
    except json.JSONDecodeError as error:
        place = f"{name}: line {error.lineno} column {error.colno}"
        raise InvalidInput(f"is not JSON: {error.msg}.", path=place) from None
    except RecursionError:
        raise TooLarge("is nested too deeply.", path=f"{name}: $") from None
    except ValueError:
        raise InvalidInput("holds a number that is too long.", path=f"{name}: $") from None


def _bytes(path: Path, name: str) -> bytes:
    limit = LOG_LIMIT_BYTES.get()
    if str(path) == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(
            f"has more than {limit} bytes; raise {LOG_LIMIT_BYTES.name} to read it.",
            path=f"{name}: $",
        )
    return data


def _nothing(constant: str) -> None:
    """NaN and the infinities, which JSON has not, are null."""
