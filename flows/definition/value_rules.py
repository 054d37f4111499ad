"""Checks of single values that several rules share."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flows.definition.paths import Path, PathSyntaxError, parse_path
from flows.definition.problems import Problems, Severity
from flows.definition.rules import CONTEXT_MEMBERS, FOREIGN_KEYS

__all__ = [
    "UrlProblem",
    "check_context",
    "check_null",
    "check_path",
    "check_result_path",
    "check_text",
    "check_timestamp",
    "check_unknown_key",
    "url_problem",
]


class UrlProblem(NamedTuple):
    """What is wrong with a URL, and what to do."""

    message: str
    advice: str
    severity: Severity


def url_problem(url: str) -> UrlProblem | None:
    """None for an https URL; a warning for http on this machine (the sandbox); else an error."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host or any(map(str.isspace, url)):
        return UrlProblem(
            f"{url[:1000]!r} is not a URL", "give the action's https:// URL", Severity.ERROR
        )
    if parts.scheme == "https":
        return None
    if _is_loopback(host):
        return UrlProblem(
            "this http URL is on this machine, which only the sandbox can reach",
            "give the action's https:// URL before deploying to Globus",
            Severity.WARNING,
        )
    return UrlProblem(
        "the URL is not https", "Globus Flows calls https:// URLs only", Severity.ERROR
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def check_text(
    problems: Problems, path: str, value: Any, what: str, *, empty: bool = False
) -> bool:
    """Whether a value is a string; reports when it is not."""
    if not isinstance(value, str):
        problems.error(path, "it is not a string", f"give {what} as a string, or leave it out")
        return False
    if not value and not empty:
        problems.error(path, "it is empty", f"give {what}")
        return False
    return True


def check_unknown_key(
    problems: Problems,
    path: str,
    key: str,
    known: Sequence[str],
    where: str,
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Report a key that does not belong here, with the likeliest thing to do."""
    near = difflib.get_close_matches(key, known, n=1)
    advice = FOREIGN_KEYS.get(key) or (elsewhere or {}).get(key)
    if advice is None:
        advice = f"did you mean {near[0]}?" if near else "remove it; known are " + ", ".join(known)
    problems.error(path, f"{key!r} is not a key of {where}", advice)


def check_null(problems: Problems, path: str) -> None:
    """Warn of a key that is null, which is read as if it were not there."""
    problems.warn(path, "it is null, which is read as if the key were absent", "leave it out")


def check_path(problems: Problems, path: str, value: Any) -> Path | None:
    """The parsed JSON path into the run's state; reports when it is none."""
    if not check_text(problems, path, value, "a path such as $.input"):
        return None
    try:
        parsed = parse_path(value)
    except PathSyntaxError as error:
        advice = "write a path such as $.input.files[0]"
        if "." in value and not value.startswith("$"):
            advice = f"write $.{value}"
        problems.error(path, f"{value[:100]!r} {error}", advice)
        return None
    check_context(problems, path, parsed.segments)
    return parsed


def check_context(problems: Problems, path: str, segments: Sequence[object]) -> None:
    """Warn of a member that ``$._context`` does not have."""
    if len(segments) > 1 and segments[0] == "_context" and segments[1] not in CONTEXT_MEMBERS:
        known = ", ".join(sorted(CONTEXT_MEMBERS))
        problems.warn(path, f"$._context has no documented {segments[1]!r}", f"it has {known}")


def check_result_path(problems: Problems, path: str, value: Any) -> None:
    """A ResultPath names exactly one place, and not the context."""
    if not check_text(problems, path, value, "a path such as $.Result"):
        return
    try:
        parsed = parse_path(value)
    except PathSyntaxError as error:
        problems.error(path, f"{value[:100]!r} {error}", "write a path such as $.Result")
        return
    if parsed.segments[:1] == ("_context",):
        problems.error(path, "$._context cannot be written", "choose another place")
    elif not parsed.is_definite:
        advice = "name exactly one place, without wildcards and slices"
        problems.error(path, f"{value[:100]!r} names several places", advice)


def check_timestamp(problems: Problems, path: str, value: Any) -> None:
    """An RFC 3339 date and time, with its offset."""
    try:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            datetime.fromisoformat(value.upper())
            return
    except ValueError:
        pass
    problems.error(
        path, "it is not an RFC 3339 date and time", "write it like 2026-11-22T07:15:00Z"
    )
