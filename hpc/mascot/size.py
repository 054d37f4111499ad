"""How large a Mascot is, and how many rows that makes."""

from __future__ import annotations

from dataclasses import dataclass

from provenance_store.errors import InvalidInput

__all__ = ["Size"]


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
