"""Where to cut a picture that is larger than what looks at it."""

from __future__ import annotations

from edgekit.core import UsageError


def plan_tiles(
    size_px: tuple[int, int], tile_px: tuple[int, int], overlap_px: int
) -> list[tuple[int, int, int, int]]:
    """Windows that cover a picture, row by row; the last of each row and column is flush with it.

    size_px     (height, width) of the picture
    tile_px     (height, width) of a tile; a picture smaller than it gives one smaller window
    overlap_px  what neighbours share at least
    returns     (x, y, width, height) each
    raises      UsageError where the overlap leaves no step

    >>> plan_tiles((100, 250), (100, 100), 20)
    [(0, 0, 100, 100), (80, 0, 100, 100), (150, 0, 100, 100)]
    """
    height, width = min(tile_px[0], size_px[0]), min(tile_px[1], size_px[1])
    rows = _starts(size_px[0], tile_px[0], overlap_px)
    columns = _starts(size_px[1], tile_px[1], overlap_px)
    return [(x, y, width, height) for y in rows for x in columns]


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    if not 0 <= overlap < tile:
        raise UsageError(
            f"tile overlap {overlap} must be at least 0 and smaller than tile size {tile}",
            f"use an overlap of {tile // 4}",
        )
    if length <= tile:
        return [0]
    last = length - tile
    return [*range(0, last, tile - overlap), last]
