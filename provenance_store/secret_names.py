"""Which names are named like a credential."""

from __future__ import annotations

import functools
import itertools
import re

__all__ = ["REDACTED", "is_secret_key", "is_secret_option", "is_secret_parameter"]

REDACTED = "[redacted]"
MAX_KEY = 256

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_SECRET_WORDS = frozenset(
    {"authorization", "credential", "passphrase", "passcode", "passwd", "password", "pwd", "pw"}
    | {"secret", "token", "cookie", "apikey", "bearer", "jwt"}
)
_SECRET_PAIRS = frozenset(
    {("api", "key"), ("private", "key"), ("access", "key"), ("ssh", "key"), ("signing", "key")}
    | {("secret", "key"), ("account", "key"), ("encryption", "key"), ("auth", "header")}
    | {("secret", "keys"), ("api", "keys"), ("access", "keys"), ("private", "keys")}
)
_GLUED = re.compile(
    r"(?:password|passwd|secret|token|apikey).*"
    r"|.*(?:password|passwd|passphrase|passcode|secret|token|credential|sessionid|sessid"
    r"|(?:api|private|access|ssh|signing|secret|account|encryption)key)s?"
)
"""Words run together: ``accesstoken``, ``secretkey``, ``PGPASSWORD``."""
_NOT_GLUED = re.compile(
    r".*token(?:i[sz]|less)\w*|secret(?:ar|ion|or|ed|es|iv|ing|e$|in$)\w*|passwordless"
    r"|(?:max|min|num|n|total)tokens?|tokencounts?"
)
_HARMLESS_LAST = frozenset({"count", "counts", "limit", "length", "type", "size", "exp"})
_COUNTED = frozenset({"max", "min", "num", "n", "total", "prompt", "completion"})
_SIGNATURES = frozenset({"sig", "signature", "hmac", "awsaccesskeyid", "googleaccessid"})
_PARAMETERS = frozenset({"key", "code", "auth", "pass", "ticket", "otp", "session", "sid"})


def is_secret_key(key: str) -> bool:
    """Whether a key is private to Globus Flows or named like a credential.

    Word by word: ``accessToken``, ``mytoken`` and ``AWS_SECRET`` are, ``token_count``,
    ``tokenizer`` and ``max_tokens`` are not.
    """
    if key.startswith("_private") or key == "_tokens":
        return True
    if len(key) > MAX_KEY:
        key = f"{key[: MAX_KEY // 2]} {key[-MAX_KEY // 2 :]}"
    return _names_a_credential(key)


def is_secret_option(name: str) -> bool:
    """The same of a command line's ``--name``, a variable or a header."""
    return is_secret_key(name.lstrip("-"))


def is_secret_parameter(name: str, *, query: bool) -> bool:
    """The same of a URL's parameter, signatures among them; those after a ``?`` or ``#`` are
    secret by further names, such as ``code`` and ``key``."""
    plain = name.strip().lower()
    return (
        plain in _SIGNATURES
        or plain.endswith(("-signature", "_signature"))
        or (query and plain in _PARAMETERS)
        or is_secret_key(name)
    )


@functools.lru_cache(maxsize=4096)
def _names_a_credential(key: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words or words[-1] in _HARMLESS_LAST:
        return False
    if any(pair in _SECRET_PAIRS for pair in itertools.pairwise(words)):
        return True
    found = {word for word in words if _is_secret_word(word)}
    counted = words[0] in _COUNTED or "per" in words
    return bool(found - {"token", "tokens"}) if counted else bool(found)


def _is_secret_word(word: str) -> bool:
    plain = word.strip("0123456789")
    if plain in _SECRET_WORDS or plain.removesuffix("s") in _SECRET_WORDS:
        return True
    return _GLUED.fullmatch(plain) is not None and _NOT_GLUED.fullmatch(plain) is None
