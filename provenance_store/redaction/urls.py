"""Secrets inside URLs: passwords, tokens as users, secret and signed parameters.

What is percent-encoded in a parameter is decoded once, and inside that again, NESTED times at most.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_plus, urlsplit

from provenance_store.redaction.names import is_secret_key, is_secret_parameter
from provenance_store.redaction.values import ALL, REDACTED, is_like_a_password, is_placeholder

__all__ = [
    "LONGEST_USER",
    "NESTED",
    "without_login_secrets",
    "without_query_secrets",
    "without_url_secrets",
]

LONGEST_USER = 16
"""Who a URL names by more characters than this is rather a token."""
NESTED = 4
"""So often a URL may be encoded in the parameter of another; what is deeper is redacted unread."""

_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]{0,31})?://"
    r"((?:(?!\[)[^\s/?#@:\"'<>]*+:(?!\d*+(?:[/?#\s\"'<>,;)\]}]|$))[^@\n]{0,256}@)?[^\s<>\"'`\\]*+)"
)
"""A URL, and after its user name anything up to an ``@`` but the number of a port."""
_TORN = re.compile(r"(://)\[(?!redacted)[^\]@\n]{0,256}@")
"""A URL whose host is cut off, so that who it names cannot be told."""
_QUERY = re.compile(r"((?<=[?&])([\w.%-]{1,64}+)=)(?!\[redacted\])([^&#\s\"'<>]++)")
SHORTEST_SIGNATURE = 8
_LOGIN = re.compile(
    r"(?P<before>(?<![\w./:@%-])(?P<proxy>(?i:\w{0,16}proxy\w{0,8}[\"']?[ \t]{0,4}[=:]?[ \t]{0,4}"
    r"[\"']?|-x[ ]))?[\w.-]{1,64}+:)"
    r"(?P<secret>[^\s@/:\"'<>|;,]{1,128}+)(?=@[A-Za-z0-9.-]{1,128}:\d{2,5}\b)"
)
_PARAMETER = re.compile(r"([?&#;])([^=&#;?]++)=([^&#;]*+(?:;(?![^=&#;]*+=)[^&#;]*+)*" + ALL + r")")
_INNER_NAME = re.compile(r"\?([^=?;]++)=")
_PATH_PARAMETER = re.compile(r"(;)([^=;/]++)=(\[redacted\]|[^;]*+)")

_Hides = Callable[[str, int], bool]
"""Whether a decoded text holds a secret, when it may be decoded so many times again."""


def without_url_secrets(text: str, nested: int, hides: _Hides) -> str:
    """The text with ``[redacted]`` in the place of every secret in one of its URLs."""
    text = _TORN.sub(rf"\1{REDACTED}@", text) if "://[" in text else text
    return _URL.sub(lambda found: _url(found, nested, hides), text)


def without_query_secrets(text: str) -> str:
    """What is signed or secret in a query without a scheme and host: ``scan.h5?…&sig=…``."""
    return _QUERY.sub(
        lambda found: f"{found[1]}{REDACTED}" if _is_of_query(found[2], found[3]) else found[0],
        text,
    )


def _is_of_query(name: str, value: str) -> bool:
    name = unquote_plus(name)
    secret = is_secret_parameter(name, query=False) and not is_placeholder(value)
    return secret and (is_secret_key(name) or len(value) >= SHORTEST_SIGNATURE)


def without_login_secrets(text: str) -> str:
    """``user:secret@host:port`` without a scheme, as proxies are given."""
    return _LOGIN.sub(_login, text)


def _login(found: re.Match[str]) -> str:
    secret = found["secret"]
    hidden = not is_placeholder(secret) and (found["proxy"] or is_like_a_password(secret))
    return f"{found['before']}{REDACTED}" if hidden else found[0]


def _url(found: re.Match[str], nested: int, hides: _Hides) -> str:
    scheme, rest = found[1] or "", found[2]
    user, at, place = _split_user(rest)
    if at:
        try:
            _ = urlsplit(f"x://u@{place}").port
        except ValueError:
            return REDACTED
        user = _shown_user(user)
    return f"{scheme}://{user}{at}{_without_parameters(place, nested, hides)}"


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
    name, colon, secret = user.partition(":")
    shown = REDACTED if len(name) > LONGEST_USER and not is_placeholder(name) else name
    hidden = colon and not is_placeholder(secret)
    return f"{shown}:{REDACTED}" if hidden else f"{shown}{colon}{secret}"


def _without_parameters(place: str, nested: int, hides: _Hides) -> str:
    """A URL from its host on, without the values of secret parameters."""
    cut = re.search(r"[?#]", place)
    path, tail = (place[: cut.start()], place[cut.start() :]) if cut else (place, "")
    if ";" in path:
        path = _PATH_PARAMETER.sub(lambda found: _parameter(found, False, nested, hides), path)
    if "=" in tail:
        tail = _PARAMETER.sub(lambda found: _parameter(found, True, nested, hides), tail)
    return path + tail


def _parameter(found: re.Match[str], query: bool, nested: int, hides: _Hides) -> str:
    before, name, value = found[1], found[2], found[3]
    if value and is_secret_parameter(unquote_plus(name), query=query):
        return f"{before}{name}={REDACTED}"
    if "?" in value:
        value = _without_inner(value, nested, hides)
    if _hides_secret(value, nested, hides):
        value = REDACTED
    return f"{before}{name}={value}"


def _without_inner(value: str, nested: int, hides: _Hides) -> str:
    """A URL that is a parameter as it is, not encoded: up to its first secret parameter."""
    begin = 0
    for found in _INNER_NAME.finditer(value):
        if _hides_secret(value[begin : found.start()], nested, hides):
            return value[:begin] + REDACTED
        begin = found.end()
        if begin < len(value) and is_secret_parameter(unquote_plus(found[1]), query=True):
            return value[:begin] + REDACTED
    hidden = begin and _hides_secret(value[begin:], nested, hides)
    return value[:begin] + REDACTED if hidden else value


def _hides_secret(value: str, nested: int, hides: _Hides) -> bool:
    """Whether there is a secret in what is percent-encoded, or it is too deep to be looked for."""
    if "%" not in value:
        return False
    return not nested or hides(unquote_plus(value), nested - 1)
