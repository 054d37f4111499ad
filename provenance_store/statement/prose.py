"""Sections of a text, and their two forms: plain text and Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Item", "Line", "Section", "as_markdown", "as_text", "one_line"]

WIDTH = 80
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_STARTS_A_BLOCK = re.compile(r"^(\s*)([-+=]|\d+[.)])")


class Line(NamedTuple):
    """Words, and after them what is to be copied as it is: an id, a URI, a digest."""

    words: str
    code: str = ""


@dataclass(frozen=True)
class Item:
    """An entry of a list, with lines of its own."""

    head: Line
    lines: Sequence[Line] = ()


@dataclass(frozen=True)
class Section:
    """A heading, sentences, and a list; `numbered` counts the items from 1."""

    title: str
    sentences: Sequence[Line] = ()
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


def _wrapped(line: Line, first: str, rest: str) -> Iterator[str]:
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


def _marked(line: Line) -> str:
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
