"""Playing Mascot through a Recorder, alone or as one of several ranks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from hpc.mascot.size import Size
from provenance_store.handles import ModelVersion, Record
from provenance_store.recorder import Recorder, RecordLike

__all__ = ["Exchange", "Progress", "play"]

Progress = Callable[[int], object]
"""Told how many rows were recorded since it was last told."""
Exchange = Callable[[Sequence[Record]], Sequence[Any]]
"""Gives everybody's records for one's own; alone, those are the same."""

UPDATES_TOGETHER = 20


class _Together(Protocol):
    def __call__(self) -> Any: ...


def play(
    recorder: Recorder,
    size: Size,
    *,
    rank: int = 0,
    ranks: int = 1,
    exchange: Exchange = tuple,
    each: bool = False,
    progress: Progress = lambda rows: None,
    seed: int = 2022,
) -> None:
    """Record the workload, or the share of one rank in it.

    Which configurations an experiment depends on is drawn from `seed`, the same for any number
    of ranks. With `each`, every record is written by itself; otherwise a cycle's experiments are
    one batch and models are updated twenty to a batch.
    """
    together: _Together = _nothing if each else recorder.together
    mine = _Share(rank, ranks)
    with together():
        own = [_configuration(recorder, i, size) for i in mine.of(size.configurations)]
    configurations = _in_order(exchange(own), ranks)
    with together():
        models = [
            recorder.model(f"model-{i}", depends_on=[configurations[i]])
            for i in mine.of(size.models)
        ]
    progress(len(own) * (1 + size.uris) + 3 * len(models))
    for cycle in range(size.cycles):
        with together():
            experiments = [
                _experiment(recorder, cycle, i, size, configurations, seed)
                for i in mine.of(size.experiments)
            ]
        progress(len(experiments) * (1 + size.uris + size.dependencies))
        everybodys = list(exchange(experiments))
        exposed = _dataset(recorder, cycle, size, everybodys, exchange, rank)
        models = _updated(models, exposed, together, progress)


class _Share:
    """Which numbers are this rank's: every `ranks`-th."""

    def __init__(self, rank: int, ranks: int) -> None:
        self._rank = rank
        self._ranks = ranks

    def of(self, count: int) -> range:
        return range(self._rank, count, self._ranks)


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def _in_order(gathered: Sequence[Any], ranks: int) -> list[Any]:
    """What the ranks hold in turn, in the order of its numbers."""
    if ranks == 1:
        return list(gathered)
    ordered: list[Any] = [None] * len(gathered)
    place = 0
    for rank in range(ranks):
        for i in range(rank, len(gathered), ranks):
            ordered[i] = gathered[place]
            place += 1
    return ordered


def _configuration(recorder: Recorder, number: int, size: Size) -> Record:
    uris = [f"mascot://configuration/{number}/{u}" for u in range(size.uris)]
    return recorder.fact(f"configuration-{number}", uris=uris)


def _experiment(
    recorder: Recorder, cycle: int, number: int, size: Size, configurations: list[Any], seed: int
) -> Record:
    drawn = random.Random(f"{seed} {cycle} {number}")
    chosen = drawn.sample(configurations, size.dependencies)
    uris = [f"mascot://experiment/{cycle}/{number}/{u}" for u in range(size.uris)]
    return recorder.data(f"experiment-{cycle}-{number}", depends_on=chosen, uris=uris)


def _dataset(
    recorder: Recorder,
    cycle: int,
    size: Size,
    experiments: list[Any],
    exchange: Exchange,
    rank: int,
) -> Iterable[RecordLike]:
    """What models are exposed to: the experiments, or the dataset that the first rank makes."""
    if not size.datasets:
        return experiments
    made = [recorder.dataset(f"cycle-{cycle}", experiments)] if rank == 0 else []
    return list(exchange(made))


def _updated(
    models: list[ModelVersion],
    exposed: Iterable[RecordLike],
    together: _Together,
    progress: Progress,
) -> list[ModelVersion]:
    updated: list[ModelVersion] = []
    exposed = list(exposed)
    for place in range(0, len(models), UPDATES_TOGETHER):
        some = models[place : place + UPDATES_TOGETHER]
        with together():
            updated += [model.update(exposed) for model in some]
        progress(len(some) * (len(exposed) + 3))
    return updated
