"""The log of a run from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from flows.harvest.log import read_log
from flows.settings import LOG_LIMIT_BYTES
from flows.steps.refusals import within
from provenance_store.errors import InvalidInput, TooLarge

__all__ = ["load_log"]


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
