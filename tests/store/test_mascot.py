"""The Mascot workload: counted as published, the same science however it is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hpc.mascot import Size, play
from provenance_store import Store
from provenance_store.errors import InvalidInput

SMALL = Size(configurations=6, models=4, cycles=2, experiments=5, uris=2, dependencies=3)


def counts(store: Store) -> dict[str, int]:
    tables = store.info()["tables"]
    return {name: tables[name] for name in SMALL.rows()}


def test_the_published_size_has_the_published_count() -> None:
    published = Size(1000, 1000, 5, 4000, 3, 3).published()
    assert sum(published.values()) == 20_146_000
    assert published == {"records": 22_000, "uris": 63_000, "links": 20_061_000}


@pytest.mark.parametrize("datasets", [False, True])
@pytest.mark.parametrize("how", ["load", "batch", "each"])
def test_the_store_holds_what_the_formula_says(store: Store, how: str, datasets: bool) -> None:
    size = Size(6, 4, 2, 5, 2, 3, datasets=datasets)
    told: list[int] = []
    if how == "load":
        with store.bulk_load() as recorder:
            play(recorder, size, progress=told.append)
    else:
        play(store, size, each=how == "each", progress=told.append)
    assert counts(store) == size.rows()
    assert store.check() == []
    assert sum(told) > 0


def test_ranks_in_turn_record_the_same_science_as_one(store: Store) -> None:
    """Two ranks that take turns: each waits at an exchange until the other is there too."""
    import threading

    meeting = threading.Barrier(2)
    held: list[Sequence[Any]] = [(), ()]

    def rank(number: int) -> None:
        def exchange(own: Sequence[Any]) -> Sequence[Any]:
            held[number] = own
            meeting.wait(60)
            everybodys = [*held[0], *held[1]]
            meeting.wait(60)
            return everybodys

        play(store.recorder(), SMALL, rank=number, ranks=2, exchange=exchange)

    threads = [threading.Thread(target=rank, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(store) == SMALL.rows()
    assert depended_on(store, "experiment-1-3") == alone("experiment-1-3")


def depended_on(store: Store, name: str) -> set[str]:
    record = store.documents().records(name=name)["records"][0]
    return {link["name"] for link in store.documents().record(record["id"])["links"]}


def alone(name: str) -> set[str]:
    """What an experiment depends on when one process records everything."""
    import tempfile

    from provenance_store import open_store

    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/alone.db") as store,
    ):
        play(store, SMALL)
        return depended_on(store, name)


def test_datasets_change_the_links_and_not_the_answers(store: Store) -> None:
    """Both forms say the same of what a model version came from."""
    from provenance_store.enums import Kind

    answers = []
    for datasets in (False, True):
        play(store, Size(6, 4, 2, 5, 2, 3, datasets=datasets))
        end = store.sink.urn(store.documents().heads("model-0")[0].id)
        nodes = store.documents().lineage(end)["nodes"]
        answers.append(
            sorted(
                (node["kind"], node["name"], node.get("version", 0))
                for node in nodes
                if node["kind"] != Kind.DATASET.label
            )
        )
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "wrong",
    [{"models": 0}, {"uris": -1}, {"dependencies": 7}, {"models": 7}, {"experiments": 0}],
)
def test_a_size_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        Size(**{"configurations": 6, "models": 4, "cycles": 2, "experiments": 5, **wrong})
