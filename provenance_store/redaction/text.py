"""Secrets inside text: in URLs, headers, command lines, assignments, and tokens by themselves.

Where a secret may be is told quickly by `suspicion`, for nearly all text holds none.
Every pattern takes time in proportion to the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from provenance_store.redaction.calls import may_call, without_call_secrets
from provenance_store.redaction.commands import (
    has_short_option,
    without_command_secrets,
    without_listed_secrets,
    without_piped_secrets,
)
from provenance_store.redaction.formats import SHORTEST, has_many_capitals, without_tokens
from provenance_store.redaction.names import Secrecy, hides, is_name_of_secret, secrecy
from provenance_store.redaction.notations import (
    without_authorization,
    without_block_secrets,
    without_key_ends,
    without_line_secrets,
    without_manifest_secrets,
    without_named_values,
    without_netrc_secrets,
    without_pair_secrets,
    without_phrase_secrets,
    without_shell_secrets,
    without_sql_secrets,
    without_xml_secrets,
)
from provenance_store.redaction.urls import (
    NESTED,
    without_login_secrets,
    without_query_secrets,
    without_url_secrets,
)
from provenance_store.redaction.values import (
    ALL,
    REDACTED,
    end_of_expression,
    is_like_a_password,
    is_placeholder,
    is_random,
    is_type,
)

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
    for character in b" ,()+*#!~^$&;[]{}?>":
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
_SCHEME = re.compile(r"\b(Bearer|Basic)(\\?[ \t]+|%20)([\w.~+/=:-]++)", re.IGNORECASE)
ValueOf = Callable[[str, re.Match[str]], tuple[int, int, bool, int]]
"""Where the value behind a name begins and ends, whether it is a secret, and how far the text was
looked through for it."""
LOOKED_THROUGH, LOOKED_THROUGH_ANYWAY = 8, 1 << 16

_PLAIN_WORD = re.compile(r"[a-z]{1,15}|Token|Auth(?:entication)?|Bearer|Basic|Digest")

_STRINGS = r"(?:\"(?:[^\"\\]|\\.)*" + ALL + r"\"?|'(?:[^'\\]|\\.)*" + ALL + r"'?)"
_UNITS = (
    r"\$\{\{[^{}\n]{0,128}\}\}|\$\{[^{}\n]{0,128}\}|\$\([^()\n]{0,200}\)|\{\{[^{}\n]{0,128}\}\}"
    r"|<[A-Za-z][A-Za-z_/ -]{0,38}>|`\w[\w./-]{0,64} [^`\n]{1,200}`"
    r"|![A-Za-z]\w{0,20}[ ][\w.:/${}-]{1,128}"
)
"""Placeholders with spaces in them."""
_VALUE = re.compile(
    r"(?!\\*[\"']?\[redacted\])(?:[bfruBFRU]{1,2}(?=[\"']))?"
    r"(?:(?P<quote>\\+[\"']).*?(?:(?P=quote)|\Z)"
    r"|\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)"
    r"|"
    + _STRINGS
    + r"(?:[ \t]{0,8}(?:\+[ \t]{0,8})?[fr]?"
    + _STRINGS
    + r")*"
    + ALL
    + r"(?:(?<=[\"'])[\w@%^~-]++)?"
    r"|(?:" + _UNITS + r"|[^\s,;&\"']|,(?!\s|$)|[;&](?!\s|$|[\w.%-]++=)"
    r"|[\"'](?![\s,;}\])]|$))+" + ALL + r")",
    re.DOTALL,
)
_BRACED = re.compile(r"\{(?:[^{}\n]|\}\})+" + ALL + r"\}(?=[;\s\"']|\Z)")
"""A value of ODBC, in which a brace that closes is written twice."""
_NUMBERED_FOLDER = re.compile(r"\d{1,4}/(?:[\w.-]{1,64}=[^=\s]|[\w-]{1,64}\.\w{1,8}\Z)")
"""A value in a path: ``pass=2/fold=3``."""
_PREFIX = re.compile(r"^[bfruBFRU]{1,2}(?=[\"'])")
_DESCRIBED = re.compile(r"[:@\\](?:param|type|arg|raises|var|ivar) \Z")
"""Before a name that a comment describes: ``:param token: The token of the server.``"""
_TOLD = ("pass", "pin", "psk")
"""Names whose values decide, and that a sentence or a label may tell: ``login: me, pass: …``."""
_SCHEMA = re.compile(
    r"\{\s*[\"']?type[\"']?\s*[:=]\s*[\"']?(?:string|integer|number|boolean|object|array)[\"']?"
    r"(?![^{}]{0,512}(?:default|example|const|enum))",
)
"""What describes a value: ``{"type": "string", "minLength": 8}``."""
_BEGINS_PLACEHOLDER = frozenset("$<{`%!")
_OTHERWISE = re.compile(r"[ \t]{0,8}(?:\|\||\?\?|\bor\b)[ \t]{0,8}(?=[\"'])")
_ENCODED_VALUE = re.compile(r"(?!\[redacted\])(?:[^\s&\"'<>%]|%(?!26))+" + ALL)
_NAME = r"(?<![\w.-])(?P<name>[\w.-]++)(?:"
_GIVES = (
    r"(?P<equals>\\*+[\"']?(?:\]|\[\d{0,6}\])?[ \t]*+(?:=>?|:=|<-|\?=)[ \t]*+(?!=))"
    r"|(?P<quoted>\\*+[\"'][ \t]*+:[ \t]*+)"
    r"|(?P<colon>[ \t]*+(?::(?![/:=]|\?[^}\n]{0,128}\})|：)[ \t]*+)"
    r"|(?P<encoded>%3[Dd]|%3[Aa](?:%20|\+){0,2})"
)
_BESIDE = r"(?P<beside>\{(?=[\"'])|[ \t]++(?=[\"'][^\s\"']))"
"""A value in quotes may stand behind its name by itself, or in braces: ``PASSWORD "…"``."""
_NAMED = re.compile(f"{_NAME}{_GIVES}|(?P<beside>(?!)))")
_NAMED_BESIDE = re.compile(f"{_NAME}{_GIVES}|{_BESIDE})")
_TYPE = re.compile(r"[A-Za-z_][\w.\[\]| ]{0,64}=[ \t]*+(?!=)")
"""What may stand between a name and its value: ``password: str = "…"``."""
_CLOSING = re.compile(r"(?<!\w)[\"']|[\"'](?!\w)")
BEFORE = 80
"""So far back a quote is looked for that a name is inside of."""
_OPTION = re.compile(r"(?<![\w.-])(?P<name>--?[A-Za-z][\w.-]*+)(?:\s++(?:\\\r?\n\s*+)?)(?!--)")
_HEADER = re.compile(
    r"(?:^|(?<=[\"']))([ \t]*+(?:-[ \t]++)?)([A-Za-z_][\w.-]*+)([ \t]*+:(?!//|=)[ \t]*+)"
    r"(?!\[redacted\]|[\"']\[redacted\]|[A-Za-z_][\w.\[\]| ]{0,64}(?:=[ \t]*+[\"']|[ ]=[ ]))"
    r"(\"[^\"\n]*+\"(?:[ \t]*+\"[^\"\n]*+\")*+|'(?:[^'\n]|'')*+'|[^\s\"'][^\n\"']*+)",
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


_FOREIGN = re.compile(r"lösenord|hasło|[sş]ifre|[密口令钥パ비пτκс토ト]")
_COLONS, _PORT = 3, re.compile(r":(?:\d{4,5}|\*):")


def _gives(low: str) -> bool:
    """Whether a name in a text may be one of a secret, when something in it gives values."""
    return (
        ("ss" in low and ("pass" in low or "sess" in low))
        or ("k" in low and ("key" in low or "token" in low or "cookie" in low or "kennw" in low))
        or ("cre" in low and ("secret" in low or "cred" in low))
        or "auth" in low
        or ("w" in low and ("pw" in low or "jwt" in low))
        or (low.count(":") > _COLONS and _PORT.search(low) is not None)
    )


def _gives_rarely(text: str, low: str) -> bool:
    return (
        ("://" in text and ("@" in text or "=" in text or "%" in text))
        or ("p" in low and ("_priv" in low or "otp" in low or "psk" in low or "pin" in low))
        or ("\\" in text and ("\\u00" in text or "net use" in low))
        or ("'" in text and "identified" in low)
        or ("@" in text and (":" in text or "sqlplus" in low))
        or ("?" in text and "sig" in low)
        or ("(" in text and ("('" in text or '("' in text) and may_call(text))
        or ("h" in low and ("senha" in low or "achtwoord" in low))
        or "contras" in low
        or ("|" in text and "echo " in low)
        or (not low.isascii() and _FOREIGN.search(low) is not None)
    )


def _has_words_before(text: str, low: str) -> bool:
    """Whether a secret may stand behind a space: an option, a scheme of HTTP, a file of logins."""
    return (
        ("b" in low and ("bearer" in low or "basic" in low))
        or ("w" in low and ("passw" in low or "pw " in low))
        or "token " in low
        or (" is " in low and ("secret is" in low or "key is" in low))
        or ("/" in text and ("alias set" in low or "rdp /" in low))
        or ("g" in low and ("login" in low or "config" in low))
        or ("v" in low and "setenv" in low)
        or "obscure " in low
        or ".psk " in low
        or ("_" in text and ("add_user" in low or "encrypt_s" in low or "wpa_pass" in low))
        or ("-" in text and _may_have_option(text, low))
    )


def _may_have_option(text: str, low: str) -> bool:
    if " -" in text or text[0] == "-" or "---" in text:
        return has_short_option(low) or "'-" in text
    return "'-" in text or '"-' in text


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
    if "PRIVATE KEY" in text:
        text = without_key_ends(text)
    if "://" in text:
        text = without_url_secrets(text, nested, _hides_secret)
    if "bearer" in low or "basic" in low:
        text = _SCHEME.sub(_credential, text)
    if "<" in text or "&lt;" in text:
        text = without_xml_secrets(text)
    if "@" in text and ":" in text:
        text = without_login_secrets(text)
    if text.count("?") > text.count("://") and "=" in text:
        text = without_query_secrets(text)
    quoted = "'" in text or '"' in text
    if quoted and ("(" in text or "[" in text):
        text = without_call_secrets(text)
    text = _without_spaced(text, low)
    if quoted and "," in text and ("[" in text or "(" in text):
        text = without_listed_secrets(text)
    if ":" in text:
        text = without_manifest_secrets(text) if "kind:" in text else text
        text = without_authorization(text) if "authorization" in low else text
        text = without_block_secrets(text) if "\n" in text else text
        text = _HEADER.sub(_header, text)
    if "value" in low or "default" in low:
        text = without_named_values(text)
    if "," in text and ("(" in text or "[" in text):
        text = without_pair_secrets(text)
    if quoted:
        text = _without_values(text, _NAMED_BESIDE, _assigned)
    elif "=" in text or ":" in text or "<-" in text or "%3" in text or "：" in text:
        text = _without_values(text, _NAMED, _assigned)
    if "-" in text:
        text = _without_values(text, _OPTION, _of_option)
    return text


def _without_spaced(text: str, low: str) -> str:
    """Secrets in commands, SQL and files of logins, where neither ``=`` nor ``:`` gives them."""
    if " " in text:
        text = without_shell_secrets(without_command_secrets(text))
        text = without_piped_secrets(text) if "|" in text else text
    text = without_line_secrets(text)
    if (
        "pass" in low
        or "pwd" in low
        or " key" in low
        or " is" in low
        or " was" in low
        or (" token " in low)
    ):
        text = without_phrase_secrets(text)
    if "password" in low:
        text = without_netrc_secrets(text)
    if "password" in low or "identified" in low or "@" in text or ":" in text:
        text = without_sql_secrets(text)
    return text


def _without_values(text: str, names: re.Pattern[str], value_of: ValueOf) -> str:
    """The text without the secrets that follow names, each where `value_of` finds its value.

    Values that are no secret may lie inside each other, without end in a text that was made for
    it. When what was looked through is many times the text, the rest of it goes as a whole.
    """
    parts: list[str] = []
    done = passed = 0
    left = LOOKED_THROUGH * len(text) + LOOKED_THROUGH_ANYWAY
    for found in names.finditer(text):
        if secrecy(found[1]) is Secrecy.NONE or found.start() < max(done, passed):
            continue
        begin, end, is_secret, seen = value_of(text, found)
        left -= seen - begin
        if left < 0:
            return "".join(parts) + text[done:begin] + REDACTED
        if is_secret:
            parts += (text[done:begin], REDACTED)
            done = end
        elif text[begin : begin + 1] in _BEGINS_PLACEHOLDER and is_placeholder(text[begin:end]):
            passed = end
    return "".join(parts) + text[done:]


def _assigned(text: str, found: re.Match[str]) -> tuple[int, int, bool, int]:
    begin = _begin_of_value(text, found)
    encoded = found["encoded"] is not None
    end = _end_of_value(text, begin, encoded=encoded, equals=found["equals"] is not None)
    if end == begin or not _is_assigned(found, text[begin:end]):
        return begin, end, False, end
    if encoded or secrecy(found[1]) is Secrecy.PRIVATE:
        return begin, end, True, end
    if _is_inside_quotes(text, found, begin):
        return begin, begin, False, end
    behind, secret = _end_of_expression(text, begin, found[1], _is_in_program(text, found))
    seen = max(end, behind)
    if behind == begin or secret:
        return begin, seen, True, seen
    otherwise = _OTHERWISE.match(text, behind)
    if otherwise is None:
        return begin, behind, False, seen
    begin = otherwise.end()
    end = _end_of_value(text, begin, encoded=False, equals=False)
    is_secret = end > begin and _is_assigned(found, text[begin:end])
    return begin, end, is_secret, max(end, seen)


def _end_of_expression(text: str, begin: int, name: str, in_program: bool) -> tuple[int, bool]:
    return end_of_expression(
        text, begin, lambda word: is_name_of_secret(word, name, in_program=in_program)
    )


def _is_in_program(text: str, found: re.Match[str]) -> bool:
    """Whether a value is rather given by a program than by a file of settings, where a plain word
    is a value: ``token = api_token``, ``Client(token=api_token)``."""
    before = text[max(found.start() - 16, 0) : found.start()].rstrip()
    return found["equals"] is not None and (" " in found["equals"] or before[-1:] in ("(", ","))


def _begin_of_value(text: str, found: re.Match[str]) -> int:
    typed = _TYPE.match(text, found.end()) if found["colon"] else None
    return typed.end() if typed else found.end()


def _is_inside_quotes(text: str, found: re.Match[str], begin: int) -> bool:
    """Whether what follows a name only closes the quotes it is in: ``getpass('Password: ')``."""
    quote = text[begin : begin + 1]
    if quote not in ("'", '"') or not found["colon"] or text[begin + 1 : begin + 2].isalnum():
        return False
    start = max(text.rfind("\n", 0, found.start()) + 1, found.start() - BEFORE)
    before = _CLOSING.findall(text, start, found.start())
    return before.count(quote) % 2 == 1


def _end_of_value(text: str, begin: int, *, encoded: bool, equals: bool) -> int:
    """Where the value of an assignment ends; where it begins, when there is none."""
    if (
        equals
        and text[begin : begin + 1] == "{"
        and (braced := _BRACED.match(text, begin)) is not None
    ):
        return braced.end()
    if text.startswith("{{", begin) and (template := _VALUE.match(text, begin)) is not None:
        return template.end()
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
    name, value = found[1], _PREFIX.sub("", value).strip("\\\"'")
    if not _is_hidden(name, value) or _NUMBERED_FOLDER.match(value):
        return False
    said = secrecy(name)
    if found["beside"]:
        return said is Secrecy.PASSWORD or is_like_a_password(value)
    if not found["colon"]:
        return True
    if _DESCRIBED.search(found.string, max(found.start() - 8, 0), found.start()):
        return is_like_a_password(value)
    # A colon may also be one of a sentence: "on the token: it is read once".
    return (
        said >= Secrecy.PASSWORD
        or (said is Secrecy.SECRET and not _PLAIN_WORD.fullmatch(value))
        or (
            name.lower().endswith(_TOLD)
            and found["colon"].endswith((" ", "\t"))
            and (is_like_a_password(value) or value.isdecimal())
        )
    )


def _is_hidden(name: str, value: str) -> bool:
    """Whether a value in a text is a secret; brackets of what is around it may stand behind it."""
    bare = value.rstrip(")]}>;,:")
    if not hides(name, value) or is_placeholder(bare) or is_type(value):
        return False
    if value[:1] == "{":
        return secrecy(name) > Secrecy.BY_VALUE and _SCHEMA.match(value) is None
    return True


def _of_option(text: str, found: re.Match[str]) -> tuple[int, int, bool, int]:
    value = _VALUE.match(text, found.end())
    if value is None:
        return found.end(), found.end(), False, found.end()
    hidden = value[0][0] not in "<>|" and _is_hidden(found[1], value[0].strip("\\\"'"))
    return *value.span(), hidden, value.end()


def _header(found: re.Match[str]) -> str:
    indent, name, between, value = found[1], found[2], found[3], found[4]
    in_quotes = found.string[found.start() - 1 : found.start()]
    if in_quotes == value[0] or not _is_hidden(name, value.strip("\"'")):
        return found[0]
    if value[0] not in "\"'" and _is_expression(found, 4, name):
        return found[0]  # an expression of a program is read as one, later
    return f"{indent}{name}{between}{REDACTED}"


def _is_expression(found: re.Match[str], group: int, name: str) -> bool:
    begin = found.start(group)
    return _end_of_expression(found.string, begin, name, False)[0] > begin


def _credential(found: re.Match[str]) -> str:
    """``Bearer X`` and ``Basic X``, but not "basic research" or "the bearer of"."""
    scheme, between, word = found[1], found[2], found[3]
    if scheme.lower() == "basic":
        secret = ":" in _decoded(word) or is_random(word) or word.endswith("=")
    else:
        alone = len(found[0]) == len(found.string.strip())
        named = word in ("token", "tokens", "auth", "authentication")
        alone = alone and scheme[0].isupper() and not named
        secret = alone or not _PLAIN_WORD.fullmatch(word)
    return f"{scheme}{between}{REDACTED}" if secret else found[0]


def _decoded(word: str) -> str:
    try:
        return base64.b64decode(word + "=" * (-len(word) % 4), validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
