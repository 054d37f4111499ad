"""Secrets in the notations of files: XML, netrc, SQL, shells, pairs in quotes, blocks of YAML."""

from __future__ import annotations

import re

from provenance_store.redaction.names import (
    REDACTED,
    Secrecy,
    hides,
    is_like_a_password,
    secrecy,
)
from provenance_store.redaction.urls import ALL

__all__ = [
    "without_authorization",
    "without_block_secrets",
    "without_netrc_secrets",
    "without_pair_secrets",
    "without_phrase_secrets",
    "without_shell_secrets",
    "without_sql_secrets",
    "without_xml_secrets",
]

_ELEMENT = re.compile(
    r"<([A-Za-z_][\w:.-]*+)([^<>]*+)>"
    r"(?:(\s*+)(<!\[CDATA\[[^\]<]*+\]\]>|[^<\s][^<]*+)(?=</|\Z))?"
)
_ATTRIBUTE = re.compile(r"([\w:.-]++)(\s*+=\s*+)(\"[^\"]*+\"|'[^']*+')")
_PLIST = re.compile(r"(<key>([^<]{1,128})</key>\s*+<(?:string|data)>)([^<]++)")

_NETRC = re.compile(
    r"(?<![\w-])((?:machine|login|account|default)[ \t\r\n]++(?:[^\s]++[ \t\r\n]++)?"
    r"(?:account[ \t\r\n]++[^\s]++[ \t\r\n]++)?password[ \t\r\n]++)([^\s]++)"
)
_SQL = re.compile(
    r"\b((?:identified[ \t]++(?:with[ \t]++\w++[ \t]++)?by|password)[ \t]++(?:password[ \t]++)?)"
    r"(?:'((?:[^'\\]|\\.|'')*" + ALL + r")'?|\"([^\"]*)\"?)",
    re.IGNORECASE,
)
_ORACLE = re.compile(
    r"((?:jdbc:oracle:\w{1,16}:|\bsqlplus[ \t]++(?:-\w++[ \t]++)?)[\w.$-]++/)([^\s@/]++)(?=@)"
)
_GO = re.compile(r"(?<![\w.-])([\w.-]{1,64}:)([^\s@:/]{1,256})(?=@(?:tcp|unix|cloudsql)\()")
_PGPASS = re.compile(
    r"(?<![\w.-])([\w.*-]{1,255}:(?:5432|6432):[^\s:]{1,64}:[^\s:]{1,64}:)([^\s]++)"
)
_SETENV = re.compile(
    r"(?<![\w.-])((?:setenv|ENV|ARG|set[ \t]++-\w{1,3}|set-env|putenv)[ \t]++)([\w.-]++)([ \t]++)"
    r"(\"[^\"\n]*+\"?|'[^'\n]*+'?|[^\s=\"'][^\s]*+)"
)
_WINDOWS = re.compile(r"(?<![^\s\"'])(/([A-Za-z]{1,32}):)(\"[^\"\n]*+\"?|[^\s/\"][^\s]*+)")
_PAIR = re.compile(
    r"([(\[,][ \t\n]*+(?:b|u)?([\"'])([\w.-]{2,128})\2[ \t]*+,[ \t\n]*+)"
    r"((?:b|u|f|r)?\"(?:[^\"\\\n]|\\.)*"
    + ALL
    + r"\"|(?:b|u|f|r)?'(?:[^'\\\n]|\\.)*"
    + ALL
    + r"')(?=[ \t\n]*+[)\]])"
)
_SECURE = re.compile(
    r"(\bConvertTo-SecureString[ \t]++(?:-String[ \t]++)?)(\"[^\"\n]*+\"?|'[^'\n]*+'?)"
)
_PHRASE = re.compile(
    r"(?<![\w-])((?:(?:api|access|secret|private|signing|encryption|license)[ ]keys?"
    r"[ \t]*+[:=][ \t]*+)"
    r"|(?:(?:password|passphrase|passwd|pwd)[ \t\r\n]++(?:(?:is|was)[ \t]*+:?[ \t]*+)?)"
    r"|(?:(?:token|secret|api[ ]key)[ \t]++(?:is|was)[ \t]*+:?[ \t]*+))"
    r"(?!\[redacted\])([^\s,;]++)",
    re.IGNORECASE,
)
_AUTHORIZATION = re.compile(
    r"((?:^|(?<=[\"']))[ \t]*+(?:proxy-)?authorization[ \t]*+:[ \t]*+)"
    r"(?!\[redacted\])([^\s\"'][^\n]*+)",
    re.IGNORECASE | re.MULTILINE,
)
_BLOCK = re.compile(
    r"^([ \t]*+)(?:-[ \t]++)?[\"']?([\w.-]++)[\"']?[ \t]*+:[ \t]*+([|>][-+\d]*+)?[ \t]*+$", re.M
)
_LINE = re.compile(r"\n([ \t]*+)([^\n]*+)")


