"""Secrets in command lines: ``curl -u me:secret``, ``mysql -psecret``, ``docker login -p secret``.

Which programs take a secret where is data, in programs.toml; ``--password secret`` is known by its
name, whatever the program.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from provenance_store.redaction.names import MAX_KEY, hides
from provenance_store.redaction.urls import LONGEST_USER
from provenance_store.redaction.values import ALL, REDACTED, is_path, is_placeholder

__all__ = [
    "document",
    "has_short_option",
    "names_program",
    "secrets_of_command",
    "secrets_of_words",
    "without_command_secrets",
    "without_listed_secrets",
    "without_piped_secrets",
]


class _Program(NamedTuple):
    """How a program is given secrets; the entries of programs.toml, which says what they mean."""

    value: frozenset[str]
    glued: tuple[str, ...]
    second: frozenset[str]
    pair: Mapping[str, str]
    after: str
    flags: frozenset[str]
    places: Sequence[tuple[list[str], int]]
    known: frozenset[str]


@functools.cache
def document() -> dict[str, Any]:
    """What is known of programs and of functions."""
    source = files("provenance_store.redaction").joinpath("programs.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


@functools.cache
def _programs() -> dict[str, _Program]:
    return {
        name: _Program(
            frozenset(entry.get("value", ())),
            tuple(entry.get("glued", ())),
            frozenset(entry.get("second", ())),
            entry.get("pair", {}),
            entry.get("after", ""),
            frozenset(entry.get("flags", "")),
            [(words.split(), number) for words, number in entry.get("places", ())],
            frozenset(entry.get("known", ())),
        )
        for entry in document()["program"]
        for name in entry["names"]
    }


@functools.cache
def _named() -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in _programs())
    return re.compile(rf"(?<![\w.-])({names})(?:\.exe)?(?=[ \t])")


_PIECE = re.compile(
    r"(?P<space>(?:[ \t]|\\\r?\n)+" + ALL + r")|\"(?:[^\"\\\n]|\\.)*" + ALL + r"\"?|'[^'\n]*'?"
    r"|(?P<end>[|;\n)`]|&(?=[\s&]|\Z)|\Z)|\\.?|[^\s\"'|;&)`\\]+|[\s&]",
    re.DOTALL,
)
_READS_IT = (
    r"(?:rclone[ ]obscure"
    r"|iinit|kinit|klog|chpasswd|smbpasswd|passwd|cryptsetup|myproxy-logon|sudo[ ]-S"
    r"|(?:[\w:/.=@-]{1,60}[ ]){0,14}?"
    r"-{1,2}[\w-]{0,24}(?:stdin|with-token|passphrase-fd)\b)"
)
_PIPED = re.compile(
    r"(?<![\w.-])(?P<give>(?:echo|printf)[ ]+(?:-\w{1,3}[ ]+|'%s(?:\\n)?'[ ]+)?)"
    r"(?P<secret>(?:\"[^\"\n]{1,256}\"|\\\"[^\"\\\n]{1,256}\\\"|'[^'\n]{1,256}'|[^\s|;&\"'$<>]{1,256}){1,4}+)"
    r"(?=[ ]*\|[ ]*(?:sudo[ ]+(?!-S))?" + _READS_IT + r")"
)
_LIST = re.compile(r"[\[(](?=[ \t\n]*[bruf]{0,2}[\"'])")
_LITERAL = r"(?:\"(?:[^\"\\\n]|\\.)*" + ALL + r"\"|'(?:[^'\\\n]|\\.)*" + ALL + r"')"
_ITEM = re.compile(
    r"[ \t\n]*+[bruf]{0,2}(?P<item>"
    + _LITERAL
    + r"(?:[ \t\n]*+"
    + _LITERAL
    + ")*"
    + ALL
    + r")[ \t\n]*+(?:,|(?P<end>[\])]))"
)
MOST_COMMANDS = 20_000
"""What follows more commands than these in one text is redacted unread."""
MOST_BEFORE = 24
"""So many words of a command are remembered while it is read."""
_SETS = frozenset({"config", "configure", "set", "modify"})


def has_short_option(text: str) -> bool:
    """Whether an option in a text may be one that a secret follows; `text` is in small letters."""
    return (
        " -u" in text or " -p" in text or " -a" in text or " -w" in text or " -hp" in text
        or " -k" in text or " -s " in text or "pass" in text or "key" in text or "token" in text
        or "auth" in text or "secret" in text or "cred" in text or "pw" in text or "cookie" in text
        or "otp" in text or "jwt" in text or "sess" in text or "user" in text or "curl" in text
        or "snmp" in text
    )  # fmt: skip


def names_program(words: Iterable[object]) -> bool:
    """Whether one of some words is a program that is known to take secrets."""
    programs = _programs()
    for word in words:
        if isinstance(word, str) and (
            word in programs or (word[:1] == "/" and word[word.rfind("/") + 1 :] in programs)
        ):
            return True
    return False


def secrets_of_words(words: Sequence[object]) -> dict[int, str]:
    """The same of words that may hold ``--password X`` too, whatever the program."""
    found = secrets_of_command(words) if names_program(words) else {}
    asked = ""
    for index, word in enumerate(words):
        if not isinstance(word, str):
            asked = ""
        elif asked and not word.startswith("--") and hides(asked, word):
            found[index], asked = REDACTED, ""
        else:
            asked = _asked_for(word)
    return found


def _asked_for(word: str) -> str:
    """The name of an option such as ``--password``, whose value comes next; else nothing."""
    if word[:1] != "-" or "=" in word or len(word) > MAX_KEY:
        return ""
    return word.lstrip("-")


def secrets_of_command(words: Sequence[object]) -> dict[int, str]:
    """Which words of a command line hold secrets, by their index, and what is shown instead."""
    found: dict[int, str] = {}
    programs = _programs()
    program: _Program | None = None
    before: list[str] = []
    for index, word in enumerate(words):
        if not isinstance(word, str):
            program, before = None, []
            continue
        named = programs.get(word[word.rfind("/") + 1 :]) if len(word) < 256 else None
        if named is not None and before[-1:] != ["-u"]:
            program, before = named, []
        elif program is not None:
            shown = _shown(program, before, word)
            if shown is not None and shown != word:
                found[index] = shown
            before = [*before[-MOST_BEFORE:], word]
    return found


def _shown(program: _Program, before: list[str], word: str) -> str | None:
    """What is shown of a word that holds a secret; None when it holds none."""
    option = before[-1] if before else ""
    separator = _separator(program, option)
    if program.after and program.after not in before and not separator:
        return None
    if separator:
        return _shown_pair(word, separator)
    if (
        option in program.value
        or (program.second and before[-2:-1] and before[-2] in program.second)
        or (program.places and _is_place(program, before, word))
    ):
        known = not word or word in program.known or is_placeholder(word) or is_path(word)
        return word if known else REDACTED
    for glued in program.glued:
        if word.startswith(glued) and len(word) > len(glued) and not word.startswith("--"):
            return word if is_placeholder(word[len(glued) :]) else glued + REDACTED
    for pair, between in program.pair.items():
        if len(pair) == 2 and word.startswith(pair) and len(word) > 2:
            return pair + _shown_pair(word[2:], between)
    if option[:1] != "-" and not _SETS.isdisjoint(before[:-1]) and hides(option, word):
        return REDACTED
    return None


def _separator(program: _Program, option: str) -> str:
    """What stands between user and secret behind an option, alone or with others: ``-sku``."""
    if option in program.pair:
        return program.pair[option]
    if len(option) > 2 and option[0] == "-" and program.flags.issuperset(option[1:-1]):
        return program.pair.get(f"-{option[-1]}", "")
    return ""


def _is_place(program: _Program, before: list[str], word: str) -> bool:
    if _is_uncounted(word):
        return False
    plain = [other for other in before if not _is_uncounted(other)]
    return any(
        len(plain) >= len(words) + number - 1
        and plain[len(plain) - len(words) - number + 1 : len(plain) - number + 1] == words
        and (bool(words) or len(plain) == number - 1)
        for words, number in program.places
    )


def _is_uncounted(word: str) -> bool:
    """An option, a URL, a share or a drive: none of the plain words of a command."""
    drive = word == "*" or word[1:] == ":"
    return drive or word[:1] == "-" or "://" in word or word[:2] == "\\\\" or word[:6] == "/user:"


def _shown_pair(word: str, separator: str) -> str:
    user, found, secret = word.partition(separator)
    long = separator == ":" and len(user) > LONGEST_USER and not is_placeholder(user)
    shown = REDACTED if long else user
    if not found or not secret or is_placeholder(secret):
        return f"{shown}{found}{secret}"
    return f"{shown}{found}{REDACTED}"


def without_command_secrets(text: str) -> str:
    """The text with ``[redacted]`` in the place of every secret of a command line in it."""
    parts: list[str] = []
    done = 0
    for count, found in enumerate(_named().finditer(text)):
        if found.start() < done:
            continue
        if count >= MOST_COMMANDS:
            return "".join(parts) + text[done : found.start()] + REDACTED
        spans, end = _words(text, found.end())
        words = [found[1], *(_unquoted(text[slice(*span)]) for span in spans)]
        hidden = ((spans[index - 1], shown) for index, shown in secrets_of_command(words).items())
        parts += _with_hidden(text, done, end, hidden)
        done = end
    return "".join(parts) + text[done:]


def _with_hidden(
    text: str, begin: int, end: int, hidden: Iterable[tuple[tuple[int, int], str]]
) -> Iterator[str]:
    """The text from `begin` to `end`, with what is to be shown in the places of some words."""
    for (start, stop), shown in hidden:
        yield text[begin:start]
        yield _quoted_as(text[start], shown)
        begin = stop
    yield text[begin:end]


def _words(text: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """Where the words of a command are, and where it ends."""
    spans: list[tuple[int, int]] = []
    start = -1
    while (piece := _PIECE.match(text, begin)) is not None:
        ends, space = piece["end"] is not None, piece["space"] is not None
        if (ends or space) and start >= 0:
            spans.append((start, begin))
            start = -1
        elif not ends and not space and start < 0:
            start = begin
        if ends:
            break
        begin = piece.end()
    return spans, begin


def without_piped_secrets(text: str) -> str:
    """``echo secret | iinit``, ``echo me:secret | chpasswd``."""
    return _PIPED.sub(_piped, text)


def _piped(found: re.Match[str]) -> str:
    give, word = found["give"], found["secret"]
    secret = _unquoted(word.strip("\\"))
    if is_placeholder(secret) or secret == REDACTED or "$" in secret:
        return found[0]
    user, colon, _ = secret.partition(":")
    return give + _quoted_as(word[0], f"{user}{colon}{REDACTED}" if colon else REDACTED)


def without_listed_secrets(text: str) -> str:
    """A command as a list in text: ``['mysql', '-psecret']``, ``("--token", "secret")``."""
    parts: list[str] = []
    done = 0
    for found in _LIST.finditer(text):
        if found.start() < done:
            continue
        spans, end = _items(text, found.end())
        words = [text[begin + 1 : stop - 1] for begin, stop in spans]
        hidden = ((spans[index], shown) for index, shown in sorted(secrets_of_words(words).items()))
        parts += _with_hidden(text, done, end, hidden)
        done = end
    return "".join(parts) + text[done:]


def _items(text: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """Where the texts in a list are, and where it ends, or what is no text begins."""
    spans: list[tuple[int, int]] = []
    while (item := _ITEM.match(text, begin)) is not None:
        spans.append(item.span("item"))
        begin = item.end()
        if item["end"]:
            break
    return spans, begin


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]:
        return word[1:-1]
    return word


def _quoted_as(quote: str, shown: str) -> str:
    return f"{quote}{shown}{quote}" if quote in "\"'" else shown
