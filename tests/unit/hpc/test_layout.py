"""Which ranks aggregate, and where they write."""

from __future__ import annotations

import pytest

from hpc.mpi.topology import aggregator_by_node, aggregator_by_share, shard_url
from provenance_store.errors import ConfigurationError


@pytest.mark.parametrize(
    ("size", "aggregators", "expected"),
    [
        (2, 1, [0, 0]),
        (5, 1, [0, 0, 0, 0, 0]),
        (4, 2, [0, 0, 2, 2]),
        (7, 3, [0, 0, 2, 2, 4, 4, 4]),
        (6, 3, [0, 0, 2, 2, 4, 4]),
    ],
)
def test_ranks_are_shared_evenly(size: int, aggregators: int, expected: list[int]) -> None:
    assert aggregator_by_share(size, aggregators) == expected


@pytest.mark.parametrize(("size", "aggregators"), [(2, 0), (2, 2), (3, 2), (10, -1)])
def test_every_aggregator_has_a_worker(size: int, aggregators: int) -> None:
    with pytest.raises(ConfigurationError, match="aggregators"):
        aggregator_by_share(size, aggregators)


@pytest.mark.parametrize("size", range(2, 40))
def test_shares_differ_by_one_at_most(size: int) -> None:
    for aggregators in range(1, size // 2 + 1):
        serving = aggregator_by_share(size, aggregators)
        counts = [serving.count(rank) for rank in set(serving)]
        assert len(counts) == aggregators
        assert max(counts) - min(counts) <= 1
        assert min(counts) >= 2


@pytest.mark.parametrize(
    ("first_on_node", "expected"),
    [
        ([0, 0, 2, 2], [0, 0, 2, 2]),
        ([0, 1, 0, 1], [0, 1, 0, 1]),
        ([0, 1, 1, 3], [1, 1, 1, 1]),
        ([0, 1, 2], [0, 0, 0]),
    ],
)
def test_nodes_have_an_aggregator_each(first_on_node: list[int], expected: list[int]) -> None:
    assert aggregator_by_node(first_on_node) == expected


@pytest.mark.parametrize(
    ("url", "place", "shards", "expected"),
    [
        ("sqlite:///run.db", 0, 1, "sqlite:///run.db"),
        ("sqlite:///run.db", 1, 2, "sqlite:///run-1.db"),
        ("sqlite:////scratch/a.b/run", 11, 12, "sqlite:////scratch/a.b/run-11"),
        ("postgresql://me:pw@host/db", 3, 9, "postgresql://me:pw@host/db"),
    ],
)
def test_shards_have_names_of_their_own(url: str, place: int, shards: int, expected: str) -> None:
    assert shard_url(url, place, shards) == expected
