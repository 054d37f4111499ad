"""What the Compute steps of the flow call: plain functions of JSON values, which work on files.

A *site* is a collection as a function finds it: ``{"collection": <id>, "folder": <where it is
mounted>}``. Paths begin with a slash and are relative to that folder; ``globus://<id><path>`` says
the same and names the file to whoever reads the arguments, such as `braid flow instrument`'s record
states. Files that were written are described as record states take them: ``{"uri", "size",
"digest", "media_type"}``, and each result says in which environment it was made.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.examples.bragg import network
from flows.examples.bragg.peaks import (
    Instrument,
    cut_patches,
    find_peaks,
    fit_offsets,
    simulate_patches,
)
from provenance_store.recording.environment import hardware, system

__all__ = ["analyse", "apply", "compare", "compress", "pretrain", "simulate", "train"]

Site = dict[str, str]
Result = dict[str, Any]

HELD_OUT = 5
"""Every so many-th patch is kept for validation and not trained on."""
POINTS = 10
"""About so many points of a convergence curve are reported."""
HEADER = "row,column"
MEDIA_TYPES = {".npy": "application/x-npy", ".npz": "application/x-npz", ".csv": "text/csv"}


def simulate(site: Site, instrument: str, patches: str, count: int, seed: int) -> Result:
    """Synthetic peaks with known centres, as the calibrated instrument would see them."""
    images, offsets = simulate_patches(
        _instrument(site, instrument), count=count, rng=np.random.default_rng(seed)
    )
    with _new(site, patches).open("wb") as file:
        np.savez(file, patches=images.astype(np.uint16), offsets=offsets)
    return {"file": _described(site, patches), "peaks": count, **_where()}


def analyse(site: Site, instrument: str, frame: str, peaks: str) -> Result:
    """The conventional analysis: find the peaks of a frame, and fit each one."""
    known, image = _instrument(site, instrument), _array(site, frame)
    pixels = find_peaks(image, known)
    centres = pixels + fit_offsets(cut_patches(image, pixels))
    _write_centres(site, peaks, centres)
    return {"file": _described(site, peaks), "peaks": len(pixels), **_where()}


def pretrain(site: Site, patches: str, weights: str, epochs: int, seed: int) -> Result:
    """A first version of the network, from simulated peaks only."""
    with np.load(_path(site, patches)) as simulated:
        images, offsets = simulated["patches"].astype(np.float64), simulated["offsets"]
    how = {"epochs": epochs, "rate": 0.002, "seed": seed}
    fresh = network.new_weights(np.random.default_rng(seed))
    return _trained(site, fresh, images, offsets, weights, how)


def train(
    site: Site, start: str, frame: str, peaks: str, weights: str, epochs: int, seed: int
) -> Result:
    """The next version, from a frame and the centres that the analysis found in it."""
    centres, image = _read_centres(site, peaks), _array(site, frame)
    pixels = np.rint(centres).astype(np.int64)
    how = {"epochs": epochs, "rate": 0.001, "seed": seed}
    before = _weights(site, start)
    return _trained(site, before, cut_patches(image, pixels), centres - pixels, weights, how)


def compress(site: Site, instrument: str, weights: str, frame: str, small: str) -> Result:
    """The same network with weights of 8 bits, for the small computer beside the detector."""
    whole = _weights(site, weights)
    packed = network.compress(whole)
    _save_weights(site, small, packed)
    image = _array(site, frame)
    images = cut_patches(image, find_peaks(image, _instrument(site, instrument)))
    apart = network.distances(network.predict(packed, images), network.predict(whole, images))
    smaller = _path(site, weights).stat().st_size / _path(site, small).stat().st_size
    return {
        "file": _described(site, small),
        "hyperparameters": {"bits": 8},
        "scores": {"times_smaller": round(smaller, 1), "median_shift_px": _px(np.median(apart))},
        **_where(),
    }


def apply(site: Site, instrument: str, weights: str, frame: str, peaks: str) -> Result:
    """The peaks of a frame by the network: the centre of each, without any fit."""
    known, image = _instrument(site, instrument), _array(site, frame)
    pixels = find_peaks(image, known)
    offsets = network.predict(_weights(site, weights), cut_patches(image, pixels))
    _write_centres(site, peaks, pixels + offsets)
    return {"file": _described(site, peaks), "peaks": len(pixels), **_where()}


def compare(site: Site, instrument: str, frame: str, peaks: str) -> Result:
    """How far the network's centres are from those of the conventional analysis."""
    known, image = _instrument(site, instrument), _array(site, frame)
    pixels = find_peaks(image, known)
    fitted = pixels + fit_offsets(cut_patches(image, pixels))
    apart = network.distances(_read_centres(site, peaks), fitted)
    within = float((apart < 0.1).mean() * 100)
    return {
        "peaks": len(pixels),
        "median_px": _px(np.median(apart)),
        "within_0.1_px_percent": round(within, 1),
        **_where(),
    }


