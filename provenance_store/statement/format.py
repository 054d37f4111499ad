"""Sections of a text as plain text and Markdown, and how a statement words its values."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from provenance_store import display
from provenance_store.display import counted
from provenance_store.statement.graph import Leaf
from provenance_store.times import UNKNOWN_TIME, format_time

__all__ = [
    "Item",
    "Section",
    "TextLine",
    "as_markdown",
    "as_text",
    "capital",
    "duration",
    "environment_of",
    "imported_by",
    "is_unknown",
    "kind_word",
    "label",
    "listed",
    "one_line",
    "quoted",
    "scores_of",
    "short",
    "tags_of",
    "time_of",
]

WIDTH = 80
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_STARTS_A_BLOCK = re.compile(r"^(\s*)([-+=]|\d+[.)])")


class TextLine(NamedTuple):
    """Words, and after them what is to be copied as it is: an id, a URI, a digest."""

    words: str
    code: str = ""


@dataclass(frozen=True)
class Item:
    """An entry of a list, with lines of its own."""

    head: TextLine
    lines: Sequence[TextLine] = ()


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and a list; `numbered` counts the items from 1."""

    title: str
    sentences: Sequence[TextLine] = ()
    items: Sequence[Item] = field(default_factory=list)
    numbered: bool = False


def one_line(text: object) -> str:
    """The text on one line without control characters: what was recorded is not trusted to be
    harmless to a terminal."""
    shown = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(shown.split())


def as_text(title: str, sections: Sequence[Section]) -> str:
    """Plain text, sentences wrapped; ids, URIs and digests are never broken."""
    return "\n".join([*_text(title, sections), ""])


def _text(title: str, sections: Sequence[Section]) -> Iterator[str]:
    title = one_line(title)
    yield title
    yield "=" * len(title)
    for section in sections:
        yield ""
        yield section.title.upper()
        for line in section.sentences:
            yield from _wrapped(line, "  ", "  ")
        for number, item in enumerate(section.items, start=1):
            mark = f"{number:>3}. " if section.numbered else "  - "
            yield from _wrapped(item.head, mark, " " * len(mark))
            for line in item.lines:
                yield from _wrapped(line, " " * len(mark), " " * (len(mark) + 2))


def _wrapped(line: TextLine, first: str, rest: str) -> Iterator[str]:
    words = one_line(line.words)
    lines = textwrap.wrap(
        words,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
    code = one_line(line.code)
    if code and len(lines[-1]) + 1 + len(code) > WIDTH and words:
        lines.append(f"{rest}{code}")
    elif code:
        lines[-1] = f"{lines[-1]} {code}" if words else f"{first}{code}"
    yield from lines


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """Markdown in which nothing that was recorded can act as markup."""
    return "\n".join([*_markdown(title, sections), ""])


def _markdown(title: str, sections: Sequence[Section]) -> Iterator[str]:
    yield f"# {_escaped(title)}"
    for section in sections:
        yield ""
        yield f"## {_escaped(section.title)}"
        for line in section.sentences:
            yield ""
            yield _marked(line)
        if section.items:
            yield ""
        for number, item in enumerate(section.items, start=1):
            mark = f"{number}. " if section.numbered else "- "
            yield mark + _marked(item.head)
            for line in item.lines:
                yield f"{' ' * len(mark)}- {_marked(line)}"


def _marked(line: TextLine) -> str:
    words, code = _escaped(line.words), one_line(line.code)
    if not code:
        return words
    # As many back-ticks as it takes to hold those inside, as CommonMark has it.
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", code)), default=0))
    space = " " if code.startswith("`") or code.endswith("`") else ""
    return f"{words} {fence}{space}{code}{space}{fence}".strip()


def _escaped(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", one_line(text))
    return _STARTS_A_BLOCK.sub(lambda m: f"{m[1]}\\{m[2]}" if len(m[2]) == 1 else m[0], escaped)


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
    return display.duration(seconds)


def tags_of(record: Leaf) -> str:
    """The tags of a record, in brief."""
    return short(", ".join(f"{name}={tag['value']}" for name, tag in record["tags"].items()))


def scores_of(scores: Mapping[str, str | None]) -> str:
    """Scores by name, in brief: long numbers to five digits; the JSON has them whole."""
    return short(", ".join(f"{name}={_rounded(text)}" for name, text in scores.items()))


def _rounded(text: str | None) -> str:
    try:
        return display.rounded(float(text or ""))
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
    """The beginning of a text that is long, and how long it is."""
    if len(text) <= SHORT:
        return text
    return f"{text[: SHORT - 4].rstrip(', ')} ... ({len(text):,} characters)"


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
