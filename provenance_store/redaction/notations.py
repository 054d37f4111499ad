"""Secrets in the notations of files: XML, netrc, SQL, shells, pairs in quotes, blocks of YAML."""

from __future__ import annotations

import html
import re

from provenance_store.redaction.names import Secrecy, hides, secrecy
from provenance_store.redaction.values import ALL, REDACTED, is_like_a_password, is_placeholder

__all__ = [
    "without_authorization",
    "without_block_secrets",
    "without_key_ends",
    "without_line_secrets",
    "without_manifest_secrets",
    "without_named_values",
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
_SIBLINGS = re.compile(
    r"((?:<|&lt;)(\w{1,32})(?:>|&gt;)([^<&]{1,128})(?:</|&lt;/)\w{1,32}(?:>|&gt;)\s*+"
    r"(?:<|&lt;)\w{1,32}(?:>|&gt;))(?!\[redacted\])([^<&]++)"
)
"""A name in one element, its value in the next, as in property lists and Hadoop's settings."""
_ESCAPED = re.compile(r"&lt;[A-Za-z_][^<>]{0,256}?&gt;(?:[^<&]{1,512}+(?=&lt;/))?")

_NETRC = re.compile(
    r"(?<![\w-])((?:machine|login|account|default)[ \t\r\n]++(?:[^\s]++[ \t\r\n]++)?"
    r"(?:account[ \t\r\n]++[^\s]++[ \t\r\n]++)?password[ \t\r\n]++)([^\s]++)"
)
_SQL = re.compile(
    r"(?<![\w-])((?:identified[ \t]++(?:with[ \t]++\w++[ \t]++)?by|password)"
    r"[ \t]++(?:password[ \t]++)?)"
    r"(?:'((?:[^'\\]|\\.|'')*" + ALL + r")'?|\"([^\"]*)\"?)",
    re.IGNORECASE,
)
_ORACLE = re.compile(
    r"((?:jdbc:oracle:\w{1,16}:|\bsqlplus[ \t]++(?:-\w++[ \t]++)?)[\w.$-]++/)([^\s@/]++)(?=@)"
)
_GO = re.compile(r"(?<![\w.-])([\w.-]{1,64}:)([^\s@:/]{1,256})(?=@(?:tcp|unix|cloudsql)\()")
_PGPASS = re.compile(
    r"(?<![\w.:-])((?:(?=[\d_-]*+[A-Za-z.])[\w.-]{1,255}+|\*):(\d{4,5}|\*):(?![ACGTN.-]{1,64}:)[\w*-]{1,64}"
    r":[A-Za-z*][\w.*@-]{0,64}:)(?!\[redacted\])((?:[^\s:\\]|\\.)++)(?![:\w])"
)
_COLONS = 3
_PORTS_OF_POSTGRES = frozenset(("5432", "6432", "5433", "*"))
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
    r"|(?:(?:password|passphrase|passwd|pwd)[ \t\r\n]++(?:(?:for|of)[ ][\w@.-]{1,64}+[ ])?"
    r"(?:(?:is|was)[ \t]*+:?[ \t]*+)?)"
    r"|(?:mot[ ]de[ ]passe[ \t]*+[:=][ \t]*+)"
    r"|(?:(?:token|secret|api[ ]key|pw|passcode)[ \t]++(?:is|was)[ \t]*+:?[ \t]*+)"
    r"|(?:(?:access|api|auth|bearer|refresh|session)[ ]token[ \t]++"
    r"(?:(?:is|was)[ \t]*+:?[ \t]*+)?))"
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
_SPACED = re.compile(
    r"^([ \t]*+(?:\#define[ \t]++)?([\w.-]++)(?:[ ]*+\t[ \t]*+|[ ]++))(?!\[redacted\])"
    r"(\"[^\"\n]*+\"|'[^'\n]*+'|[^\s\"'=:]++)(?=[ \t]*+;?[ \t]*+$)",
    re.MULTILINE,
)
_NAMED_VALUE = re.compile(
    r"((?<![\w-])(?:name|key)[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?([\w.-]{1,128}+)[\"']?"
    r"[ \t]{0,8}[,;]?\s{1,64}[\"']?(?:value|default)[\"']?[ \t]{0,8}[:=][ \t]{0,8})(?!\[redacted\])"
    r"(\"[^\"\n]*+\"|'[^'\n]*+'|[^\s\"',;}{]++)"
)
_VARIABLE = re.compile(
    r"(\b(?:variable|param|parameter)[ \t]{1,8}\"?([\w.-]{1,128}+)\"?[ \t]{0,8}\{[^{}]{0,512}?"
    r"\b(?:default|value)[ \t]{0,8}=[ \t]{0,8})(\"[^\"\n]*+\")"
)
_MANIFEST = re.compile(r"^[ \t]*+kind:[ \t]*+[\"']?Secret[\"']?[ \t]*+$", re.MULTILINE)
_KEPT = re.compile(r"^([ \t]*+)(?:data|stringData):[ \t]*+$", re.MULTILINE)
_KEPT_VALUE = re.compile(r"([ \t]*+[\w./\"'-]++:[ \t]*+)(?!\[redacted\])(\S[^\n]*+)")
_END_OF_KEY = re.compile(r"-{4,5} ?END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-{4,5}")
_LONGEST_LINE = 130
_OF_KEY = re.compile(r"[A-Za-z0-9+/=]{16,128}+")


def without_xml_secrets(text: str) -> str:
    """``<password>…</password>``, ``<add key="Password" value="…"/>``, keys of property lists."""
    text = _SIBLINGS.sub(_sibling, text) if "</" in text or "&lt;/" in text else text
    text = _ESCAPED.sub(_escaped, text) if "&lt;" in text else text
    return _ELEMENT.sub(_element, text) if "<" in text else text


def _sibling(found: re.Match[str]) -> str:
    name, value = found[3].strip(), found[4].strip()
    named = found[2].lower() in ("key", "name") or is_like_a_password(value)
    return f"{found[1]}{REDACTED}" if named and hides(name, value) else found[0]


def _escaped(found: re.Match[str]) -> str:
    plain = html.unescape(found[0])
    shown = _ELEMENT.sub(_element, plain)
    return found[0] if shown == plain else html.escape(shown, quote="&quot;" in found[0])


def _element(found: re.Match[str]) -> str:
    if not found[4] and "=" not in found[2]:
        return found[0]
    tag, attributes, space, content = found[1], found[2], found[3] or "", found[4] or ""
    named = {name.lower(): value[1:-1] for name, _, value in _ATTRIBUTE.findall(attributes)}
    names = [tag.rpartition(":")[2]]
    names += [named[key] for key in ("name", "key", "id", "property") if key in named]
    names += [named.get("type", "")] if tag.lower() == "input" else []
    value = named.get("value", "")
    if value and any(hides(name, value) for name in names):
        attributes = _ATTRIBUTE.sub(_without_value, attributes)
    word = names[0].lower() == "token" and content.isalpha()
    if content and not word and any(hides(name, content) for name in names):
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
    return _PGPASS.sub(_of_file, text) if text.count(":") > _COLONS else text


def _of_file(found: re.Match[str]) -> str:
    known = found[2] in _PORTS_OF_POSTGRES or is_like_a_password(found[3])
    return f"{found[1]}{REDACTED}" if known and not is_placeholder(found[3]) else found[0]


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
    end, listed = begin, False
    while (line := _LINE.match(text, end)) is not None:
        item = not block and (line[2].startswith("- ") or line[2] == REDACTED)
        value = item or listed or is_like_a_password(line[2])
        deeper = len(line[1]) > indent and (block or value)
        if line[2] and not deeper and not (item and len(line[1]) == indent):
            break
        end, listed = line.end(), listed or item
    return end


def without_line_secrets(text: str) -> str:
    """A line of a name and a value with nothing but space between: ``#define PASSWORD "…"``."""
    if "\n" not in text and _SPACED.match(text) is None:
        return text
    return _SPACED.sub(_spaced, text)


def _spaced(found: re.Match[str]) -> str:
    before, name, value = found[1], found[2], found[3]
    quoted = value[0] in "\"'"
    value = value.strip("\"'")
    said = secrecy(name)
    sure = (quoted or "\t" in before) and (said is Secrecy.PASSWORD or "#" in before)
    sure = sure or is_like_a_password(value)
    if said is Secrecy.NONE or not sure or not hides(name, value):
        return found[0]
    return f"{before}{REDACTED}"


def without_named_values(text: str) -> str:
    """``name: DB_PASSWORD`` and ``value: …`` beside it; the default of a variable of Terraform."""
    return _VARIABLE.sub(_valued, _NAMED_VALUE.sub(_valued, text))


def _valued(found: re.Match[str]) -> str:
    hidden = hides(found[2], found[3].strip("\"'"))
    return f"{found[1]}{REDACTED}" if hidden and REDACTED not in found[3] else found[0]


def without_manifest_secrets(text: str) -> str:
    """What a Secret of Kubernetes holds, whatever it is called."""
    if not _MANIFEST.search(text):
        return text
    parts: list[str] = []
    done = 0
    for found in _KEPT.finditer(text):
        end = found.end()
        while (line := _LINE.match(text, end)) is not None and len(line[1]) > len(found[1]):
            if (kept := _KEPT_VALUE.match(text, end + 1)) is not None:
                parts += (text[done : kept.start(2)], REDACTED)
                done = line.end()
            end = line.end()
    return "".join(parts) + text[done:]


def without_key_ends(text: str) -> str:
    """The body of a private key whose first line was cut off."""
    parts: list[str] = []
    done = 0
    for found in _END_OF_KEY.finditer(text):
        begin = found.start()
        while begin > done:
            line = text.rfind("\n", max(done, begin - _LONGEST_LINE), begin - 1) + 1
            line = line or max(done, begin - _LONGEST_LINE)
            if not _OF_KEY.fullmatch(text[line:begin].strip()) and not _is_last(text, line, found):
                break
            begin = line
        if begin < found.start():
            parts += (text[done:begin], REDACTED, "\n")
            done = found.start()
    return "".join(parts) + text[done:]


def _is_last(text: str, line: int, end: re.Match[str]) -> bool:
    """Whether a line is the last one of a key, which may be short."""
    last = text[line : end.start()].strip()
    return "\n" not in last and 0 < len(last) < 16 and last.endswith("=")
