"""Which ranks aggregate for which, and where each aggregator writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from provenance_store.errors import ConfigurationError

__all__ = [
    "aggregator_by_node",
    "aggregator_by_share",
    "shard_url",
]


def aggregator_by_share(size: int, aggregators: int) -> list[int]:
    """For each rank its aggregator: so many, each the first of an equal share of the ranks."""
    if not 1 <= aggregators <= size // 2:
        raise ConfigurationError(
            f"{size} ranks can have 1 to {size // 2} aggregators, each with a worker; "
            f"{aggregators} were asked for."
        )
    first = [place * size // aggregators for place in range(aggregators)]
    return [max(rank for rank in first if rank <= each) for each in range(size)]


def aggregator_by_node(first_on_node: Sequence[int]) -> list[int]:
    """For each rank its aggregator: the first of its node, given for each rank.

    A rank alone on its node works for the first aggregator there is; where all are alone, for
    rank 0.
    """
    sizes = Counter(first_on_node)
    shared = [rank for rank in sorted(sizes) if sizes[rank] > 1] or [0]
    return [rank if rank in shared else shared[0] for rank in first_on_node]


def shard_url(url: str, place: int, shards: int) -> str:
    """Where an aggregator writes: ``run.db`` becomes ``run-0.db`` when there are several shards.

    On PostgreSQL all write to the same database.
    """
    if shards == 1:
        return url
    from provenance_store.sql.dialects import read_url

    parsed = read_url(url)
    if parsed.get_backend_name() != "sqlite":
        return url
    file = PurePath(parsed.database or "")
    shard = file.with_name(f"{file.stem}-{place}{file.suffix}")
    return parsed.set(database=str(shard)).render_as_string(hide_password=False)
