"""A small neural network that tells where in a patch the peak's centre is.

Two hidden layers, trained with Adam on the mean squared distance: after the idea of BraggNN, small
enough for plain NumPy. Weights are a mapping of names to arrays, as they are in a weights file.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.examples.bragg.peaks import PATCH

__all__ = ["compress", "distances", "new_weights", "predict", "train"]

Floats = npt.NDArray[np.float64]
Weights = dict[str, Floats]

LAYERS = (PATCH * PATCH, 64, 32, 2)
BATCH = 64


def new_weights(rng: np.random.Generator) -> Weights:
    """Weights to begin with (He initialisation)."""
    weights: Weights = {}
    for number, (before, after) in enumerate(itertools.pairwise(LAYERS)):
        weights[f"w{number}"] = rng.normal(0, np.sqrt(2 / before), (before, after))
        weights[f"b{number}"] = np.zeros(after)
    return weights


def predict(weights: Mapping[str, npt.NDArray[Any]], patches: Floats) -> Floats:
    """The offset of the peak in each patch, in pixels. Takes compressed weights too."""
    return _forward(_expanded(weights), _normalised(patches))[-1]


def distances(predicted: Floats, expected: Floats) -> Floats:
    """How far each prediction is off, in pixels."""
    return np.asarray(np.hypot(*(predicted - expected).T))


def train(
    weights: Weights,
    patches: Floats,
    offsets: Floats,
    *,
    epochs: int,
    rate: float,
    rng: np.random.Generator,
    held_out: tuple[Floats, Floats],
) -> tuple[Weights, list[dict[str, float]]]:
    """Weights trained further, and the convergence curve.

    Each point of the curve holds the epoch, the training loss in square pixels, and the median
    distance in pixels on the patches that are held out. A patch stands for its eight mirror
    images and quarter turns too, of which each epoch sees one by chance.
    """
    inputs = _normalised(patches).reshape(-1, PATCH, PATCH)
    trained = {name: array.copy() for name, array in weights.items()}
    moments = {name: (np.zeros_like(a), np.zeros_like(a)) for name, a in trained.items()}
    curve, count = [], 0
    for epoch in range(1, epochs + 1):
        seen, expected = _turned(inputs, offsets, rng)
        order = rng.permutation(len(seen))
        pace = rate * (1 + np.cos(np.pi * (epoch - 1) / epochs)) / 2
        losses = []
        for start in range(0, len(order), BATCH):
            chosen, count = order[start : start + BATCH], count + 1
            loss, slopes = _slopes(trained, seen[chosen], expected[chosen])
            _adam(trained, slopes, moments, pace, count)
            losses.append(loss)
        off = np.median(distances(predict(trained, held_out[0]), held_out[1]))
        curve.append({"epoch": epoch, "loss": float(np.mean(losses)), "median_px": float(off)})
    return trained, curve


def compress(weights: Weights) -> dict[str, npt.NDArray[Any]]:
    """The weights as 8-bit integers with a scale for each layer, for a small device."""
    small: dict[str, npt.NDArray[Any]] = {}
    for name, array in weights.items():
        if name.startswith("b"):
            small[name] = array.astype(np.float32)
            continue
        scale = np.abs(array).max(axis=0) / 127
        small[name] = np.rint(array / scale).astype(np.int8)
        small[f"scale_of_{name}"] = scale.astype(np.float32)
    return small


def _expanded(weights: Mapping[str, npt.NDArray[Any]]) -> Weights:
    return {
        name: array.astype(np.float64) * weights.get(f"scale_of_{name}", np.float64(1))
        for name, array in weights.items()
        if not name.startswith("scale_of_")
    }


def _normalised(patches: Floats) -> Floats:
    """Each patch from 0 at its darkest pixels to 1 at its brightest."""
    flat = patches.reshape(len(patches), -1)
    floor = np.percentile(flat, 20, axis=1)[:, None]
    return np.asarray((flat - floor) / (flat.max(axis=1)[:, None] - floor))


def _turned(patches: Floats, offsets: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Each patch mirrored and turned by chance, and its offset likewise."""
    turned, moved = patches.copy(), offsets.copy()
    for axis in (0, 1):
        chosen = rng.random(len(turned)) < 0.5
        turned[chosen] = np.flip(turned[chosen], axis=axis + 1)
        moved[chosen, axis] *= -1
    chosen = rng.random(len(turned)) < 0.5
    turned[chosen] = turned[chosen].transpose(0, 2, 1)
    moved[chosen] = moved[chosen, ::-1]
    return turned.reshape(len(turned), -1), moved


def _forward(weights: Weights, inputs: Floats) -> list[Floats]:
    """What each layer gives; the last one the offsets."""
    values = [inputs]
    last = len(LAYERS) - 2
    for number in range(last + 1):
        sums = values[-1] @ weights[f"w{number}"] + weights[f"b{number}"]
        values.append(sums if number == last else np.maximum(sums, 0))
    return values


def _slopes(weights: Weights, inputs: Floats, expected: Floats) -> tuple[float, Weights]:
    """The loss, and its slope by every weight (back-propagation)."""
    values = _forward(weights, inputs)
    error = values[-1] - expected
    slopes: Weights = {}
    back = 2 * error / len(error)
    for number in reversed(range(len(LAYERS) - 1)):
        slopes[f"w{number}"] = values[number].T @ back
        slopes[f"b{number}"] = back.sum(axis=0)
        back = (back @ weights[f"w{number}"].T) * (values[number] > 0)
    return float((error**2).sum(axis=1).mean()), slopes


def _adam(
    weights: Weights,
    slopes: Weights,
    moments: Mapping[str, tuple[Floats, Floats]],
    rate: float,
    count: int,
) -> None:
    for name, slope in slopes.items():
        mean, square = moments[name]
        mean += 0.1 * (slope - mean)
        square += 0.001 * (slope**2 - square)
        ahead = mean / (1 - 0.9**count)
        weights[name] -= rate * ahead / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
