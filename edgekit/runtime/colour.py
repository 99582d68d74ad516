"""Pixels in the form that a modality and a model expect."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import SourceError

#: Weights of red, green and blue in luma, ITU-R BT.601-7, section 2.5.1.
_LUMA_601 = np.array([0.299, 0.587, 0.114], np.float32)


def gray_from_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rec. 601 luma, rounded. Shape (H, W, 3) u8 -> (H, W) u8."""
    luma: NDArray[np.float32] = pixels @ _LUMA_601
    return np.rint(luma).astype(np.uint8)


def rgb_from_gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One channel repeated to three. Shape (H, W) u8 -> (H, W, 3) u8."""
    return np.repeat(pixels[:, :, None], 3, axis=2)


def to_modality(pixels: NDArray[Any], modality: str) -> NDArray[Any]:
    """Decoded pixels as frames of a modality have them; a copy only where something changes.

    pixels   (H, W) or (H, W, 3) u8; or one-channel SAR amplitude, f32 or c64
    returns  optical (H, W, 3) u8; thermal (H, W) u8; sar (H, W) u8, f32 or c64
    raises   SourceError for pixels that are none of these
    """
    is_colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if not is_colour and pixels.ndim != 2:
        raise SourceError(
            f"pixels of shape {pixels.shape} are neither gray nor RGB", "choose one or three bands"
        )
    if pixels.dtype != np.uint8:
        if modality == "sar" and not is_colour and pixels.dtype in (np.float32, np.complex64):
            return np.ascontiguousarray(pixels)
        raise SourceError(
            f"{pixels.dtype} pixels cannot be taken as {modality}",
            "convert them to 8 bit, or give the modality that they are of",
        )
    if modality == "optical":
        return np.ascontiguousarray(pixels if is_colour else rgb_from_gray(pixels))
    return np.ascontiguousarray(gray_from_rgb(pixels) if is_colour else pixels)


def stretch_limits(values: NDArray[Any]) -> tuple[float, float]:
    """1st and 99th percentile of the finite values; (0, 1) where there are none."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, (1.0, 99.0))
    return float(low), float(high)


def stretch_to_uint8(values: NDArray[Any], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Values between two limits spread linearly over 0..255; NaN becomes 0. Any shape, u8."""
    low, high = limits
    scaled = (values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-12))
    clipped = np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 255.0)
    return np.asarray(np.rint(clipped), np.uint8)
