"""The examples put into a sandbox: collections with files, functions, and an input for each run."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from flows.examples.harvest import functions
from flows.sandbox import Sandbox
from flows.sandbox.runner import RunOutcome, run_definition

__all__ = ["CLUSTER", "EDGE", "INSTRUMENT", "NAMES", "Site", "conventions", "definition"]

NAMES = ("training", "braggnn", "ssx", "xpcs")
INSTRUMENT = "5a1c0de0-0000-4000-8000-000000000001"
CLUSTER = "5a1c0de0-0000-4000-8000-000000000002"
EDGE = "5a1c0de0-0000-4000-8000-000000000003"
_COLLECTIONS = {"instrument": INSTRUMENT, "cluster": CLUSTER, "edge": EDGE}
FRAMES = 4
POINTS = 9


def definition(name: str) -> dict[str, Any]:
    """A flow as its author wrote it."""
    text = files("flows.examples.harvest").joinpath(f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def conventions(name: str) -> Path:
    """The TOML file that goes with a flow."""
    return Path(str(files("flows.examples.harvest").joinpath(f"{name}.toml")))


class Site:
    """A sandbox furnished for the examples, with its collections in a folder."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder.resolve()
        for name, collection in _COLLECTIONS.items():
            sandbox.collection(name, self._folder / name, collection_id=collection)
        self._functions = {
            name: sandbox.register_function(f"{functions.__name__}:{name}")
            for name in functions.__all__
        }
        for number in range(1, FRAMES + 1):
            _write_series(self._folder / "instrument" / "scans" / f"{number}.csv", number)

    def run(self, name: str, number: int) -> RunOutcome:
        """Run a flow for the first, second ... time, each time with new data."""
        given = {
            **_COLLECTIONS,
            "mount": str(self._folder / "cluster"),
            "functions": self._functions,
            **_INPUTS[name](number, str(self._folder / "cluster")),
        }
        return run_definition(
            definition(name), {"input": given}, self._sandbox, title=name, label=f"{name} {number}"
        )


def _write_series(file: Path, number: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = ((n / 10, round(number + 0.3 * n, 3)) for n in range(POINTS + number))
    file.write_text("".join(f"{x},{y}\n" for x, y in rows))


# ---- what each run is given --------------------------------------------------------------


def _training(number: int, mount: str) -> dict[str, Any]:
    return {"model": "dose", "data": f"/scans/{number}.csv", "epochs": 5}


def _braggnn(number: int, mount: str) -> dict[str, Any]:
    """The second run goes on from the weights of the first, and still infers with these."""
    first = f"{mount}/braggnn/BraggNN-v1.json"
    return {
        "frames": ["/scans/1.csv", "/scans/2.csv"],
        "next_frame": "/scans/3.csv",
        "start": None if number == 1 else first,
        "weights": first,
        "version": f"v{number}",
        "epochs": 3,
    }


def _ssx(number: int, mount: str) -> dict[str, Any]:
    images = [f"/scans/{n}.csv" for n in range(1, number + 2)]
    return {"chip": "chip-7", "folder": "/scans", "images": images}


def _xpcs(number: int, mount: str) -> dict[str, Any]:
    """Results go back in the first run only."""
    names = {n: f"/encoders/{n}.json" for n in (number - 1, number)}
    return {
        "sample": "silica",
        "raw": f"/scans/{number}.csv",
        "g2": f"/scans/{number}.g2.csv",
        "encoder": {"name": "xpcs-encoder", "file": names[number - 1], "next": names[number]},
        "result_transfer": number == 1,
    }


_INPUTS = {"training": _training, "braggnn": _braggnn, "ssx": _ssx, "xpcs": _xpcs}
