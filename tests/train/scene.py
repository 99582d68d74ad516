"""A small DOTA set of bright oriented rectangles on noise, written in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.core import corners_from_le90


def write_set(folder: Path, *, frames: int = 8, size: tuple[int, int] = (128, 160)) -> Path:
    """`images/`, `labels/` of the splits train and val, and `classes.txt`."""
    rng = np.random.default_rng(11)
    (folder / "images").mkdir(parents=True)
    (folder / "classes.txt").write_text("Car\nTruck\n")
    for split in ("train", "val"):
        for index in range(frames):
            image, lines = _frame(rng, size)
            for kind in ("images", "labels"):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / "images" / split / f"{index:02}.png")
            text = "\n".join(lines) + "\n"
            (folder / "labels" / split / f"{index:02}.txt").write_text(text)
    return folder


def _frame(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[str]]:
    height, width = size
    image = rng.normal(60, 8, size)
    ys, xs = np.mgrid[:height, :width] + 0.5
    lines = []
    for _ in range(3):
        label = int(rng.integers(2))
        w, h = ((24, 12), (44, 16))[label]
        cx, cy = rng.uniform([30, 30], [width - 30, height - 30])
        angle = rng.uniform(-1.5, 1.5)
        dx, dy = xs - cx, ys - cy
        cos, sin = np.cos(angle), np.sin(angle)
        inside = (abs(dx * cos + dy * sin) < w / 2) & (abs(dy * cos - dx * sin) < h / 2)
        image = np.where(inside, 200, image)
        corners = corners_from_le90(np.array([cx, cy, w, h, angle])).ravel()
        lines.append(" ".join(f"{v:.2f}" for v in corners) + f" {('Car', 'Truck')[label]} 0")
    return np.clip(image, 0, 255).astype(np.uint8), lines
