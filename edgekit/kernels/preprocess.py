"""From the pixels of a frame to the input of a network: the one path of training and flight.

Letterboxing keeps one scale on both axes, exactly, and puts the picture at whole pixels, so that a
`Transform` takes boxes back without loss and a scale of 1 is a plain copy. Bilinear sampling
follows the half-pixel-centre convention of OpenCV's INTER_LINEAR: input pixel k looks at frame
position (k + 0.5) / scale - 0.5, and positions beyond the border take the border pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Transform, UsageError, unknown_name

#: How a frame is fitted into the network input.
PREPROCESS_MODES = ("letterbox", "crop")

#: (x, y, w, h) in whole frame pixels.
Window = tuple[int, int, int, int]

#: Bytes of float32 scratch that a strip of rows may take: it stays inside a small L2 cache.
_STRIP_BYTES = 1 << 18

Taps = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]


def preprocess(
    pixels: NDArray[np.uint8],
    out: NDArray[np.float32],
    *,
    mode: str = "letterbox",
    window: Window | None = None,
    mean: Sequence[float],
    std: Sequence[float],
) -> Transform:
    """Fill `out` with the normalised picture; the result maps boxes between frame and input.

    pixels   (H, W, 3) u8 RGB, or (H, W) u8, which is repeated to three channels
    out      (1, 3, h, w) f32, C-contiguous; every element is written
    mode     letterbox: scaled by the one factor that fits, up or down, centred (an odd row or
             column of padding goes right or below). crop: not scaled, placed at the top left
    window   (x, y, w, h): the part of the frame to take, whole frame if None. letterbox wants it
             inside the frame; crop lets it stick out, and what lies outside is padding
    mean     one or three values on the 0..255 scale; out = (value - mean) / std, padding = 0
    Raises   UsageError for other shapes, dtypes, modes, a window that does not fit, std <= 0
    Source   OpenCV INTER_LINEAR (half-pixel centres); no antialiasing when shrinking, as there
    Cost     one pass over `out`; 0.5 MiB of scratch (a few rows, if they are longer than that); the
             taps of the last few sizes are kept
    """
    _check_arrays(pixels, out)
    means, stds = _channel_values(mean, "mean"), _channel_values(std, "std")
    if not all(value > 0.0 for value in stds):
        raise UsageError(f"std {tuple(stds)} is not positive", "use the model's own values")
    height, width = pixels.shape[:2]
    x, y, w, h = (0, 0, width, height) if window is None else window
    if mode == "crop":
        return _crop(pixels, out[0], (x, y, w, h), means, stds)
    if mode != "letterbox":
        raise unknown_name("preprocess mode", mode, PREPROCESS_MODES)
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise UsageError(
            f"window {(x, y, w, h)} leaves the frame of {width}x{height}",
            "letterbox a window inside the frame",
        )
    return _letterbox(pixels[y : y + h, x : x + w], out[0], (x, y), means, stds)


def _letterbox(
    pixels: NDArray[np.uint8],
    out: NDArray[np.float32],
    corner: tuple[int, int],
    means: list[float],
    stds: list[float],
) -> Transform:
    height, width = pixels.shape[:2]
    out_height, out_width = out.shape[1:]
    scale = min(out_height / height, out_width / width)
    rows, columns = _scaled(height, scale, out_height), _scaled(width, scale, out_width)
    top, left = (out_height - rows) // 2, (out_width - columns) // 2
    _clear_border(out, top, left, rows, columns)
    inside = out[:, top : top + rows, left : left + columns]
    if scale == 1.0:
        _copy(pixels, inside)
    else:
        _resize(pixels, inside, _taps(height, rows, scale), _taps(width, columns, scale))
    _normalise(inside, means, stds)
    return Transform(scale, scale, left - corner[0] * scale, top - corner[1] * scale)


def _crop(
    pixels: NDArray[np.uint8],
    out: NDArray[np.float32],
    window: Window,
    means: list[float],
    stds: list[float],
) -> Transform:
    x, y, w, h = window
    height, width = pixels.shape[:2]
    if w < 1 or h < 1 or w > out.shape[2] or h > out.shape[1]:
        raise UsageError(
            f"window of {w}x{h} does not fit the input of {out.shape[2]}x{out.shape[1]}",
            "crop does not scale; use a smaller window or mode letterbox",
        )
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if left >= right or top >= bottom:
        raise UsageError(
            f"window {window} lies outside the frame of {width}x{height}", "move it onto the frame"
        )
    _clear_border(out, top - y, left - x, bottom - top, right - left)
    inside = out[:, top - y : bottom - y, left - x : right - x]
    _copy(pixels[top:bottom, left:right], inside)
    _normalise(inside, means, stds)
    return Transform(1.0, 1.0, float(-x), float(-y))


def _scaled(length: int, scale: float, limit: int) -> int:
    """Input pixels that a scaled side covers: at least one, at most all."""
    return min(limit, max(1, round(length * scale)))


@lru_cache(maxsize=16)
def _taps(source: int, target: int, scale: float) -> Taps:
    """The two source pixels that each target pixel lies between, and the weight of the second."""
    position = (np.arange(target) + 0.5) / scale - 0.5
    position = np.clip(position, 0.0, source - 1.0)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, source - 1)
    weight = (position - low).astype(np.float32)
    for table in (low, high, weight):
        table.flags.writeable = False
    return low, high, weight


def _resize(
    pixels: NDArray[np.uint8], inside: NDArray[np.float32], down: Taps, across: Taps
) -> None:
    """Separable bilinear sampling, a strip of rows at a time, channel by channel."""
    rows, columns = inside.shape[1:]
    width = pixels.shape[1]
    strip = max(1, _STRIP_BYTES // (4 * (2 * width + columns)))
    planes = [pixels] if pixels.ndim == 2 else [pixels[..., c] for c in range(3)]
    low, high, weight = across
    upper, lower = np.empty((strip, width), np.float32), np.empty((strip, width), np.float32)
    right = np.empty((strip, columns), np.float32)
    for start in range(0, rows, strip):
        part = slice(start, min(start + strip, rows))
        count = part.stop - part.start
        below = down[2][part, None]
        a, b, c = upper[:count], lower[:count], right[:count]
        for plane, target in zip(planes, inside[:, part], strict=False):
            a[:] = plane[down[0][part]]
            b[:] = plane[down[1][part]]
            b -= a
            b *= below
            a += b
            # Indices are in range by construction: clip skips the copy that raising needs.
            np.take(a, high, axis=1, out=c, mode="clip")
            target[:] = a[:, low]
            c -= target
            c *= weight
            target += c
    if pixels.ndim == 2:
        inside[1:] = inside[0]


def _copy(pixels: NDArray[np.uint8], inside: NDArray[np.float32]) -> None:
    if pixels.ndim == 2:
        inside[:] = pixels
        return
    for channel in range(3):
        inside[channel] = pixels[..., channel]


def _normalise(inside: NDArray[np.float32], means: list[float], stds: list[float]) -> None:
    for plane, mean, std in zip(inside, means, stds, strict=True):
        plane -= np.float32(mean)
        plane /= np.float32(std)


def _clear_border(out: NDArray[np.float32], top: int, left: int, rows: int, columns: int) -> None:
    """Zero what the picture will not cover, and only that."""
    out[:, :top] = 0.0
    out[:, top + rows :] = 0.0
    out[:, top : top + rows, :left] = 0.0
    out[:, top : top + rows, left + columns :] = 0.0


def _check_arrays(pixels: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = getattr(pixels, "dtype", type(pixels).__name__)
        raise UsageError(f"pixels are {kind}", "give uint8; SAR goes through sar_to_uint8 first")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise UsageError(f"pixels have shape {pixels.shape}", "give (H, W, 3) RGB or (H, W)")
    if 0 in pixels.shape:
        raise UsageError(f"pixels have shape {pixels.shape}", "an empty frame cannot be scaled")
    if not isinstance(out, np.ndarray) or out.dtype != np.float32:
        kind = getattr(out, "dtype", type(out).__name__)
        raise UsageError(f"out is {kind}", "give a float32 array to fill")
    if out.ndim != 4 or out.shape[:2] != (1, 3) or 0 in out.shape:
        raise UsageError(f"out has shape {out.shape}", "give (1, 3, h, w)")
    if not out.flags.c_contiguous or not out.flags.writeable:
        raise UsageError("out is not C-contiguous and writeable", "give np.empty((1, 3, h, w))")


def _channel_values(values: Sequence[float], name: str) -> list[float]:
    given = [float(value) for value in values]
    if len(given) == 1:
        given *= 3
    if len(given) != 3 or not all(math.isfinite(value) for value in given):
        raise UsageError(f"{name} {tuple(values)} is not one or three numbers", "0..255 scale")
    return given
