"""Pictures for people: a frame with its detections drawn on it.

Small frames are enlarged first, so that lines and letters are fine against what they mark. Each
line has a dark edge: thermal and SAR frames are white in one place and black in the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Detections, corners_from_le90
from edgekit.kernels import sar_to_uint8
from edgekit.runtime.colour import to_modality
from edgekit.runtime.extras import import_extra

#: Colour of class 0, 1, ...: bright on gray, and apart for colour-blind eyes too.
PALETTE = (
    "#ff5a4f",
    "#35c8ff",
    "#ffd23e",
    "#5cf08a",
    "#ff8ae2",
    "#ff9a2e",
    "#b59bff",
    "#e8ff6a",
)
#: Dark edge of lines and letters.
_EDGE = "#101418"
#: A picture is enlarged by a whole factor until its long side has about this many pixels.
_LONG_SIDE_PX = 1200
_FONT_PX = 14
_LINE_PX = 2

Rectangle = tuple[float, float, float, float]


def require_pillow() -> None:
    """Refuse early where drawing is not possible.

    raises  EdgekitError naming the extra
    """
    import_extra("PIL.ImageDraw", "images", "drawing pictures")


def class_colour(label: int) -> str:
    """The colour of a class, "#rrggbb"."""
    return PALETTE[label % len(PALETTE)]


def font(size_px: int) -> Any:
    """Pillow's own scalable font."""
    return import_extra("PIL.ImageFont", "images", "drawing pictures").load_default(size_px)


def annotate(
    pixels: NDArray[Any],
    detections: Detections,
    classes: Sequence[str],
    *,
    legend: bool = True,
    labels: bool = True,
    factor: float | None = None,
) -> Any:
    """A frame with oriented boxes, heading ticks, labels and a legend, as an RGB Pillow image.

    pixels   as edgekit.core.Frame holds them; SAR is stretched to 8 bit
    legend   a line of classes and counts under the picture
    labels   class and score beside each box
    factor   scale of the picture; by default a whole one that makes a small frame large
    cost     a few milliseconds a megapixel and a fraction of one a box; for people, not for flight
    """
    image_module = import_extra("PIL.Image", "images", "drawing pictures")
    draw_module = import_extra("PIL.ImageDraw", "images", "drawing pictures")
    image, scale = _scaled(image_module, as_rgb(pixels), factor)
    draw = draw_module.Draw(image)
    boxes = detections.boxes.astype(np.float64) * np.array([scale, scale, scale, scale, 1.0])
    corners = corners_from_le90(boxes)
    for row in range(len(detections)):
        _draw_box(draw, boxes[row], corners[row], class_colour(int(detections.labels[row])))
    # No label covers a box or another label; the best ones choose their place first.
    taken = [_enclosing(corners[row]) for row in range(len(detections))]
    for row in np.argsort(-detections.scores, kind="stable") if labels else ():
        label, score = int(detections.labels[row]), float(detections.scores[row])
        text = f"{classes[label]} {score:.2f}"
        _draw_label(draw, image.size, corners[row], text, class_colour(label), taken)
    return _with_legend(image_module, draw_module, image, detections, classes) if legend else image


def as_rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Any frame's pixels as (H, W, 3) u8."""
    if pixels.dtype != np.uint8:
        pixels = sar_to_uint8(pixels, scale="amplitude")
    return to_modality(pixels, "optical")


def counts_by_class(detections: Detections, classes: Sequence[str]) -> dict[str, int]:
    """How many of each class were found; only classes that were."""
    counts = np.bincount(detections.labels, minlength=len(classes))
    return {name: int(count) for name, count in zip(classes, counts, strict=True) if count}


def draw_legend(
    draw: Any, position: tuple[float, float], entries: Sequence[tuple[str, str]], size_px: int
) -> float:
    """Coloured squares with their texts in one line; returns where it ends on the x axis."""
    x, y = position
    letters = font(size_px)
    for colour, text in entries:
        draw.rectangle((x, y + 2, x + size_px - 2, y + size_px), fill=colour)
        draw.text((x + size_px + 5, y - 1), text, fill="#e9edf1", font=letters)
        x += size_px + 5 + draw.textlength(text, font=letters) + 22
    return x


def _scaled(image_module: Any, rgb: NDArray[np.uint8], factor: float | None) -> tuple[Any, float]:
    image = image_module.fromarray(rgb)
    scale = factor or max(1, round(_LONG_SIDE_PX / max(image.size)))
    if scale == 1:
        return image, 1.0
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    resampling = image_module.Resampling
    return image.resize(size, resampling.BICUBIC if scale > 1 else resampling.LANCZOS), scale


def _draw_box(
    draw: Any, box: NDArray[np.float64], corners: NDArray[np.float64], colour: str
) -> None:
    cx, cy, w, _, angle = box.tolist()
    outline = [(float(x), float(y)) for x, y in [*corners, corners[0]]]
    # From the middle of the leading short side outwards: which way the long side points.
    reach = w / 2 + max(6.0, 0.15 * w)
    cos, sin = math.cos(angle), math.sin(angle)
    tick = [(cx + w / 2 * cos, cy + w / 2 * sin), (cx + reach * cos, cy + reach * sin)]
    for width, shade in ((_LINE_PX + 2, _EDGE), (_LINE_PX, colour)):
        draw.line(outline, fill=shade, width=width, joint="curve")
        draw.line(tick, fill=shade, width=width)


def _draw_label(
    draw: Any,
    size_px: tuple[int, int],
    corners: NDArray[np.float64],
    text: str,
    colour: str,
    taken: list[Rectangle],
) -> None:
    """The text beside its box where there is room: above, right, below, left; else not at all.

    In a crowd a label over its neighbours would say less than none: the colour tells the class.
    """
    letters = font(_FONT_PX)
    width, height = draw.textlength(text, font=letters) + 6, _FONT_PX + 4
    left, top, right, bottom = _enclosing(corners)
    middle = (top + bottom - height) / 2
    for x, y in (
        (left, top - height - 4),
        (right + 9, middle),
        (left, bottom + 4),
        (left - width - 9, middle),
    ):
        place = (x, y, x + width, y + height)
        is_inside = x >= 0 and y >= 0 and place[2] <= size_px[0] and place[3] <= size_px[1]
        if is_inside and not any(_overlap(place, other) for other in taken):
            draw.rectangle(place, fill=_EDGE)
            draw.text((x + 3, y), text, fill=colour, font=letters)
            taken.append(place)
            return


def _enclosing(corners: NDArray[np.float64]) -> Rectangle:
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return left, top, right, bottom


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _with_legend(
    image_module: Any, draw_module: Any, image: Any, detections: Detections, classes: Sequence[str]
) -> Any:
    bar_px = 34
    whole = image_module.new("RGB", (image.width, image.height + bar_px), "#1b2026")
    whole.paste(image, (0, 0))
    counts = counts_by_class(detections, classes)
    entries = [
        (class_colour(label), f"{name} {counts.get(name, 0)}") for label, name in enumerate(classes)
    ]
    draw_legend(draw_module.Draw(whole), (12, image.height + 8), entries, 17)
    return whole