def without_xml_secrets(text: str) -> str:
    """``<password>…</password>``, ``<add key="Password" value="…"/>``, keys of property lists."""
    if "<key>" in text:
        text = _PLIST.sub(_plist, text)
    return _ELEMENT.sub(_element, text)


def _plist(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if hides(found[2].strip(), found[3]) else found[0]


def _element(found: re.Match[str]) -> str:
    if not found[4] and "=" not in found[2]:
        return found[0]
    tag, attributes, space, content = found[1], found[2], found[3] or "", found[4] or ""
    named = {name.lower(): value[1:-1] for name, _, value in _ATTRIBUTE.findall(attributes)}
    names = [tag.rpartition(":")[2]]
    names += [named[key] for key in ("name", "key", "id", "property") if key in named]
    value = named.get("value", "")
    if value and any(hides(name, value) for name in names):
        attributes = _ATTRIBUTE.sub(_without_value, attributes)
    if content and any(hides(name, content) for name in names):
        content = REDACTED
    return f"<{tag}{attributes}>{space}{content}"


def _without_value(found: re.Match[str]) -> str:
    quote = found[3][0]
    return (
        f"{found[1]}{found[2]}{quote}{REDACTED}{quote}" if found[1].lower() == "value" else found[0]
    )


def without_netrc_secrets(text: str) -> str:
    """``machine … login … password …``"""
    return _NETRC.sub(lambda found: f"{found[1]}{REDACTED}", text)


def without_sql_secrets(text: str) -> str:
    """``IDENTIFIED BY '…'``, Oracle's ``user/password@``, Go's ``user:password@tcp(…)``, pgpass."""
    if "'" in text or '"' in text:
        text = _SQL.sub(lambda found: f"{found[1]}'{REDACTED}'", text)
    if "@" in text:
        text = _ORACLE.sub(lambda found: f"{found[1]}{REDACTED}", text)
        text = _GO.sub(lambda found: f"{found[1]}{REDACTED}", text)
    if ":5432:" in text or ":6432:" in text:
        text = _PGPASS.sub(lambda found: f"{found[1]}{REDACTED}", text)
    return text


def without_shell_secrets(text: str) -> str:
    """``setenv NAME …``, a Dockerfile's ``ENV NAME …``, ``/password:…``"""
    text = _SECURE.sub(lambda found: f"{found[1]}'{REDACTED}'", _SETENV.sub(_variable, text))
    return _WINDOWS.sub(_windows, text) if "/" in text else text


def _variable(found: re.Match[str]) -> str:
    hidden = hides(found[2], found[4].strip("\"'"))
    return f"{found[1]}{found[2]}{found[3]}{REDACTED}" if hidden else found[0]


def _windows(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if hides(found[2], found[3].strip('"')) else found[0]


def without_phrase_secrets(text: str) -> str:
    """``API key: …``, ``the password is …``, if what follows looks like a password."""
    return _PHRASE.sub(_phrase, text)


def _phrase(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if is_like_a_password(found[2].strip("\"'.()")) else found[0]


def without_authorization(text: str) -> str:
    """A header of HTTP that may have several quoted parts: ``Authorization: Digest a="…"``."""
    return _AUTHORIZATION.sub(_authorization, text)


def _authorization(found: re.Match[str]) -> str:
    before, value = found.string[found.start() - 1 : found.start()], found[2]
    end = value.find(before) if before and before in "\"'" else -1
    behind = value[end:] if end >= 0 else ""
    shown = value[:end] if end >= 0 else value
    return f"{found[1]}{REDACTED}{behind}" if hides("authorization", shown) else found[0]


def without_pair_secrets(text: str) -> str:
    """``("X-Auth-Token", "…")``, as headers and variables are written in programs."""
    return _PAIR.sub(_pair, text)


def _pair(found: re.Match[str]) -> str:
    quote = found[4][-1]
    hidden = hides(found[3], found[4].strip("bufr\"'"))
    return f"{found[1]}{quote}{REDACTED}{quote}" if hidden else found[0]


def without_block_secrets(text: str) -> str:
    """Values of YAML that are on the lines below their key: ``|`` and ``>`` blocks, and lists."""
    parts: list[str] = []
    done = 0
    for found in _BLOCK.finditer(text):
        if found.start() < done or secrecy(found[2]) < Secrecy.SECRET:
            continue
        begin, end = found.end(), _end_of_block(text, found.end(), len(found[1]), bool(found[3]))
        if end > begin and text[begin:end].strip() != REDACTED:
            parts.append(f"{text[done:begin]}\n{found[1]}  {REDACTED}")
            done = end
    return "".join(parts) + text[done:]


def _end_of_block(text: str, begin: int, indent: int, block: bool) -> int:
    """Where the lines below a key end that are its value: indented further, or items of a list."""
    end = begin
    while (line := _LINE.match(text, end)) is not None:
        item = not block and (line[2].startswith("- ") or line[2] == REDACTED)
        deeper = len(line[1]) > indent and (block or item)
        if line[2] and not deeper and not (item and len(line[1]) == indent):
            break
        end = line.end()
    return end
