"""The beamline: puts detector frames and the instrument's configuration into its collection.

Stands for the detector, which no flow can start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.examples.bragg.peaks import Instrument, draw_frame

__all__ = ["INSTRUMENT", "PEAKS", "expose", "furnish"]

INSTRUMENT: dict[str, Any] = {
    "beamline": "1-ID (imagined)",
    "energy_keV": 71.676,
    "detector": {"rows": 640, "columns": 640, "pixel_um": 200, "dark_level": 40},
    "peaks": {"width": 1.5, "faintest": 150, "brightest": 1500},
    "calibrated_with": "CeO2 powder",
}
PEAKS = 400
"""Peaks in a frame."""


def expose(number: int, *, seed: int) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.float64]]:
    """The frame of the scan of that number, and the true centres of its peaks.

    The same number and seed give the same frame.
    """
    rng = np.random.default_rng([seed, number])
    return draw_frame(Instrument.of(INSTRUMENT), peaks=PEAKS, rng=rng)


def furnish(folder: Path, scans: Iterable[str], *, seed: int) -> None:
    """Write ``/instrument.json`` and ``/scans/<scan>.npy`` for each scan."""
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    text = json.dumps(INSTRUMENT, indent=2)
    (folder / "instrument.json").write_text(f"{text}\n", encoding="utf-8")
    for number, scan in enumerate(scans, start=1):
        np.save(folder / "scans" / f"{scan}.npy", expose(number, seed=seed)[0])
