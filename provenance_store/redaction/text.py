"""Secrets inside text: in URLs, headers, command lines, assignments, and tokens by themselves.

Where a secret may be is told quickly by `suspicion`, for nearly all text holds none.
Every pattern takes time in proportion to the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from provenance_store.redaction.commands import has_short_option, without_command_secrets
from provenance_store.redaction.formats import SHORTEST, has_many_capitals, without_tokens
from provenance_store.redaction.names import REDACTED, Secrecy, hides, secrecy
from provenance_store.redaction.notations import (
    without_authorization,
    without_block_secrets,
    without_netrc_secrets,
    without_pair_secrets,
    without_phrase_secrets,
    without_shell_secrets,
    without_sql_secrets,
    without_xml_secrets,
)
from provenance_store.redaction.urls import ALL, NESTED, without_url_secrets

__all__ = ["NAMES", "NAME_AND_VALUE", "TOKENS", "scrubbed", "suspicion"]

NAMES = 1
"""A text may hold a secret that its surroundings give away."""
TOKENS = 2
"""A text may hold a token that is known by its own look."""

NAME_AND_VALUE = re.compile(r"(-{0,2}([A-Za-z_][\w.-]*+)\s*+(?:=|:(?!//))\s*+)(.+)", re.DOTALL)
"""A text that is an assignment or a header as a whole: what comes before the value, the name."""


def _classes() -> bytes:
    """What a character is for `suspicion`: of a word ``a``, inside a path ``.``, a colon ``:``;
    what may give a value to a name, or is not ASCII, ``?``; a space, or as good as one."""
    table = bytearray(b"?" * 256)
    table[0:128] = bytes(97 if chr(i).isalnum() else 63 for i in range(128))
    for character in b"_./-":
        table[character] = ord(".")
    for character in b" ,()+*#!~^$|&;[]{}?>":
        table[character] = ord(" ")
    table[ord(":")] = ord(":")
    return bytes(table)


_CLASSES = _classes()
_RUN = b"a" * SHORTEST
_GIVER, _COLON, _SPACE = ord("?"), ord(":"), ord(" ")
_DIGEST = re.compile(r"(?:(?:sha|md|blake|xxh)[a-z0-9-]{0,12}:)?[0-9a-f]{32,128}")

_OF_KEY = r"(?:[A-Z0-9 +_-]|%20){0,64}PRIVATE(?: |%20|\+)KEY(?:(?: |%20|\+)BLOCK)?-{4,5}"
_KEY = re.compile(
    rf"-{{4,5}} ?BEGIN{_OF_KEY}.*?(?:-{{4,5}} ?END{_OF_KEY}|\Z)"
    r"|-{4} BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY -{4}.*?(?:-{4} END SSH2[A-Z ]{0,32}-{4}|\Z)"
    r"|PuTTY-User-Key-File-.*?(?:Private-MAC: ?\w{0,128}|\Z)",
    re.DOTALL,
)
_SCHEME = re.compile(r"\b(Bearer|Basic)([ \t]+|%20)([\w.~+/=:-]++)", re.IGNORECASE)
ValueOf = Callable[[str, re.Match[str]], tuple[int, int, bool]]
"""Where the value behind a name begins and ends, and whether it is a secret."""
LOOKED_THROUGH, LOOKED_THROUGH_ANYWAY = 8, 1 << 16

_PLAIN_WORD = re.compile(r"[a-z]{1,15}|Token|Auth(?:entication)?")

_VALUE = re.compile(
    r"(?!\\*[\"']?\[redacted\])(?:[bfruBFRU]{1,2}(?=[\"']))?"
    r"(?:(?P<quote>\\+[\"']).*?(?:(?P=quote)|\Z)"
    r"|\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)"
    r"|\"(?:[^\"\\]|\\.)*" + ALL + r"\"?"
    r"|'(?:[^'\\]|\\.)*" + ALL + r"'?"
    r"|(?:[^\s,;&\"']|,(?!\s|$)|[;&](?!\s|$|[\w.%-]++=)|[\"'](?![\s,;}\])]|$))+" + ALL + r")",
    re.DOTALL,
)
_ENCODED_VALUE = re.compile(r"(?!\[redacted\])(?:[^\s&\"'<>%]|%(?!26))+" + ALL)
_NAMED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)(?:"
    r"(?P<equals>\\*+[\"']?\]?[ \t]*+(?:=>?|:=|<-|\?=)[ \t]*+(?!=))"
    r"|(?P<quoted>\\*+[\"'][ \t]*+:[ \t]*+)"
    r"|(?P<colon>[ \t]*+:(?![/:=])[ \t]*+)"
    r"|(?P<encoded>%3[Dd]|%3[Aa](?:%20|\+){0,2}))"
)
_TYPE = re.compile(r"[A-Za-z_][\w.\[\]| ]{0,64}=[ \t]*+(?!=)")
"""What may stand between a name and its value: ``password: str = "…"``."""
_OPTION = re.compile(r"(?<![\w.-])(?P<name>--?[A-Za-z][\w.-]*+)(?:\s++(?:\\\r?\n\s*+)?)(?!--)")
_HEADER = re.compile(
    r"(?:^|(?<=[\"']))([ \t]*+(?:-[ \t]++)?)([A-Za-z_][\w.-]*+)([ \t]*+:(?!//|=)[ \t]*+)"
    r"(?!\[redacted\]|[\"']\[redacted\]|[A-Za-z_][\w.\[\]| ]{0,64}=[ \t]*+[\"'])"
    r"(\"[^\"\n]*+\"|'[^'\n]*+'|[^\s\"'][^\n\"']*+)",
    re.MULTILINE,
)
_BRACKET = re.compile(
    r"\\.|[{}\[\]]|\"(?:[^\"\\]|\\.)*" + ALL + r"\"|'(?:[^'\\\n]|\\.)*" + ALL + r"'"
)


def suspicion(text: str) -> int:
    """What a text may hold, NAMES and TOKENS; 0 for nearly all, and cheap: of nearly every text
    that is recorded, this is all that is done, so it goes over it in C alone, and rarely."""
    if len(text) < SHORTEST and text.isalnum():
        return 0
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return NAMES | TOKENS
    classes = data.translate(_CLASSES)
    low = text.lower()
    found = 0
    if classes.find(_RUN) >= 0:
        if _DIGEST.fullmatch(text):
            return 0
        found = TOKENS
    elif low != text and ("_" in text or "-" in text):
        found = TOKENS if has_many_capitals(data) else 0
    if _GIVER in classes:
        names = _gives(low) or _gives_rarely(text, low) or _has_words_before(text, low)
    elif _COLON in classes and "://" not in text:
        names = _gives(low) or (_SPACE in classes and _has_words_before(text, low))
    else:
        names = _SPACE in classes and _has_words_before(text, low)
    return found | NAMES if names else found


# What follows looks for a letter or two first that most texts do not have, for each look at a text
# takes about 20 ns, and millions are recorded.


def _gives(low: str) -> bool:
    """Whether a name in a text may be one of a secret, when something in it gives values."""
    return (
        ("ss" in low and ("pass" in low or "sess" in low))
        or ("k" in low and ("key" in low or "token" in low or "cookie" in low or "kennw" in low))
        or ("cre" in low and ("secret" in low or "cred" in low))
        or "auth" in low
        or ("w" in low and ("pw" in low or "jwt" in low))
        or "432:" in low
    )


def _gives_rarely(text: str, low: str) -> bool:
    return (
        ("://" in text and ("@" in text or "=" in text or "%" in text))
        or "_priv" in low
        or "otp" in low
        or "contras" in low
        or "\\u00" in text
        or ("'" in text and "identified" in low)
        or ("@" in text and ("jdbc:" in low or "sqlplus" in low or "@tcp(" in low))
    )


def _has_words_before(text: str, low: str) -> bool:
    """Whether a secret may stand behind a space: an option, a scheme of HTTP, a file of logins."""
    return (
        ("b" in low and ("bearer" in low or "basic" in low))
        or ("w" in low and "passw" in low)
        or (" is " in low and ("token is" in low or "secret is" in low or "key is" in low))
        or ("g" in low and ("login" in low or "config" in low))
        or ("v" in low and "setenv" in low)
        or ("-" in text and _may_have_option(text, low))
    )


def _may_have_option(text: str, low: str) -> bool:
    return (" -" in text or text[0] == "-" or "---" in text) and has_short_option(low)


def scrubbed(text: str, found: int) -> str:
    """The text with ``[redacted]`` in the place of every secret; `found` is its `suspicion`.

    What is scrubbed again stays as it is.
    """
    for _ in range(4):
        once = _scrubbed(text, found, NESTED)
        if once == text:
            return text
        text, found = once, suspicion(once)
    return REDACTED  # Never seen: a text in which each turn finds another secret.


def _hides_secret(text: str, nested: int) -> bool:
    found = suspicion(text)
    return bool(found) and _scrubbed(text, found, nested) != text


def _scrubbed(text: str, found: int, nested: int) -> str:
    if found & NAMES:
        text = _without_named(text, nested)
    return without_tokens(text) if found & TOKENS else text


def _without_named(text: str, nested: int) -> str:
    low = text.lower()
    if "private" in low and ("begin" in low or "putty" in low):
        text = _KEY.sub(REDACTED, text)
    if "://" in text:
        text = without_url_secrets(text, nested, _hides_secret)
    if "bearer" in low or "basic" in low:
        text = _SCHEME.sub(_credential, text)
    if "<" in text:
        text = without_xml_secrets(text)
    text = _without_spaced(text, low)
    if ":" in text:
        text = without_authorization(text) if "authorization" in low else text
        text = without_block_secrets(text) if "\n" in text else text
        text = _HEADER.sub(_header, text)
    if "," in text and ("(" in text or "[" in text):
        text = without_pair_secrets(text)
    if "=" in text or ":" in text or "<-" in text or "%3" in text:
        text = _without_values(text, _NAMED, _assigned)
    if "-" in text:
        text = _without_values(text, _OPTION, _of_option)
    return text


def _without_spaced(text: str, low: str) -> str:
    """Secrets in commands, SQL and files of logins, where neither ``=`` nor ``:`` gives them."""
    if " " in text:
        text = without_shell_secrets(without_command_secrets(text))
    if "pass" in low or "pwd" in low or " key" in low or " is" in low or " was" in low:
        text = without_phrase_secrets(text)
    if "password" in low:
        text = without_netrc_secrets(text)
    if "password" in low or "identified" in low or "@" in text or "432:" in text:
        text = without_sql_secrets(text)
    return text


def _without_values(text: str, names: re.Pattern[str], value_of: ValueOf) -> str:
    """The text without the secrets that follow names, each where `value_of` finds its value.

    Values that are no secret may lie inside each other, without end in a text that was made for
    it. When what was looked through is many times the text, the rest of it goes as a whole.
    """
    parts: list[str] = []
    done = 0
    left = LOOKED_THROUGH * len(text) + LOOKED_THROUGH_ANYWAY
    for found in names.finditer(text):
        if secrecy(found[1]) is Secrecy.NONE or found.start() < done:
            continue
        begin, end, is_secret = value_of(text, found)
        left -= end - begin
        if left < 0:
            return "".join(parts) + text[done:begin] + REDACTED
        if is_secret:
            parts += (text[done:begin], REDACTED)
            done = end
    return "".join(parts) + text[done:]


def _assigned(text: str, found: re.Match[str]) -> tuple[int, int, bool]:
    begin = _begin_of_value(text, found)
    end = _end_of_value(text, begin, encoded=found["encoded"] is not None)
    return begin, end, end > begin and _is_assigned(found, text[begin:end])


def _begin_of_value(text: str, found: re.Match[str]) -> int:
    typed = _TYPE.match(text, found.end()) if found["colon"] else None
    return typed.end() if typed else found.end()


def _end_of_value(text: str, begin: int, *, encoded: bool) -> int:
    """Where the value of an assignment ends; where it begins, when there is none."""
    if text[begin : begin + 1] in ("{", "["):
        return begin if text.startswith(REDACTED, begin) else _end_of_brackets(text, begin)
    value = (_ENCODED_VALUE if encoded else _VALUE).match(text, begin)
    return value.end() if value else begin


def _end_of_brackets(text: str, begin: int) -> int:
    """Behind the bracket that closes the one at `begin`; the end of the text if none does."""
    depth = 0
    for found in _BRACKET.finditer(text, begin):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth <= 0:
            return found.end()
    return len(text)


def _is_assigned(found: re.Match[str], value: str) -> bool:
    name, value = found[1], value.strip("\\\"'")
    if not hides(name, value):
        return False
    if not found["colon"]:
        return True
    # A colon may also be one of a sentence: "on the token: it is read once".
    said = secrecy(name)
    return said >= Secrecy.PASSWORD or (said is Secrecy.SECRET and not _PLAIN_WORD.fullmatch(value))


def _of_option(text: str, found: re.Match[str]) -> tuple[int, int, bool]:
    value = _VALUE.match(text, found.end())
    if value is None:
        return found.end(), found.end(), False
    return *value.span(), hides(found[1], value[0].strip("\\\"'"))


def _header(found: re.Match[str]) -> str:
    indent, name, between, value = found[1], found[2], found[3], found[4]
    return f"{indent}{name}{between}{REDACTED}" if hides(name, value.strip("\"'")) else found[0]


def _credential(found: re.Match[str]) -> str:
    """``Bearer X`` and ``Basic X``, but not "basic research" or "the bearer of"."""
    scheme, between, word = found[1], found[2], found[3]
    if scheme.lower() == "basic":
        secret = bool(re.search(r"[\d=]", word)) or ":" in _decoded(word)
    else:
        alone = len(found[0]) == len(found.string.strip())
        named = word in ("token", "tokens", "auth", "authentication")
        secret = not _PLAIN_WORD.fullmatch(word) or (alone and not named)
    return f"{scheme}{between}{REDACTED}" if secret else found[0]


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4)).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
