"""Bragg peaks on an area detector: how they look, how they are found, how they are fitted.

Coordinates are (row, column) in pixels; a pixel's centre is at whole numbers. A *patch* is the
square of PATCH pixels around the pixel in which a peak is brightest, and an *offset* is where in
it the peak's centre lies, from the middle of the patch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "PATCH",
    "Instrument",
    "cut_patches",
    "draw_frame",
    "find_peaks",
    "fit_offsets",
    "simulate_patches",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PATCH = 11
HALF = PATCH // 2
MARGIN = HALF + 2
"""Peaks nearer to the edge of the frame are left out: a fit may move their patch by 2 pixels."""
PITCH = 24
"""Peaks in a frame are at least about so many pixels apart."""

_ROWS, _COLUMNS = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1].astype(np.float64)


class Instrument(NamedTuple):
    """What the beamline knows of its detector and beam: lengths in pixels, counts per pixel."""

    rows: int
    columns: int
    dark_level: float
    width: float
    """Standard deviation of a peak, as calibrated with a fine powder."""
    faintest: float
    brightest: float

    @classmethod
    def of(cls, document: dict[str, Any]) -> Instrument:
        """From the instrument's configuration file."""
        detector, peaks = document["detector"], document["peaks"]
        return cls(
            int(detector["rows"]),
            int(detector["columns"]),
            float(detector["dark_level"]),
            float(peaks["width"]),
            float(peaks["faintest"]),
            float(peaks["brightest"]),
        )


# ---- how peaks look ----------------------------------------------------------------------


def draw_frame(
    instrument: Instrument, *, peaks: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint16], Floats]:
    """A detector frame, and the true centres of its peaks.

    The peaks of a strained sample: drawn out in some direction and with the long tails of a
    pseudo-Voigt profile, neither of which the calibration knows about.
    """
    centres = _scatter(instrument, peaks, rng)
    heights = rng.uniform(instrument.faintest, instrument.brightest, peaks)
    frame = np.full((instrument.rows, instrument.columns), instrument.dark_level)
    middles = np.rint(centres).astype(np.int64)
    patches = heights[:, None, None] * _pseudo_voigt(
        centres - middles,
        long=instrument.width * rng.uniform(1.0, 1.9, peaks),
        short=instrument.width * rng.uniform(0.8, 1.1, peaks),
        angle=rng.uniform(0, np.pi, peaks),
        tails=rng.uniform(0.2, 0.7, peaks),
    )
    for (row, column), patch in zip(middles, patches, strict=True):
        frame[row - HALF : row + HALF + 1, column - HALF : column + HALF + 1] += patch
    return rng.poisson(frame).clip(0, 65535).astype(np.uint16), centres