# ---- training ----------------------------------------------------------------------------


def _trained(
    site: Site,
    before: network.Weights,
    images: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
    weights: str,
    how: dict[str, Any],
) -> Result:
    held = np.arange(len(images)) % HELD_OUT == 0
    first = network.distances(network.predict(before, images[held]), offsets[held])
    after, curve = network.train(
        before,
        images[~held],
        offsets[~held],
        epochs=how["epochs"],
        rate=how["rate"],
        rng=np.random.default_rng(how["seed"]),
        held_out=(images[held], offsets[held]),
    )
    _save_weights(site, weights, after)
    last = network.distances(network.predict(after, images[held]), offsets[held])
    shown = curve[:: max(1, len(curve) // POINTS)]
    return {
        "file": _described(site, weights),
        "hyperparameters": {**how, "layers": list(network.LAYERS), "optimizer": "adam"},
        "metrics": shown if shown[-1] is curve[-1] else [*shown, curve[-1]],
        "scores": {
            "median_px_before": _px(np.median(first)),
            "median_px": _px(np.median(last)),
            "p95_px": _px(np.percentile(last, 95)),
        },
        **_where(),
    }


def _where() -> Result:
    """The environment that this runs in: machine, software, and the code by its digest."""
    code = Path(__file__)
    return {
        "environment": {
            "hardware": hardware(),
            "software": {
                "python": platform.python_version(),
                "system": system(),
                "packages": {"numpy": np.__version__},
            },
            "code": {
                "script": "/".join(code.parts[-2:]),
                "digest": f"sha256:{hashlib.sha256(code.read_bytes()).hexdigest()}",
            },
        }
    }


def _px(value: Any) -> float:
    return round(float(value), 4)


# ---- files -------------------------------------------------------------------------------


def _path(site: Site, path: str) -> Path:
    inside = path.removeprefix(f"globus://{site['collection']}")
    return Path(site["folder"]) / inside.lstrip("/")


def _new(site: Site, path: str) -> Path:
    file = _path(site, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _described(site: Site, path: str) -> dict[str, Any]:
    data = _path(site, path).read_bytes()
    return {
        "uri": f"globus://{site['collection']}{path}",
        "size": len(data),
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "media_type": MEDIA_TYPES[Path(path).suffix],
    }


def _instrument(site: Site, path: str) -> Instrument:
    return Instrument.of(json.loads(_path(site, path).read_text(encoding="utf-8")))


def _array(site: Site, path: str) -> npt.NDArray[Any]:
    return np.asarray(np.load(_path(site, path)))


def _weights(site: Site, path: str) -> dict[str, npt.NDArray[Any]]:
    with np.load(_path(site, path)) as file:
        return {name: file[name] for name in file.files}


def _save_weights(site: Site, path: str, weights: dict[str, npt.NDArray[Any]]) -> None:
    with _new(site, path).open("wb") as file:
        np.savez(file, allow_pickle=False, **weights)


def _write_centres(site: Site, path: str, centres: npt.NDArray[np.float64]) -> None:
    np.savetxt(_new(site, path), centres, fmt="%.4f", delimiter=",", header=HEADER, comments="")


def _read_centres(site: Site, path: str) -> npt.NDArray[np.float64]:
    return np.loadtxt(_path(site, path), delimiter=",", skiprows=1, ndmin=2)
