"""SAR scenes as the 8-bit amplitude pictures that the SAR detectors are trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.core import UsageError, unknown_name

#: What the numbers of a real-valued scene are.
SAR_SCALES = ("amplitude", "power", "db")


def sar_to_uint8(
    scene: NDArray[np.float32] | NDArray[np.complex64],
    *,
    scale: str = "amplitude",
    low_percentile: float = 0.0,
    high_percentile: float = 99.95,
    nodata: float | None = None,
) -> NDArray[np.uint8]:
    """Amplitude, stretched linearly between two percentiles of the scene to 0..255.

    scene    (H, W) f32 or f64 amplitude, power or dB; or c64 or c128, of which the magnitude counts
    returns  (H, W) u8; 0 where the scene is NaN, infinite or `nodata`
    scale    amplitude: as is. power: square root. db: 10 ** (value / 20), for 10 log10 of power
             and 20 log10 of amplitude alike. Below zero, which noise removal leaves, counts as 0
    Note     detectors were trained on 8-bit amplitude whose sea is dark (median grey 16) and whose
             top 0.02 to 0.04 per cent is saturated: the default percentiles give the like. A scene
             of one value only, or without any valid pixel, is all 0
    Raises   UsageError for other shapes or dtypes, an unknown scale, complex samples with a scale
             other than amplitude, percentiles that are not 0 <= low < high <= 100
    Source   sigma0 in dB = 10 log10(power), power = amplitude ** 2
    Cost     O(HW) and a partial sort; three float copies of the scene
    """
    _check(scene, scale, low_percentile, high_percentile)
    valid = np.isfinite(scene)
    if nodata is not None:
        valid &= scene != nodata
    with np.errstate(all="ignore"):
        amplitude = _amplitude(scene, scale)
        valid &= np.isfinite(amplitude)
    if not valid.any():
        return np.zeros(scene.shape, np.uint8)
    low, high = np.percentile(amplitude[valid], (low_percentile, high_percentile))
    if not high > low:
        return np.zeros(scene.shape, np.uint8)
    amplitude[~valid] = low
    amplitude -= low
    amplitude *= 255.0 / (high - low)
    np.clip(amplitude, 0.0, 255.0, out=amplitude)
    np.rint(amplitude, out=amplitude)
    grey: NDArray[np.uint8] = amplitude.astype(np.uint8)
    return grey


def _amplitude(scene: NDArray[np.inexact], scale: str) -> NDArray[np.floating]:
    """A fresh array of amplitudes >= 0, in the precision of the scene."""
    amplitude: NDArray[np.floating] = np.abs(scene) if np.iscomplexobj(scene) else np.array(scene)
    if scale == "db":
        amplitude *= np.log(10.0) / 20.0
        np.exp(amplitude, out=amplitude)
        return amplitude
    np.maximum(amplitude, 0.0, out=amplitude)
    if scale == "power":
        np.sqrt(amplitude, out=amplitude)
    return amplitude


def _check(
    scene: NDArray[np.inexact], scale: str, low_percentile: float, high_percentile: float
) -> None:
    if not isinstance(scene, np.ndarray) or scene.dtype not in (
        np.float32,
        np.float64,
        np.complex64,
        np.complex128,
    ):
        kind = getattr(scene, "dtype", type(scene).__name__)
        raise UsageError(
            f"SAR scene is {kind}", "give float32 or complex64; uint8 needs no stretch"
        )
    if scene.ndim != 2:
        raise UsageError(f"SAR scene has shape {scene.shape}", "give one band, (H, W)")
    if scale not in SAR_SCALES:
        raise unknown_name("SAR scale", scale, SAR_SCALES)
    if np.iscomplexobj(scene) and scale != "amplitude":
        raise UsageError(
            f"complex samples have no scale '{scale}'", "use scale amplitude, or give real values"
        )
    if not 0.0 <= low_percentile < high_percentile <= 100.0:
        raise UsageError(
            f"percentiles {low_percentile} and {high_percentile} are not 0 <= low < high <= 100",
            "the defaults are 0 and 99.95",
        )
