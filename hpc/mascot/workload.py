"""Mascot: how large it is, and playing it through a Recorder, alone or as one of several ranks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from provenance_store.errors import InvalidInput
from provenance_store.handles import ModelVersion, Record
from provenance_store.recording.recorder import Recorder, RecordLike

__all__ = ["Exchange", "Progress", "Size", "play"]


@dataclass(frozen=True)
class Size:
    """The parameters of the published workload; with `datasets` one dataset record per cycle
    stands between models and experiments."""

    configurations: int = 10
    models: int = 10
    cycles: int = 5
    experiments: int = 40
    uris: int = 3
    dependencies: int = 3
    datasets: bool = False

    def __post_init__(self) -> None:
        low = (self.configurations, self.models, self.cycles, self.experiments)
        if min(low) < 1 or min(self.uris, self.dependencies) < 0:
            raise InvalidInput("Mascot needs at least one of each; URIs and --deps may be 0.")
        if self.dependencies > self.configurations or self.models > self.configurations:
            raise InvalidInput(
                "Mascot needs at least as many configurations as models, and as --deps: "
                "give a larger -C."
            )

    @property
    def made(self) -> int:
        """Experiments in all cycles."""
        return self.cycles * self.experiments

    def published(self) -> dict[str, int]:
        """Entries by table as the paper counts them: a model is one record however often it is
        updated. C=M=1000, N=5, E=4000, U=3 and 3 dependencies are 20,146,000."""
        exposures = self.made * self.models
        return {
            "records": self.configurations + self.models + self.made,
            "uris": self.uris * (self.configurations + self.made),
            "links": self.models + self.made * self.dependencies + exposures,
        }

    def rows(self) -> dict[str, int]:
        """Rows by table as this store keeps them: every version of a model is a record, linked
        to the one before."""
        versions = self.cycles * self.models
        sets = self.cycles if self.datasets else 0
        exposures = (
            self.made + self.cycles * self.models if self.datasets else self.made * self.models
        )
        links = self.models + self.made * self.dependencies + exposures + versions
        return {
            "record": self.configurations + self.models + self.made + versions + sets,
            "version": self.models + versions,
            "uri": self.uris * (self.configurations + self.made),
            "link": links,
        }


Progress = Callable[[int], object]
"""Told how many rows were recorded since it was last told."""
Exchange = Callable[[Sequence[Record]], Sequence[Any]]
"""Gives everybody's records for one's own; alone, those are the same."""

UPDATES_TOGETHER = 20


class _Transaction(Protocol):
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
    transaction: _Transaction = _nothing if each else recorder.transaction
    mine = _Share(rank, ranks)
    with transaction():
        own = [_configuration(recorder, i, size) for i in mine.of(size.configurations)]
    configurations = _in_order(exchange(own), ranks)
    with transaction():
        models = [
            recorder.model(f"model-{i}", depends_on=[configurations[i]])
            for i in mine.of(size.models)
        ]
    progress(len(own) * (1 + size.uris) + 3 * len(models))
    for cycle in range(size.cycles):
        with transaction():
            experiments = [
                _experiment(recorder, cycle, i, size, configurations, seed)
                for i in mine.of(size.experiments)
            ]
        progress(len(experiments) * (1 + size.uris + size.dependencies))
        everybodys = list(exchange(experiments))
        exposed = _dataset(recorder, cycle, size, everybodys, exchange, rank)
        models = _updated(models, exposed, transaction, progress)


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
    transaction: _Transaction,
    progress: Progress,
) -> list[ModelVersion]:
    updated: list[ModelVersion] = []
    exposed = list(exposed)
    for place in range(0, len(models), UPDATES_TOGETHER):
        some = models[place : place + UPDATES_TOGETHER]
        with transaction():
            updated += [model.update(exposed) for model in some]
        progress(len(some) * (len(exposed) + 3))
    return updated
