"""Values that rows are made of: URIs with what is known of them, audiences, tags, digests; and
who is looking."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from provenance_store.display import is_kept
from provenance_store.enums import Level, TagType
from provenance_store.errors import InvalidInput
from provenance_store.rows import AudienceMemberRow, AudienceRow
from provenance_store.validation.limits import MAX_PRINCIPAL
from provenance_store.validation.scalars import one_or_many

__all__ = [
    "EVERYTHING",
    "Audience",
    "TagValue",
    "Uri",
    "Viewer",
    "canonical_json",
    "digest_of",
    "tag_value",
]


@dataclass(frozen=True, slots=True)
class Viewer:
    """The principals (Globus identity and group URNs) on whose behalf something is read.

    With `everything` nothing is hidden: the owner of the store's file, or a member of the
    store-wide reader group.
    """

    principals: frozenset[str] = frozenset()
    everything: bool = False


EVERYTHING = Viewer(everything=True)
"""Sees all: whoever can open the store itself."""


_PRINCIPAL = f"A principal is text of 1 to {MAX_PRINCIPAL} characters."
TagValue = str | int | float | bool


DIFFERS = "differs_from"
"""The tag of a record with other bytes than the one that was recorded at its place before, which it
names."""


class Uri(msgspec.Struct, frozen=True):
    """Where bytes are, with their `size` in bytes and their `digest` as ``sha256:<hex>``.

    >>> place = braid.Uri("globus://collection/scan-18.h5", size=1048576)
    >>> scan = store.data("scan-18", uris=[place])
    """

    uri: str
    size: int | None = None
    digest: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who owns a record and who else may read or manage it: Globus identity and group URNs.

    >>> ada = "urn:globus:auth:identity:7d8c2b3a-6a31-4f57-8b44-5f1c2e9d0a11"
    >>> lab = "urn:globus:groups:id:9e8f7a6b-5c4d-4e3f-8a1b-2c3d4e5f6a7b"
    >>> recorder = store.recorder(audience=braid.Audience(ada, readers=lab))
    """

    owner: str
    readers: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    def rows(self) -> tuple[AudienceRow, tuple[AudienceMemberRow, ...]]:
        """Its rows; the owner is a managing member of its own audience."""
        try:
            return _audience_rows(self)
        except TypeError:  # a principal that is not even hashable
            raise InvalidInput(_PRINCIPAL) from None

    def __post_init__(self) -> None:
        """One principal alone is taken as one."""
        for name in ("readers", "managers"):
            given = getattr(self, name)
            if type(given) is not tuple:
                object.__setattr__(self, name, tuple(one_or_many(given)))


@functools.lru_cache(maxsize=1024)
def _audience_rows(audience: Audience) -> tuple[AudienceRow, tuple[AudienceMemberRow, ...]]:
    levels = dict.fromkeys(audience.readers, Level.READ)
    levels |= dict.fromkeys((*audience.managers, audience.owner), Level.MANAGE)
    for principal in levels:
        is_text = isinstance(principal, str) and is_kept(principal)
        if not is_text or not 1 <= len(principal) <= MAX_PRINCIPAL:
            raise InvalidInput(_PRINCIPAL)
    members = sorted((principal, int(level)) for principal, level in levels.items())
    digest = digest_of([audience.owner, members])
    rows = tuple(AudienceMemberRow(digest, *member) for member in members)
    return AudienceRow(digest, audience.owner), rows


def canonical_json(value: Any) -> bytes:
    """JSON in one spelling: keys sorted, no spaces, UTF-8; the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def digest_of(value: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def tag_value(tag_type: int, text: str) -> TagValue:
    """The value that a tag row holds, in its own type; one that is not of its type as text.

    Scalars of NumPy 2 were once kept as ``np.float64(293.5)``: these are the number they name.
    """
    try:
        if tag_type == TagType.INTEGER:
            return int(text)
        if tag_type == TagType.FLOAT:
            return float(text)
    except (ValueError, TypeError):
        return _named_number(tag_type, str(text))
    if tag_type == TagType.BOOLEAN:
        return _TRUTHS.get(text, text)
    return text


def _named_number(tag_type: int, text: str) -> TagValue:
    found = _CALL.fullmatch(text)
    if found is None:
        return text
    try:
        return int(found[1]) if tag_type == TagType.INTEGER else float(found[1])
    except ValueError:
        return text


_TRUTHS = {
    written: truth
    for truth in (True, False)
    for written in (
        str(truth).lower(),
        f"{truth}",
        f"np.{truth}_",
        f"np.bool({truth})",
        f"np.bool_({truth})",
    )
}
"""Truth values as they are kept, and as Python and NumPy once wrote them there."""
_CALL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,63}\(([-+0-9.einfa]{1,64})\)")
