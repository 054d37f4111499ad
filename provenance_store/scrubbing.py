"""Secrets inside text: in URLs, headers, command lines, assignments.

Where a secret may be is told quickly by `looks_secret`, for nearly all text holds none.
Every pattern takes time in proportion to the text, and what is percent-encoded inside a URL is
decoded once, and inside that again, NESTED times at most.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_plus, urlsplit

from provenance_store.secret_names import REDACTED, is_secret_option, is_secret_parameter

__all__ = ["NAME_AND_VALUE", "looks_secret", "scrubbed"]

NAME_AND_VALUE = re.compile(r"(-{0,2}([A-Za-z_][\w.-]*+)\s*+(?:=|:(?!//))\s*+)(.+)", re.DOTALL)
"""A text that is an assignment or a header as a whole: what comes before the value, the name."""

LONGEST_USER = 16
"""Who a URL names by more characters than this is rather a token."""
NESTED = 4
"""So often a URL may be encoded in the parameter of another; what is deeper is redacted unread."""

_ALL = "+" if re.findall(r"(?:a|b(?!c))++", "abc") == ["a"] else ""
"""Makes a repeated group possessive, so that it takes no memory for each turn. Python before 3.11.5
keeps what such a group's last turn took before it failed; without the sign the same is found."""

_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,31})?://"
    r"((?:(?!\[)[^\s/?#@:\"'<>]*+:(?!\d*+(?:[/?#\s\"'<>,;)\]}]|$))[^@\n]{0,256}@)?[^\s<>\"'`\\]*+)"
)
"""A URL, and after its user name anything up to an ``@`` but the number of a port."""
_PARAMETER = re.compile(r"([?&#;])([^=&#;?]++)=([^&#;]*+(?:;(?![^=&#;]*+=)[^&#;]*+)*" + _ALL + r")")
_INNER_NAME = re.compile(r"\?([^=?;]++)=")
_PATH_PARAMETER = re.compile(r"(;)([^=;/]++)=([^;/]*+)")
_SCHEME = re.compile(r"\b(Bearer|Basic)([ \t]+|%20)([\w.~+/=:-]++)", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[a-z]{1,15}|Token|Auth(?:entication)?")

_VALUE = (
    r"(?!\\*[\"']?\[redacted\])"
    r"(?:(?P<quote>\\+[\"']).*?(?:(?P=quote)|\Z)"
    r"|\"(?:[^\"\\]|\\.)*" + _ALL + r"\"?"
    r"|'(?:[^'\\]|\\.)*" + _ALL + r"'?"
    r"|(?:[^\s,;&\"']|,(?!\s|$)|[;&](?!\s|$|[\w.%-]++=)|[\"'](?![\s,;}\])]|$))+" + _ALL + r")"
)
_GIVES = r"(?:\\*+[\"']?[ \t]*+=>?[ \t]*+(?!=)|\\*+[\"'][ \t]*+:[ \t]*+)"


def _named_value(name: str, between: str) -> re.Pattern[str]:
    """A long word with no value behind it is passed over at once, and not from each of its dots."""
    behind = (between + _VALUE).replace("quote", "passed")
    passed = rf"(?<![\w.-])[\w.-]{{64,}}+(?!{behind})"
    return re.compile(
        rf"{passed}|(?<![\w-])(?P<name>{name})(?P<between>{between}){_VALUE}", re.DOTALL
    )


_ASSIGNED = _named_value(r"-{0,2}[A-Za-z_][\w.-]*+", _GIVES)
_OPTION = _named_value(r"--?[A-Za-z][\w.-]*+", r"\s++(?!--)")
_HEADER = re.compile(
    r"(?:^|(?<=[\"']))([ \t]*+(?:-[ \t]++)?)([A-Za-z_][\w.-]*+)([ \t]*+:(?!//)[ \t]*+)"
    r"(?!\[redacted\])([^\s\"'][^\n\"']*+)",
    re.MULTILINE,
)


def looks_secret(text: str) -> bool:
    """Whether a text may hold a secret at all; cheap, and never false when it does."""
    if "://" in text:
        if "@" in text or "?" in text or "#" in text or ";" in text:
            return True
        plain = not ("=" in text or " " in text or '"' in text or "'" in text or "%" in text)
        if plain and text.isprintable():
            return False
    low = text.lower()
    return (
        "pass" in low
        or "token" in low
        or "secret" in low
        or "key" in low
        or "auth" in low
        or "bearer" in low
        or "basic" in low
        or "cred" in low
        or "cookie" in low
        or "pw" in low
        or "jwt" in low
        or "sess" in low
        or "_private" in low
    )


def scrubbed(text: str) -> str:
    """The text with ``[redacted]`` in the place of every secret that is found in it."""
    return _scrubbed(text, NESTED)


def _scrubbed(text: str, nested: int) -> str:
    if "-----BEGIN" in text:
        text = _KEY.sub(REDACTED, text)
    if "://" in text:
        text = _URL.sub(lambda found: _url(found, nested), text)
    text = _SCHEME.sub(_credential, text)
    if ":" in text:
        text = _HEADER.sub(_header, text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(_named, text)
    if "-" in text:
        text = _OPTION.sub(_named, text)
    return text


def _named(found: re.Match[str]) -> str:
    name, between = found["name"], found["between"]
    return f"{name}{between}{REDACTED}" if name and is_secret_option(name) else found[0]


def _header(found: re.Match[str]) -> str:
    indent, name, between = found[1], found[2], found[3]
    return f"{indent}{name}{between}{REDACTED}" if is_secret_option(name) else found[0]


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


def _url(found: re.Match[str], nested: int) -> str:
    scheme, rest = found[1] or "", found[2]
    user, at, place = _split_user(rest)
    if at:
        try:
            _ = urlsplit(f"x://u@{place}").port
        except ValueError:
            return REDACTED
        user = _shown_user(user)
    return f"{scheme}://{user}{at}{_without_parameters(place, nested)}"


def _split_user(rest: str) -> tuple[str, str, str]:
    """Who and where. The user may hold anything when a password follows that is no port."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in authority and not _has_odd_port(authority):
        return "", "", rest
    end = authority.rfind("@") if "@" in authority else rest.find("@")
    if ":" in rest[: max(end, 0)]:  # a password may go on behind its first @ or /
        end = re.split(r"[?#]", rest[end:], maxsplit=1)[0].rfind("@") + end
    return (rest[:end], "@", rest[end + 1 :]) if end >= 0 else ("", "", rest)


def _has_odd_port(authority: str) -> bool:
    if authority.startswith("["):
        return False
    _, colon, port = authority.partition(":")
    return bool(colon and port) and not port.isdecimal()


def _shown_user(user: str) -> str:
    name, colon, _ = user.partition(":")
    shown = REDACTED if len(name) > LONGEST_USER else name
    return f"{shown}:{REDACTED}" if colon else shown


def _without_parameters(place: str, nested: int) -> str:
    """A URL from its host on, without the values of secret parameters."""
    cut = re.search(r"[?#]", place)
    path, tail = (place[: cut.start()], place[cut.start() :]) if cut else (place, "")
    if ";" in path:
        path = _PATH_PARAMETER.sub(lambda found: _parameter(found, False, nested), path)
    if "=" in tail:
        tail = _PARAMETER.sub(lambda found: _parameter(found, True, nested), tail)
    return path + tail


def _parameter(found: re.Match[str], query: bool, nested: int) -> str:
    before, name, value = found[1], found[2], found[3]
    if value and is_secret_parameter(unquote_plus(name), query=query):
        return f"{before}{name}={REDACTED}"
    if "?" in value:
        value = _without_inner(value, nested)
    if _hides_secret(value, nested):
        value = REDACTED
    return f"{before}{name}={value}"


def _without_inner(value: str, nested: int) -> str:
    """A URL that is a parameter as it is, not encoded: up to its first secret parameter."""
    begin = 0
    for found in _INNER_NAME.finditer(value):
        if _hides_secret(value[begin : found.start()], nested):
            return value[:begin] + REDACTED
        begin = found.end()
        if begin < len(value) and is_secret_parameter(unquote_plus(found[1]), query=True):
            return value[:begin] + REDACTED
    return value[:begin] + REDACTED if begin and _hides_secret(value[begin:], nested) else value


def _hides_secret(value: str, nested: int) -> bool:
    """Whether there is a secret in what is percent-encoded, or it is too deep to be looked for."""
    if "%" not in value:
        return False
    plain = unquote_plus(value)
    return not nested or (looks_secret(plain) and _scrubbed(plain, nested - 1) != plain)
