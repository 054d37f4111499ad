"""How a statement's account words names, numbers, times, tags, documents and environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from provenance_store import quantities
from provenance_store.quantities import counted
from provenance_store.statement.graph import Leaf
from provenance_store.times import UNKNOWN_TIME, format_time

__all__ = [
    "capital",
    "duration",
    "environment_of",
    "imported_by",
    "is_unknown",
    "kind_word",
    "label",
    "listed",
    "quoted",
    "scores_of",
    "short",
    "tags_of",
    "time_of",
]

SHORT = 160
"""Parameters, scores and tags are told in so many characters."""
KINDS = {
    "step": ("step", "steps"),
    "data": ("data record", "data records"),
    "model": ("model version", "model versions"),
    "dataset": ("dataset", "datasets"),
    "fact": ("fact", "facts"),
}


def kind_word(kind: str, number: int) -> str:
    """The word for so many records of a kind."""
    return KINDS[kind][number != 1]


def label(record: Leaf) -> str:
    """The name of a record, with the number of a version."""
    version = f" v{record['model']['version']}" if "model" in record else ""
    return f"{record['name']}{version}"


def capital(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``"""
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def is_unknown(text: str) -> bool:
    """Whether a time stands for none that is known: what was imported may have no times."""
    return text in (UNKNOWN_TIME, format_time(0))


def time_of(text: str) -> str:
    """A time of a document, to the second."""
    if is_unknown(text):
        return "at an unknown time"
    return f"{text[:10]} {text[11:19]} UTC"


def imported_by(one: Mapping[str, Any]) -> str:
    """An import: of which format, by whom and when."""
    who = f" by account {one['by']}" if one["by"] else ""
    return f"import of {one['format']}{who} on {time_of(one['at'])}"


def duration(begun: str, ended: str) -> str:
    """How long it was between two times of documents."""
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
    return quantities.duration(seconds)


def tags_of(record: Leaf) -> str:
    """The tags of a record, in brief."""
    return short(", ".join(f"{name}={tag['value']}" for name, tag in record["tags"].items()))


def scores_of(scores: Mapping[str, str | None]) -> str:
    """Scores by name, in brief: long numbers to five digits; the JSON has them whole."""
    return short(", ".join(f"{name}={_rounded(text)}" for name, text in scores.items()))


def _rounded(text: str | None) -> str:
    try:
        return quantities.rounded(float(text or ""))
    except ValueError:
        return str(text)


def quoted(record: Leaf) -> Iterator[tuple[str, str]]:
    """What is quoted of the documents kept with a record, in brief."""
    for name in ("hyperparameters", "parameters", "error"):
        part = record["documents"].get(name)
        if part is None:
            continue
        if "text" not in part:
            yield name, f"of {part['bytes']:,} bytes with {part['digest']}"
            continue
        value = msgspec.json.decode(part["text"])
        if isinstance(value, Mapping) and isinstance(cut := value.get("_truncated"), Mapping):
            yield name, f"shortened, of {cut.get('bytes')} bytes with {cut.get('digest')}"
        elif isinstance(value, Mapping):
            yield name, short(", ".join(f"{k}={_inner(v)}" for k, v in value.items()))
        else:
            yield name, short(_inner(value))


def _inner(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def short(text: str) -> str:
    """The beginning of a text that is long."""
    return text if len(text) <= SHORT else text[: SHORT - 4].rstrip(", ") + " ..."


def environment_of(document: Any) -> str:
    """Host, system, Python, packages and code, as far as an environment tells of them."""
    if not isinstance(document, Mapping):
        return "in a form of its own"
    parts = [_of(document, "hardware", "host", "machine"), _of(document, "software", "system")]
    software = document.get("software")
    if isinstance(software, Mapping):
        if service := software.get("service"):
            parts.append(f"the service {service}")
        if python := software.get("python"):
            parts.append(f"Python {python}")
        if isinstance(packages := software.get("packages"), Mapping):
            parts.append(counted(len(packages), "package"))
    parts.append(_of(document, "code", "script", "digest"))
    return ", ".join(filter(None, parts)) or f"{', '.join(map(str, document))}"


def _of(document: Mapping[str, Any], part: str, *names: str) -> str:
    inner = document.get(part)
    if not isinstance(inner, Mapping):
        return ""
    values: Iterable[Any] = (inner.get(name) for name in names)
    return " ".join(str(value) for value in values if value)