def simulate_patches(
    instrument: Instrument, *, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Patches with the round Gaussian peaks of the calibration, and their true offsets."""
    offsets = rng.uniform(-0.6, 0.6, (count, 2))
    widths = np.full(count, instrument.width)
    heights = rng.uniform(instrument.faintest, instrument.brightest, count)
    none = np.zeros(count)
    shapes = _pseudo_voigt(offsets, long=widths, short=widths, angle=none, tails=none)
    light = instrument.dark_level + heights[:, None, None] * shapes
    return rng.poisson(light).astype(np.float64), offsets


def _scatter(instrument: Instrument, peaks: int, rng: np.random.Generator) -> Floats:
    """Centres on some of the sites of a grid, moved a little each."""
    rows = np.arange(PITCH, instrument.rows - PITCH, PITCH)
    columns = np.arange(PITCH, instrument.columns - PITCH, PITCH)
    sites = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    chosen = rng.choice(len(sites), size=peaks, replace=False)
    return sites[np.sort(chosen)] + rng.uniform(-5, 5, (peaks, 2))


def _pseudo_voigt(
    centres: Floats, *, long: Floats, short: Floats, angle: Floats, tails: Floats
) -> Floats:
    """Profiles of height 1 on a patch each: part Lorentzian (`tails`), the rest Gaussian."""
    rows = _ROWS - centres[:, 0, None, None]
    columns = _COLUMNS - centres[:, 1, None, None]
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along = (rows * cosine + columns * sine) / long[:, None, None]
    across = (columns * cosine - rows * sine) / short[:, None, None]
    square = along**2 + across**2
    gauss, lorentz = np.exp(-square / 2), 1 / (1 + square / (2 * np.log(2)))  # of equal width
    part = tails[:, None, None]
    return np.asarray(part * lorentz + (1 - part) * gauss)


# ---- how they are found ------------------------------------------------------------------


def find_peaks(frame: npt.NDArray[Any], instrument: Instrument) -> Integers:
    """The brightest pixel of each peak, row by row: local maxima that stand out of the noise."""
    light = frame.astype(np.float64) - instrument.dark_level
    inside = slice(MARGIN, -MARGIN)
    inner = light[inside, inside]
    brightest = inner > instrument.faintest / 2
    for row in range(-2, 3):
        for column in range(-2, 3):
            moved = np.roll(light, (-row, -column), axis=(0, 1))[inside, inside]
            # Of two equal neighbours the first one is taken.
            brightest &= inner > moved if (row, column) < (0, 0) else inner >= moved
    return np.argwhere(brightest).astype(np.int64) + MARGIN


def cut_patches(frame: npt.NDArray[Any], pixels: Integers) -> Floats:
    """The patch around each pixel."""
    offsets = np.arange(-HALF, HALF + 1)
    rows = pixels[:, 0, None, None] + offsets[None, :, None]
    columns = pixels[:, 1, None, None] + offsets[None, None, :]
    return np.asarray(frame[rows, columns], dtype=np.float64)


# ---- how they are fitted -----------------------------------------------------------------


def fit_offsets(patches: Floats, *, iterations: int = 40) -> Floats:
    """The conventional analysis: a two-dimensional Gaussian fitted to each patch.

    Least squares by Gauss-Newton steps with Levenberg's damping, all patches at once. The
    parameters are height, row, column, two widths and the background.
    """
    data = patches.reshape(len(patches), -1)
    parameters = _guess(data)
    damping = np.full(len(data), 1e-2)
    model, slopes = _gaussian(parameters)
    error = ((data - model) ** 2).sum(axis=1)
    for _ in range(iterations):
        step = _step(slopes, data - model, damping)
        tried = parameters + step
        tried[:, 1:3] = tried[:, 1:3].clip(-2, 2)
        tried[:, 3:5] = np.abs(tried[:, 3:5]).clip(0.3, PATCH)
        tried_model, tried_slopes = _gaussian(tried)
        tried_error = ((data - tried_model) ** 2).sum(axis=1)
        better = tried_error < error
        damping = np.where(better, damping / 5, damping * 5).clip(1e-9, 1e9)
        parameters[better], error[better] = tried[better], tried_error[better]
        model[better], slopes[better] = tried_model[better], tried_slopes[better]
    return parameters[:, 1:3].copy()


def _guess(data: Floats) -> Floats:
    """Background, height and centre of mass of the brighter half."""
    background = np.percentile(data, 20, axis=1)
    light = (data - background[:, None]).clip(0)
    light = np.where(light > light.max(axis=1, keepdims=True) / 2, light, 0)
    total = light.sum(axis=1)
    rows = (light * _ROWS.ravel()).sum(axis=1) / total
    columns = (light * _COLUMNS.ravel()).sum(axis=1) / total
    widths = np.full(len(data), 1.5)
    return np.stack([light.max(axis=1), rows, columns, widths, widths, background], axis=1)


def _gaussian(parameters: Floats) -> tuple[Floats, Floats]:
    """Values of the model on each patch, and its slope by each parameter."""
    height, row, column, tall, wide, background = (p[:, None] for p in parameters.T)
    down, right = (_ROWS.ravel() - row) / tall, (_COLUMNS.ravel() - column) / wide
    shape = np.exp(-(down**2 + right**2) / 2)
    light = height * shape
    slopes = [
        *(shape, light * down / tall, light * right / wide),
        *(light * down**2 / tall, light * right**2 / wide, np.ones_like(light)),
    ]
    return light + background, np.stack(slopes, axis=2)


def _step(slopes: Floats, residual: Floats, damping: Floats) -> Floats:
    normal = np.einsum("npi,npj->nij", slopes, slopes)
    diagonal = np.einsum("nii->ni", normal)
    diagonal += damping[:, None] * diagonal + 1e-12
    right = np.einsum("npi,np->ni", slopes, residual)
    return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0])
