"""What the Compute states of the examples call: small, but they really compute on files.

They return what functions of such flows return: absolute paths on the cluster's file system, curves
as lists, scores beside names. None of them knows of Braid. `mount` is the folder that is the root
of the cluster's collection.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

__all__ = [
    "correlate",
    "create_phil",
    "encode",
    "infer",
    "label",
    "process",
    "publish",
    "retrain",
    "solve",
    "train",
]

Result = dict[str, Any]
Rows = list[list[float]]


# ---- DNN training ------------------------------------------------------------------------


def train(mount: str, model: str, data: str, epochs: int, rate: float) -> Result:
    """Fit y to x, and return a history of columns as many frameworks do."""
    rows = _read(Path(mount + data))
    weights, losses = _fit(rows, epochs=epochs, rate=rate)
    return {
        "weights": _write(Path(f"{mount}/models/{model}-{len(rows)}.json"), weights),
        "history": {"loss": losses, "val_loss": [round(loss * 1.1, 6) for loss in losses]},
        "test": {"mae": _mae(rows, weights), "rows": len(rows), "unit": "px"},
    }


# ---- BraggNN -----------------------------------------------------------------------------


def label(mount: str, frame: str) -> Result:
    """The peaks of a frame by the conventional fit: each task has one frame."""
    rows = [[x, y + 0.01 * math.sin(x)] for x, y in _read(Path(mount + frame))]
    return {"peaks": _write_rows(Path(mount + frame).with_suffix(".peaks.csv"), rows)}


def retrain(mount: str, start: str | None, peaks: list[str], version: str, epochs: int) -> Result:
    """Go on from the weights at `start`; the log has nested points, the best one is named."""
    rows = [row for path in peaks for row in _read(Path(path))]
    before = json.loads(Path(start).read_text()) if start else None
    weights, losses = _fit(rows, epochs=epochs, rate=0.05, before=before)
    file = _write(Path(f"{mount}/braggnn/BraggNN-{version}.json"), weights)
    log = [{"epoch": n, "train": {"loss": loss}} for n, loss in enumerate(losses)]
    return {
        "model": {"name": "BraggNN", "version": version, "file": file},
        "log": log,
        "best": {"epoch": epochs - 1, "mae_px": _mae(rows, weights)},
    }


def infer(mount: str, weights: str, frame: str) -> Result:
    """The peaks of a frame by the network."""
    a, b = json.loads(Path(weights).read_text())
    rows = [[x, a * x + b] for x, _ in _read(Path(mount + frame))]
    return {"peaks": _write_rows(Path(mount + frame).with_suffix(".inferred.csv"), rows)}


# ---- SSX ---------------------------------------------------------------------------------


def create_phil(mount: str, chip: str, **rest: Any) -> Result:
    """The parameters of the processing, as a file."""
    return {"phil": _write(Path(f"{mount}/{chip}/process.phil"), {"d_min": 2.0})}


def process(mount: str, phil: str, image: str) -> Result:
    """Index one image."""
    rows = _read(Path(mount + image))
    return {"int": _write_rows(Path(mount + image).with_suffix(".int.csv"), rows), "ok": True}


def solve(mount: str, chip: str, ints: list[Result]) -> Result:
    """Refine a structure for each protein on the chip from all that was indexed."""
    rows = [row for each in ints for row in _read(Path(each["int"]))]
    structures = []
    for protein, target in (("lysozyme", 79.1), ("nsp15", 151.2)):
        cell, losses = _fit([[0.0, target], *rows], epochs=4, rate=0.05)
        file = _write(Path(f"{mount}/{chip}/{protein}.json"), cell)
        free = {"r_work": round(losses[-1], 4), "r_free": round(losses[-1] * 1.2, 4)}
        structures.append({"protein": protein, "mtz": file, "R": {**free, "by_cycle": losses}})
    return {"structures": structures, "images": len(ints)}


def publish(**data: Any) -> Result:
    """Put the structures into the catalogue."""
    return {"published": len(data["structures"])}


# ---- XPCS --------------------------------------------------------------------------------


def correlate(mount: str, raw: str, encoder: Result, **rest: Any) -> Result:
    """Correlation functions of a series, denoised by the encoder."""
    rows = _read(Path(mount + raw))
    return {"result": _write_rows(Path(mount + raw).with_suffix(".g2.csv"), rows), "q": [0.1, 0.2]}


def encode(mount: str, raw: str, encoder: Result, **rest: Any) -> Result:
    """Update the encoder; losses are reported every 50 steps only."""
    rows = _read(Path(mount + raw).with_suffix(".g2.csv"))
    weights, losses = _fit(rows, epochs=4, rate=0.05)
    return {
        "steps": [50 * (n + 1) for n in range(len(losses))],
        "loss": {"reconstruction": losses, "kl": [round(loss / 10, 6) for loss in losses]},
        "checkpoint": _write(Path(mount + encoder["next"]), weights),
    }


# ---- files and fits ----------------------------------------------------------------------


def _read(file: Path) -> Rows:
    with file.open(newline="") as lines:
        return [[float(x) for x in row] for row in csv.reader(lines)]


def _write_rows(file: Path, rows: Rows) -> str:
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return str(file)


def _write(file: Path, document: Any) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    return str(file)


def _fit(
    rows: Rows, *, epochs: int, rate: float, before: list[float] | None = None
) -> tuple[list[float], list[float]]:
    """The line through points by gradient descent, and the loss after each epoch."""
    a, b = before or (0.0, 0.0)
    losses = []
    for _ in range(epochs):
        apart = [a * x + b - y for x, y in rows]
        a -= rate * sum(d * x for d, (x, _) in zip(apart, rows, strict=True)) / len(rows)
        b -= rate * sum(apart) / len(rows)
        losses.append(round(sum(d * d for d in apart) / len(rows), 6))
    return [a, b], losses


def _mae(rows: Rows, weights: list[float]) -> float:
    a, b = weights
    return round(sum(abs(a * x + b - y) for x, y in rows) / len(rows), 6)
