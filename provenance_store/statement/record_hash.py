"""A record as a statement lists it, and the Merkle tree over all of them (RFC 6962).

A record is text, whole numbers, booleans and nulls only, so that its canonical JSON is the same
from any program; fractions are text, as Python writes them. Times are RFC 3339 in UTC, sizes bytes,
ids URNs. What is said of the record later (marks), who else may see it, and what depends on it are
not in it. Tags and checks of files are those of the time of the statement.

A leaf is SHA-256 of a zero byte and the canonical JSON of a record, a node SHA-256 of a one byte
and its two children; of n leaves the left child holds the largest power of two below n. Leaves are
in the order of their record's URN, as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provenance_store.enums import Kind, Role, Series, TagType
from provenance_store.errors import InvalidInput
from provenance_store.queries.documents import RESTRICTED
from provenance_store.statement.curve import (
    Ends,
    covered,
    number_text,
    points_of_rows,
    stated_curve,
)
from provenance_store.times import format_time, known_time
from provenance_store.values import canonical_json

__all__ = [
    "QUOTED",
    "RecordParts",
    "document_part",
    "leaf_hash",
    "node_hash",
    "record_leaf",
    "root_hash",
]

QUOTED = 4096
"""Hyperparameters, parameters, errors and decisions of at most so many bytes are quoted; of others,
and of results, a statement has the digest and the size."""
QUOTED_NAMES = ("hyperparameters", "parameters", "error", "decision")

Row = Any


class RecordParts:
    """The one-to-many rows of records, by record id."""

    def __init__(
        self,
        *,
        uri: Mapping[int, Sequence[Row]],
        check: Mapping[int, Sequence[Row]],
        tag: Mapping[int, Sequence[Row]],
        metric: Mapping[int, Sequence[Row]],
        documents: Mapping[int, Mapping[str, Any]],
        links: Mapping[int, Sequence[Row]],
    ) -> None:
        self.uri = uri
        self.check = check
        self.tag = tag
        self.metric = metric
        self.documents = documents
        self.links = links


def record_leaf(
    row: Row,
    parts: RecordParts,
    *,
    urn: Callable[[int], str],
    shown: Callable[[int], bool],
    ends: Ends | None = None,
) -> dict[str, Any]:
    """The record; links to what is not `shown` are counted only, and other ids not named.

    Of a curve with `ends` that were stated, what these cover.
    """
    links = parts.links.get(row.id, ())
    leaf = {
        "id": urn(row.id),
        "kind": Kind(row.kind).label,
        "name": row.name,
        "created_at": known_time(row.created_at),
        "opened_live": bool(row.live),
        "owner": row.owner,
        "run_id": row.run_id,
        "environment": row.environment,
        "uris": _uris(parts.uri.get(row.id, ()), parts.check.get(row.id, ())),
        "tags": _tags(parts.tag.get(row.id, ()), urn),
        "documents": dict(parts.documents.get(row.id, {})),
        "links": _links(links, urn, shown),
        "hidden_links": sum(not shown(link.to_id) for link in links),
    }
    if row.kind == Kind.MODEL and row.depth is not None:
        leaf["model"] = _model(row, parts.metric.get(row.id, ()), _named(urn, shown), ends)
    if row.kind == Kind.STEP:
        leaf["step"] = _step(row)
    return leaf


def document_part(name: str, text: str) -> dict[str, Any]:
    """A document kept with a record: digest and size of its JSON text as stored, or all of it."""
    data = text.encode()
    part: dict[str, Any] = {"bytes": len(data), "digest": _sha256(data)}
    if name in QUOTED_NAMES and len(data) <= QUOTED:
        part["text"] = text
    return part


def _uris(uris: Sequence[Row], checks: Sequence[Row]) -> list[dict[str, Any]]:
    by_uri: dict[str, list[dict[str, Any]]] = {}
    for c in checks:
        check = {"at": format_time(c.at), "size": c.size, "digest": c.digest}
        by_uri.setdefault(c.uri, []).append(check)
    found = []
    for row in sorted(uris, key=lambda row: row.uri):
        later = sorted(by_uri.get(row.uri, ()), key=lambda check: (check["at"], check["digest"]))
        part = {n: getattr(row, n) for n in ("uri", "size", "digest", "media_type")}
        found.append(part | {"checks": later})
    return found


def _tags(rows: Sequence[Row], urn: Callable[[int], str]) -> dict[str, Any]:
    """The values that counted: the latest of each name, the same in every store."""
    latest: dict[str, Row] = {}
    for row in rows:
        known = latest.get(row.name)
        if known is None or known.set_at < row.set_at:
            latest[row.name] = row
        elif known.set_at == row.set_at:
            latest[row.name] = max(known, row, key=lambda tag: _made(urn(tag.id)))
    return {
        name: {"type": TagType(row.type).label, "value": row.text}
        for name, row in latest.items()
        if row.type != TagType.REMOVED
    }


def _made(urn: str) -> tuple[str, int]:
    """Where a URN stands in the order of changes: the UUID of its origin, and its number there."""
    origin, _, number = urn.rpartition(":")
    return origin, int(number)


def _links(
    rows: Sequence[Row], urn: Callable[[int], str], shown: Callable[[int], bool]
) -> list[dict[str, str]]:
    ends = sorted((Role(row.role).label, urn(row.to_id)) for row in rows if shown(row.to_id))
    return [{"role": role, "to": to} for role, to in ends]


def _named(urn: Callable[[int], str], shown: Callable[[int], bool]) -> Callable[[int], str]:
    return lambda record_id: urn(record_id) if shown(record_id) else RESTRICTED


def _model(
    row: Row, numbers: Sequence[Row], urn: Callable[[int], str], ends: Ends | None
) -> dict[str, Any]:
    points = points_of_rows(numbers)
    return {
        "line": urn(row.line_id),
        "parent": None if row.parent_id is None else urn(row.parent_id),
        "version": row.depth,
        "scores": {
            n.name: number_text(n.value, n.special) for n in numbers if n.series == Series.SCORE
        },
        "curve": stated_curve(points if ends is None else covered(points, ends)),
    }


def _step(row: Row) -> dict[str, Any]:
    return {
        "type": row.type,
        "status": row.status or "ACTIVE",
        "action_url": row.action_url,
        "action_id": row.action_id,
        "run_as": row.run_as,
        "definition_digest": row.definition_digest,
        "started_at": format_time(row.started_at),
        "completed_at": format_time(row.completed_at),
    }


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


LEAF, NODE = b"\x00", b"\x01"


def leaf_hash(record: Any) -> bytes:
    """The hash of a record as a statement lists it: text, whole numbers, booleans and nulls."""
    return hashlib.sha256(LEAF + canonical_json(record)).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours."""
    return hashlib.sha256(NODE + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """The hash of the whole tree; raises InvalidInput without leaves.

    Neighbours are joined level by level, and an odd last one moves up as it is: the same tree
    as the recursive definition of RFC 6962, section 2.1.
    """
    if not leaves:
        raise InvalidInput("A statement rests on one record at least.")
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]
