"""What a value is by its own look: a placeholder, a path, an expression, or like a password.

Names are judged in `provenance_store.redaction.names`; here nothing is known of them but what a
word of a program is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

__all__ = [
    "ALL",
    "REDACTED",
    "describes_a_value",
    "end_of_brackets",
    "end_of_expression",
    "is_like_a_password",
    "is_path",
    "is_placeholder",
    "is_random",
    "is_type",
    "string_literals",
]

REDACTED = "[redacted]"
ALL = "+" if re.findall(r"(?:a|b(?!c))++", "abc") == ["a"] else ""
"""Makes a repeated group possessive, so that it takes no memory for each turn. Python before 3.11.5
keeps what such a group's last turn took before it failed; without the sign the same is found."""

LONGEST = 256
"""Longer values are no placeholder, path or password."""
LONGEST_EXPRESSION = 512

_PLACEHOLDER = re.compile(
    # variables of shells and programs, with a message but without a default; commands
    r"\$(?:[A-Z_][A-Z0-9_]*|[a-z_]{2,40}\d?|[0-9@*?!#]"
    r"|[A-Za-z_]\w{0,40}(?:(?:\.|->|::?)\w{1,40}){1,4}"
    r"|\{!?\w[\w.:]*(?::?[-?])?\}|\{\w{1,64}:?\?[^}\n]{0,128}\}|\{\{[^{}\n]{1,128}\}\}"
    r"|\((?!\s*(?:echo|printf)\b)[^()\n]{1,200}\))"
    r"|`\w[\w./-]{0,64} [^`\n]{1,200}`|%[A-Z_][A-Z0-9_]*%|env:[A-Za-z_]\w*|fd:\d+|stdin|~"
    r"|file:[\w./~-]{1,200}"
    # templates
    r"|\{\{(?:[\w\s.|-]{1,80}|\s{0,3}(?:lookup|env|var|vault|secret|include|hostvars)\b[^{}\n]{0,100})"
    r"\}\}|\{\w{0,32}(?:[pP]ass|PASS|pw|PW|[tT]oken|TOKEN|[sS]ecret|SECRET|[kK]ey|KEY|[cC]red|CRED)"
    r"\w{0,32}\}|\{\}|%\(\w{1,64}\)s|%[sdrv]|\(\([\w./-]{1,80}\)\)|<%=[^%\n]{1,80}%>|#\{[^}\n]{1,80}\}|@\w{1,64}@"
    r"|!(?:Ref|Sub|ENV|env|ref|secret|include|ImportValue)\s[\w.:/${}-]{1,128}"
    r"|(?i:bearer|basic|token|apikey)[ ]{1,4}(?:\$\{?\w{1,64}\}?|\{[\w.]{1,64}\}|%s)"
    # what is said instead
    r"|<[A-Za-z_/ -]{1,40}>|\[[A-Z]{2,8}\]|[*•]{1,64}|[xX]{4,64}|\.{3}|[|>][-+\d]{0,3}"
    r"|(?i:none|null|nil|true|false|yes|no|\[(?:redacted|not recorded)\]"
    r"|(?:your|insert|enter|put)[-_ ](?:[a-z]{1,16}[-_ ]){0,4}"
    r"(?:key|token|password|secret|here|value|credentials))"
)
"""What stands where a secret would be: the name of a variable, a template, stars."""
_LIKE_A_PASSWORD = re.compile(r"(?=[^0-9]{0,64}[0-9])(?=[^A-Za-z]{0,64}[A-Za-z])[^\s]{6,}")
_SCHEMES = re.compile(
    r"(?i:oauth[12]?(?:\.0)?|saml2?|auth0|kerberos5?|md5|sha-?\d+|base\d+|http\d?|x509|[a-z -]+)"
)
_RANDOM = re.compile(
    r"(?=[^0-9]{0,64}[0-9])(?=[^a-z]{0,64}[a-z])(?=[^A-Z]{0,64}[A-Z])[\w+/=.~-]{16,}"
)
_PATH = re.compile(
    r"(?:file:(?://)?|~|\.{1,2}|[A-Za-z]:|\$\w{1,40}|\$\{\w{1,40}\})?"
    r"(?:[/\\][\w.@ -]{1,64}){1,20}[/\\]?"
    r"|(?:[\w.-]{1,64}/){0,10}[\w.-]{1,64}\.(?:pem|key|crt|cer|der|p12|pfx|jks|pub|json|ya?ml|toml"
    r"|txt|ini|cfg|conf|env|gpg|asc|keytab|db|py)"
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[._@ -]")
_MOST_PARTS = 3

_TYPES = re.compile(
    r"(?:str|string|String|bytes|int|integer|number|float|bool|boolean|object|array|char|text|any|Any"
    r"|None|Optional|Union|Literal|SecretStr|SecretBytes|Final|ClassVar|Path|TEXT|VARCHAR|dict|list|tuple|Callable)"
    r"(?:\[[\w\[\], |.\"']{0,80}\]|\(\d{0,5}\))?"
    r"(?:[ ]?\|[ ]?[\w.]{1,32}(?:\[[\w\[\], |.]{0,80}\])?){0,6}"
)
_KEYWORDS_OF_SCHEMAS = frozenset(
    "type title description format minlength maxlength pattern writeonly readonly nullable "
    "deprecated required sensitive optional anyof oneof allof $ref help".split()
)

_DOTTED = re.compile(
    r"(?:await[ ]|new[ ]|[&*!])?(?P<first>[A-Za-z_]\w{0,64})"
    r"(?P<rest>(?:(?:\.|->|::)[A-Za-z_]\w{0,64}){0,12})!?"
)
_STEP = re.compile(r"(?:\.|->|::)[A-Za-z_]\w{0,64}|(?=[(\[])")
_BEHIND = re.compile(r"[\s,;:)\]}\"'#`]|\Z")
_HOLDERS = frozenset(
    "self this cls settings config conf cfg args opts options params os env process environ var "
    "local data module each ctx context request secrets credentials creds app kwargs".split()
)
_NAMES_SECRET = re.compile(r"(?:pass|pw|secret|token|key|cred\w*|auth|cookie)\w{0,8}\Z")
_LOOKS_UP = re.compile(
    r"(?i)get|env|read|load|fetch|open|find|look|input|prompt|param|secret|vault|conf|split|strtok"
    r"|token(?:iz|_|$)|pass$|path|file|key|random|generate|option|arg|select|query|parse|next|scan"
)
"""What is called so is given the name of a secret, not a secret."""
_LITERAL = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'")
_BRACKET = re.compile(
    r"\\.|[{}\[\]()]|\"(?:[^\"\\\n]|\\.)*" + ALL + r"\"|'(?:[^'\\\n]|\\.)*" + ALL + r"'"
)


def is_placeholder(value: str) -> bool:
    """Whether a value only stands in the place of a secret: ``$TOKEN``, ``{{ token }}``."""
    return len(value) <= LONGEST and _PLACEHOLDER.fullmatch(value) is not None


def is_like_a_password(word: str) -> bool:
    """Whether a word looks like a password anywhere: letters and digits, and no name of a hash."""
    like = len(word) <= LONGEST and _LIKE_A_PASSWORD.fullmatch(word) is not None
    return like and not _SCHEMES.fullmatch(word) and not is_placeholder(word)


def is_random(value: str) -> bool:
    """Whether a value is made of capitals, small letters and digits, as tokens are."""
    return _RANDOM.fullmatch(value) is not None


def is_path(value: str) -> bool:
    """Whether a value is where a secret is kept, in words: ``/run/secrets/pw``, ``client.pem``."""
    if len(value) > LONGEST or _PATH.fullmatch(value) is None:
        return False
    parts = re.split(r"[/\\]", value)
    return (len([part for part in parts if part]) > 1 or "." in value) and all(
        _is_of_words(part) for part in parts
    )


def _is_of_words(part: str) -> bool:
    pieces = _PARTS.findall(part)
    between = sum(piece in "._@ -" for piece in pieces)
    return len(pieces) - 2 * between <= _MOST_PARTS


def is_type(value: str) -> bool:
    """Whether a value is the type of one: ``password: str``, ``type = string``."""
    return len(value) <= LONGEST and _TYPES.fullmatch(value.rstrip(" ,;:)")) is not None


def describes_a_value(value: Any) -> bool:
    """Whether a document is a schema of a value: ``{"type": "string", "minLength": 8}``."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("type"), str)
        and _TYPES.fullmatch(value["type"]) is not None
        and all(isinstance(key, str) and key.lower() in _KEYWORDS_OF_SCHEMAS for key in value)
    )


def end_of_expression(text: str, begin: int, is_name: Callable[[str], bool]) -> tuple[int, bool]:
    """Where an expression of a program ends that begins here, and whether a secret is written out
    in it; where it begins, when there is none.

    ``get_token()``, ``os.environ['TOKEN']`` and ``settings.api_key`` are, ``bytes.fromhex("…")``
    has one, ``hunter2`` is none. `is_name` says whether a word is a variable that holds a secret.
    """
    found = _DOTTED.match(text, begin)
    if found is None:
        return begin, False
    end, called, secret = found.end(), found[0], False
    brackets = False
    while end < len(text) and end - begin <= LONGEST_EXPRESSION:
        if text[end] in "([":
            close = end_of_brackets(text, end, LONGEST_EXPRESSION)
            if not close and text[end + 1 : end + 2] in ("", "\n"):
                return end + 1, False  # it goes on in the next lines
            if not close:
                return begin, False
            inside = text[end:close]
            secret = secret or (text[end] == "(" and _holds_secret(called, inside))
            brackets, end = True, close
        elif (step := _STEP.match(text, end)) is not None and step.end() > end:
            called, end = step[0], step.end()
        else:
            break
    if not _BEHIND.match(text, end):
        return begin, False
    if not brackets and not _is_reference(found["first"], found["rest"], is_name):
        return begin, False
    return end, secret


def _holds_secret(called: str, inside: str) -> bool:
    literals = string_literals(inside)
    if _LOOKS_UP.search(called) is not None:
        # What is looked up may have a value for when it is not found.
        literals = literals[1:] if called.lower().endswith(("get", "getenv")) else []
    return any(is_like_a_password(literal) for literal in literals)


def _is_reference(first: str, rest: str, is_name: Callable[[str], bool]) -> bool:
    """Whether words with dots, or one, are a variable that holds a secret."""
    if not rest:
        return is_name(first)
    held = first in _HOLDERS or _NAMES_SECRET.search(rest.lower()) is not None
    return held and not any(character.isdigit() for character in rest)


def string_literals(text: str) -> list[str]:
    """What stands in quotes."""
    return [double or single for double, single in _LITERAL.findall(text)]


def end_of_brackets(text: str, begin: int, most: int) -> int:
    """Behind the bracket that closes the one at `begin`, within so many characters; else 0."""
    depth = 0
    for found in _BRACKET.finditer(text, begin, begin + most):
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(found[0], 0)
        if depth <= 0:
            return found.end()
    return 0
