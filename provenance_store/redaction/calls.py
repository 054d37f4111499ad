"""Secrets that programs give to functions: ``auth=("me", "secret")``, ``login("me", "secret")``.

Which functions take one is data, in programs.toml; a function that is named like a credential is
known by its name.
"""

from __future__ import annotations

import functools
import re

from provenance_store.redaction.commands import document
from provenance_store.redaction.names import Secrecy, secrecy
from provenance_store.redaction.values import ALL, REDACTED, is_like_a_password, is_placeholder

__all__ = ["may_call", "without_call_secrets"]

_QUOTED = (
    r"(?:b|u|f|r)?(?P<text>\"(?:[^\"\\\n]|\\.)*" + ALL + r"\"|'(?:[^'\\\n]|\\.)*" + ALL + r"')"
)
_ARGUMENT = re.compile(
    r"\s{0,64}(?:(?P<name>[A-Za-z_]\w{0,40})\s?=\s?)?"
    r"(?:" + _QUOTED + r"|[^\"'(),\[\]\n]{1,128})?\s{0,64}(?P<end>[,)\]])"
)
_CALL_OF_NAME = re.compile(
    r"(?<![\w.])(?P<name>[A-Za-z_][\w.]*+)[ ]?\((?P<quoted>[ ]?" + _QUOTED + r")(?=[ ]?[,)])"
)
_EXPECT = re.compile(
    r"(?P<before>(?i:\bexpect)\b[^\n;]{0,60}(?i:assword|assphrase|asscode)[^\n\"']{0,4}[\"'][)\s;{}]{0,8}"
    r"[\w.]{0,32}\b(?:send|sendline)[ (]{1,3})" + _QUOTED
)
MOST_ARGUMENTS = 12


def may_call(text: str) -> bool:
    """Whether a function may be given a secret in a text that no name in it tells."""
    return _calls().search(text) is not None


@functools.cache
def _functions() -> dict[str, tuple[int, bool, str]]:
    """Which argument is the secret, whether it is when it is the only one, and its name."""
    return {
        name: (entry["secret"], entry.get("alone", False), entry.get("keyword", ""))
        for entry in document()["call"]
        for name in entry["names"]
    }


@functools.cache
def _calls() -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in sorted(_functions(), reverse=True))
    return re.compile(rf"(?<!\w)({names})[ ]?(?:=[ ]?)?[(\[](?!\[)")


def without_call_secrets(text: str) -> str:
    """The text with ``[redacted]`` in the place of every secret that is given to a function."""
    parts: list[str] = []
    done = 0
    for found in _calls().finditer(text):
        if found.start() >= done and (span := _secret_argument(text, found)) is not None:
            parts += (text[done : span[0]], REDACTED)
            done = span[1]
    text = "".join(parts) + text[done:]
    text = _EXPECT.sub(_sent, text) if "expect" in text else text
    return _CALL_OF_NAME.sub(_of_name, text)


def _secret_argument(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    number, alone, keyword = _functions()[found[1]]
    begin, plain = found.end(), 0
    last: tuple[int, int] | None = None
    for _ in range(MOST_ARGUMENTS):
        argument = _ARGUMENT.match(text, begin)
        if argument is None:
            return None
        begin, span = argument.end(), None
        if argument["text"] is not None:
            inner = argument["text"][1:-1]
            if inner and inner != REDACTED and not is_placeholder(inner):
                span = (argument.start("text") + 1, argument.end("text") - 1)
        if argument["name"]:
            if keyword == argument["name"]:
                return span
        else:
            plain, last = plain + 1, span
            if plain == number:
                return span
        if argument["end"] != ",":
            break
    if alone and plain == 1 and last and is_like_a_password(text[slice(*last)]):
        return last
    return None


def _of_name(found: re.Match[str]) -> str:
    """``set_token("secret")``, but not ``get_token("name")``."""
    name = found["name"].rpartition(".")[2]
    inner = found["text"][1:-1]
    if secrecy(name) < Secrecy.SECRET or name.lower().startswith(("get", "read", "load", "has")):
        return found[0]
    if not is_like_a_password(inner):
        return found[0]
    before = found[0][: found.start("text") + 1 - found.start()]
    return f"{before}{REDACTED}{found['text'][-1]}"


def _sent(found: re.Match[str]) -> str:
    secret = found["text"][1:-1]
    hidden = secret != REDACTED and not is_placeholder(secret.removesuffix("\\r"))
    quote = found["text"][0]
    return f"{found['before']}{quote}{REDACTED}{quote}" if hidden else found[0]
