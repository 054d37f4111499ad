"""What a simulation says of points before anybody measures them, kept in a file."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from _simulation import Service, burst, simulate, steady

__all__ = ["Figures", "Prediction", "Setting", "model_digest", "utc"]

MODEL = ("_prediction.py", "_scaling_job.py", "_simulation.py", "scaling.py")


@dataclass(frozen=True)
class Setting:
    """The points: reports in the small and in the large burst, and the steady rate, a second."""

    small: int
    large: int
    rate: float


@dataclass(frozen=True)
class Figures:
    """Seconds: until a large burst is durable, and within which half and 99 % of steady reports
    are."""

    burst: float
    half: float
    most: float


@dataclass(frozen=True)
class Prediction:
    """Fitted at small sizes on one machine by one model, for larger sizes on that machine."""

    made_at: str
    machine: str
    model: str
    setting: Setting
    service: Service
    disk: float
    figures: Figures

    @classmethod
    def make(cls, setting: Setting, service: Service, disk: float, sent: float) -> Prediction:
        """What the simulation says; the ranks send the small burst in `sent` seconds, and the
        large one at the same rate."""
        took = sent * setting.large / setting.small
        usual = simulate(steady(int(setting.rate * 100), 100.0, 100.0), service)
        figures = Figures(
            simulate(burst(setting.large, took), service).ended,
            usual.within(0.5),
            usual.within(0.99),
        )
        return cls(utc(), platform.node(), model_digest(), setting, service, disk, figures)

    def write(self, file: Path) -> None:
        """Into a new file, on the disk when this returns; an earlier prediction is not replaced."""
        with file.open("x") as opened:
            json.dump(asdict(self), opened, indent=1)
            opened.flush()
            os.fsync(opened.fileno())

    @classmethod
    def read(cls, file: Path) -> Prediction:
        """What was written; ends the program where the model has changed since."""
        document = json.loads(file.read_text())
        if document["model"] != model_digest():
            raise SystemExit(f"{file} was predicted by another version of the model: predict anew.")
        if document["machine"] != platform.node():
            raise SystemExit(f"{file} was predicted for the machine {document['machine']}.")
        parts = {"setting": Setting, "service": Service, "figures": Figures}
        return cls(**{k: parts[k](**v) if k in parts else v for k, v in document.items()})


def model_digest() -> str:
    """What the model is made of: changed after a prediction, it is another one."""
    folder = Path(__file__).parent
    found: Sequence[bytes] = [(folder / name).read_bytes() for name in MODEL]
    return hashlib.sha256(b"\0".join(found)).hexdigest()


def utc() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
