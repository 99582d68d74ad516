"""Make the compact goldens beside this file from the full ones: `make.py FOLDER`.

FOLDER holds the full goldens (`golden/`, `state_dict/`). Kept of each output: every k-th of the
stored samples, 64 in all; with the size of the whole sample; and the powers of two that some
weights are multiplied by. Tolerance as in the full set: 2e-4 of the largest stored magnitude.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

KEPT = 64


def compact(path: Path) -> dict[str, object]:
    """Metadata and thinned samples of one golden."""
    with safe_open(path, "np") as file:
        metadata = file.metadata()
        names = list(file.keys())
        samples = {name: file.get_tensor(name) for name in names}
    outputs = {}
    for name, sample in samples.items():
        rows = np.linspace(0, sample.size - 1, KEPT).astype(int)
        outputs[name] = {
            "size": int(sample.size),
            "rows": rows.tolist(),
            "values": [float(f"{value:.9g}") for value in sample.ravel()[rows]],
            "largest": float(np.abs(sample).max()),
        }
    document: dict[str, object] = {"metadata": metadata, "outputs": outputs}
    scales = fill_scales(path.parents[1] / "state_dict" / metadata["state_dict"])
    return {**document, "fill_scales": scales} if scales else document


def fill_scales(path: Path) -> dict[str, float]:
    """What the filled weights of a published state dict are multiplied by, where not by 1."""
    spec = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: entry["fill_scale"]
        for name, entry in spec.items()
        if "fill_scale" in entry and not entry.get("constant") and "alias_of" not in entry
    }


def main() -> None:
    """Write one JSON file a golden named on the command line."""
    folder = Path(sys.argv[1]) / "golden"
    for name in sys.argv[2:]:
        document = compact(folder / f"{name}.safetensors")
        out = Path(__file__).parent / f"{name}.json"
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
