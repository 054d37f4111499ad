"""The science of the example: peaks are found and fitted, and the network learns from the fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from flows.examples.bragg import beamline, functions, network, peaks

INSTRUMENT = peaks.Instrument.of(beamline.INSTRUMENT)
Floats = npt.NDArray[np.float64]


def nearest(found: Floats, true: Floats) -> Floats:
    """How far each true centre is from the nearest one that was found."""
    apart = true[:, None, :] - found[None, :, :]
    return np.asarray(np.hypot(apart[..., 0], apart[..., 1]).min(axis=1))


@pytest.fixture
def site(tmp_path: Path) -> functions.Site:
    beamline.furnish(tmp_path, ["scan-1", "scan-2", "scan-3", "scan-4"], seed=7)
    return {"collection": "the-collection", "folder": str(tmp_path)}


def analysed(site: functions.Site, scan: str) -> dict[str, Any]:
    frame, found = f"/scans/{scan}.npy", f"/peaks/{scan}.csv"
    return functions.analyse(site, instrument="/instrument.json", frame=frame, peaks=found)


def trained(site: functions.Site, number: int, *, epochs: int = 40) -> dict[str, Any]:
    analysed(site, f"scan-{number}")
    return functions.train(
        site,
        start=f"/models/{number - 1}.npz",
        frame=f"/scans/scan-{number}.npy",
        peaks=f"/peaks/scan-{number}.csv",
        weights=f"/models/{number}.npz",
        epochs=epochs,
        seed=7,
    )


def pretrained(site: functions.Site) -> dict[str, Any]:
    where = {"site": site, "patches": "/simulated.npz"}
    functions.simulate(**where, instrument="/instrument.json", count=3000, seed=7)
    return functions.pretrain(**where, weights="/models/0.npz", epochs=20, seed=7)


def test_every_peak_of_a_frame_is_found_once() -> None:
    frame, centres = beamline.expose(1, seed=7)
    found = peaks.find_peaks(frame, INSTRUMENT)
    assert len(found) == len(centres) == beamline.PEAKS
    assert nearest(found.astype(np.float64), centres).max() < 1.5


def test_the_fit_finds_the_known_centres() -> None:
    frame, centres = beamline.expose(2, seed=7)
    pixels = peaks.find_peaks(frame, INSTRUMENT)
    fitted = pixels + peaks.fit_offsets(peaks.cut_patches(frame, pixels))
    apart = nearest(fitted, centres)
    assert np.median(apart) < 0.05
    assert np.percentile(apart, 95) < 0.15


def test_the_fit_is_exact_without_noise() -> None:
    rows, columns = np.mgrid[-5:6, -5:6]
    true = np.array([[0.3, -0.4], [0.0, 0.0], [-0.45, 0.2]])
    patches = np.stack(
        [
            50 + 700 * np.exp(-((rows - r) ** 2) / (2 * 1.3**2) - (columns - c) ** 2 / (2 * 1.8**2))
            for r, c in true
        ]
    )
    assert np.allclose(peaks.fit_offsets(patches), true, atol=1e-6)


def test_simulated_peaks_have_the_centres_that_are_said(site: functions.Site) -> None:
    patches, offsets = peaks.simulate_patches(INSTRUMENT, count=500, rng=np.random.default_rng(3))
    apart = np.hypot(*(peaks.fit_offsets(patches) - offsets).T)
    assert np.median(apart) < 0.05


def test_the_slopes_of_the_network_are_those_of_its_loss() -> None:
    rng = np.random.default_rng(5)
    weights = network.new_weights(rng)
    inputs, expected = rng.uniform(size=(8, peaks.PATCH**2)), rng.uniform(-0.5, 0.5, (8, 2))
    _, slopes = network._slopes(weights, inputs, expected)
    for name, place in (("w0", (60, 3)), ("w1", (10, 20)), ("b1", (4,)), ("w2", (7, 1))):
        little = 1e-6
        losses = []
        for sign in (1, -1):
            moved = {key: array.copy() for key, array in weights.items()}
            moved[name][place] += sign * little
            losses.append(network._slopes(moved, inputs, expected)[0])
        assert slopes[name][place] == pytest.approx(
            (losses[0] - losses[1]) / (2 * little), rel=1e-4
        )


def test_the_error_of_the_network_falls_from_version_to_version(site: functions.Site) -> None:
    first = pretrained(site)
    assert first["scores"]["median_px"] < first["scores"]["median_px_before"] / 5
    scores = [trained(site, number)["scores"] for number in (1, 2, 3)]
    errors = [score["median_px"] for score in scores]
    assert errors == sorted(errors, reverse=True)
    assert all(score["median_px"] <= score["median_px_before"] for score in scores)
    # On the first real frame the network does worse than on simulated ones, until it learns.
    assert scores[0]["median_px_before"] > first["scores"]["median_px"]


def test_the_network_agrees_with_the_fit_on_a_frame_it_never_saw(site: functions.Site) -> None:
    pretrained(site)
    for number in (1, 2, 3):
        trained(site, number)
    new = {"site": site, "instrument": "/instrument.json", "frame": "/scans/scan-4.npy"}
    before = {**new, "peaks": "/before.csv"}
    functions.apply(**before, weights="/models/0.npz")
    after = {**new, "peaks": "/after.csv"}
    applied = functions.apply(**after, weights="/models/3.npz")
    assert applied["peaks"] == beamline.PEAKS
    assert functions.compare(**after)["median_px"] < 0.05
    assert functions.compare(**after)["median_px"] < functions.compare(**before)["median_px"]


def test_a_compressed_network_tells_nearly_the_same(site: functions.Site) -> None:
    pretrained(site)
    compressed = functions.compress(
        site,
        instrument="/instrument.json",
        weights="/models/0.npz",
        frame="/scans/scan-1.npy",
        small="/models/0-8bit.npz",
    )
    assert compressed["scores"]["times_smaller"] > 5
    assert compressed["scores"]["median_shift_px"] < 0.03


def test_the_same_seed_gives_the_same_weights(site: functions.Site) -> None:
    pretrained(site)
    once, again = trained(site, 1, epochs=3), trained(site, 1, epochs=3)
    assert once == again
    assert once["file"]["digest"].startswith("sha256:")


def test_results_are_json_and_the_curve_ends_with_the_last_epoch(site: functions.Site) -> None:
    result = pretrained(site)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["metrics"][0]["epoch"] == 1
    assert result["metrics"][-1]["epoch"] == 20
    assert result["metrics"][-1]["loss"] < result["metrics"][0]["loss"] / 5
