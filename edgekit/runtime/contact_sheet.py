"""Many annotated frames on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgekit.core import Detections
from edgekit.runtime.drawing import (
    annotate,
    class_colour,
    counts_by_class,
    draw_legend,
    font,
)
from edgekit.runtime.extras import import_extra

COLUMNS = 4
_CELL_PX = 580
_GAP_PX = 20
_MARGIN_PX = 36
_PAGE, _CARD, _TEXT, _DIM = "#12161b", "#1b2128", "#eef2f6", "#9aa7b4"


@dataclass(frozen=True, slots=True)
class Panel:
    """One frame: pixels, what was found, and two lines of text under it."""

    pixels: NDArray[Any]
    detections: Detections
    caption: str
    detail: str


@dataclass(frozen=True, slots=True)
class Section:
    """The frames of one stream; `notes` are lines for the room beside a row that is not full."""

    title: str
    subtitle: str
    classes: tuple[str, ...]
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()


def contact_sheet(title: str, subtitle: str, sections: Sequence[Section]) -> Any:
    """A page with a title, and for each section a heading, a legend and a grid of frames.

    returns  an RGB Pillow image, 2452 px wide
    """
    image_module = import_extra("PIL.Image", "images", "drawing pictures")
    draw_module = import_extra("PIL.ImageDraw", "images", "drawing pictures")
    blocks = [_section_image(image_module, draw_module, section) for section in sections]
    head_px = 150
    width = 2 * _MARGIN_PX + COLUMNS * _CELL_PX + (COLUMNS - 1) * _GAP_PX
    height = head_px + sum(block.height + _MARGIN_PX for block in blocks)
    page = image_module.new("RGB", (width, height), _PAGE)
    draw = draw_module.Draw(page)
    draw.text((_MARGIN_PX, 34), title, fill=_TEXT, font=font(46))
    draw.text((_MARGIN_PX, 96), subtitle, fill=_DIM, font=font(23))
    y = head_px
    for block in blocks:
        page.paste(block, (_MARGIN_PX, y))
        y += block.height + _MARGIN_PX
    return page


def _section_image(image_module: Any, draw_module: Any, section: Section) -> Any:
    cards = [_card(image_module, draw_module, panel, section.classes) for panel in section.panels]
    rows = [cards[start : start + COLUMNS] for start in range(0, len(cards), COLUMNS)]
    heights = [max(card.height for card in row) for row in rows]
    head_px = 92
    width = COLUMNS * _CELL_PX + (COLUMNS - 1) * _GAP_PX
    block = image_module.new("RGB", (width, head_px + sum(heights) + _GAP_PX * len(rows)), _PAGE)
    draw = draw_module.Draw(block)
    draw.line((0, 0, width, 0), fill="#2c353f", width=2)
    draw.text((0, 14), section.title, fill=_TEXT, font=font(30))
    draw.text((0, 54), section.subtitle, fill=_DIM, font=font(20))
    _draw_section_legend(draw, section, width)
    y = head_px
    for row, row_px in zip(rows, heights, strict=True):
        for column, card in enumerate(row):
            block.paste(card, (column * (_CELL_PX + _GAP_PX), y))
        y += row_px + _GAP_PX
    if rows and len(rows[-1]) < COLUMNS:
        x = len(rows[-1]) * (_CELL_PX + _GAP_PX) + 12
        for line, note in enumerate(section.notes):
            position = (x, y - heights[-1] - _GAP_PX + 8 + 34 * line)
            draw.text(position, note, fill=_TEXT if line == 0 else _DIM, font=font(22))
    return block


def _draw_section_legend(draw: Any, section: Section, width: int) -> None:
    totals = dict.fromkeys(section.classes, 0)
    for panel in section.panels:
        for name, count in counts_by_class(panel.detections, section.classes).items():
            totals[name] += count
    entries = [
        (class_colour(label), f"{name} {totals[name]}")
        for label, name in enumerate(section.classes)
    ]
    size_px = 24
    # Measured off the page first, so that it can end flush with the right edge.
    length = draw_legend(draw, (0, -1000), entries, size_px)
    draw_legend(draw, (width - length + 22, 30), entries, size_px)


def _card(image_module: Any, draw_module: Any, panel: Panel, classes: tuple[str, ...]) -> Any:
    factor = _CELL_PX / panel.pixels.shape[1]
    picture = annotate(
        panel.pixels, panel.detections, classes, legend=False, labels=False, factor=factor
    )
    card = image_module.new("RGB", (_CELL_PX, picture.height + 72), _CARD)
    card.paste(picture, (0, 0))
    draw = draw_module.Draw(card)
    _draw_fitting(draw, (14, picture.height + 8), panel.caption, _TEXT, 21)
    _draw_fitting(draw, (14, picture.height + 39), panel.detail, _DIM, 19)
    return card


def _draw_fitting(
    draw: Any, position: tuple[int, int], text: str, colour: str, size_px: int
) -> None:
    """Text on a card, its end cut where it is longer than the card is wide."""
    letters, shown = font(size_px), text
    while draw.textlength(shown, font=letters) > _CELL_PX - 28:
        text = text[:-1]
        shown = f"{text}..."
    draw.text(position, shown, fill=colour, font=letters)
