"""Text that a database can hold.

A text that is too long is shortened, and says so itself: how long it was, and its digest. So
whoever reads it in a list, an export or a statement knows that it is not whole.
"""

from __future__ import annotations

import hashlib

from provenance_store import redaction
from provenance_store.display import escaped, is_kept
from provenance_store.errors import InvalidInput
from provenance_store.validation.limits import Gate, Policy
from provenance_store.validation.scalars import described, is_a, plain, type_name

__all__ = ["check_text", "shortened", "text"]


def text(
    gate: Gate,
    given: object,
    what: str,
    longest: int,
    *,
    path: str = "",
    empty: str | None = None,
) -> str:
    """Text of at most `longest` characters without secrets, NUL and lone surrogates.

    `empty` is what stands in for a text that must not be empty; None lets it be empty. `what`
    names the value for people, `path` its place. Secrets go before anything is cut, for half of
    one could not be told from other text.
    """
    if type(given) is str and given and given.isascii() and "\x00" not in given:
        found = redaction.scrub_text(given) if redaction.suspicion(given) else given
        if len(found) <= longest:
            return found
    return _made_text(gate, given, what, longest, path, empty)


def _made_text(
    gate: Gate, given: object, what: str, longest: int, path: str, empty: str | None
) -> str:
    found = str.__str__(given) if is_a(given, str) else _of_other(gate, given, what, path)
    if not is_kept(found):
        found = gate.instead(
            escaped(found),
            f"The {what} holds characters that no database takes (NUL or half a character); "
            "they are kept as escapes.",
            path=path,
        )
    length = len(found)
    found = redaction.scrub_text(found)
    if length > longest:
        found = gate.instead(
            shortened(found, longest),
            f"The {what} has {length} characters; at most {longest} are kept.",
            path=path,
        )
    found = found[:longest]  # what stands for a secret may be longer than it
    if not found and empty is not None:
        return _instead_of_nothing(gate, what, path, empty)
    return found


def _instead_of_nothing(gate: Gate, what: str, path: str, empty: str) -> str:
    return gate.instead(empty, f"The {what} must not be empty.", path=path)


def _of_other(gate: Gate, given: object, what: str, path: str) -> str:
    value = plain(given)
    if type(value) is str:
        return value
    if type(given) is bytes or type(given) is bytearray:
        value = given.decode(errors="surrogateescape")
    elif value is None:
        value = ""
    elif type(value) in (bool, float) or (type(value) is int and value.bit_length() < 4096):
        value = repr(value)
    else:
        value = described(given)
    return gate.instead(value, f"The {what} must be text, not {type_name(given)}.", path=path)


def shortened(given: str, longest: int) -> str:
    """The beginning of a text, with its length and digest, in `longest` characters at most."""
    digest = hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()
    if longest >= 256:
        end = f"… [shortened: {len(given)} characters, sha256:{digest}]"
    else:
        end = f"…[{len(given)}, {digest[:12]}]"
    return given[: longest - len(end)] + end


def check_text(given: object, what: str, longest: int, *, empty: bool = False) -> str:
    """The text as it is, without secrets. Raises InvalidInput when the store cannot hold it."""
    found = text(Gate(Policy.REFUSE), given, what, longest, path=what)
    if not found and not empty:
        raise InvalidInput(f"The {what} must not be empty.", path=what)
    return found
