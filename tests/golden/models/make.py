"""Make the compact goldens beside this file from the full ones: `make.py FOLDER`.

FOLDER holds the full goldens (`golden/`, `state_dict/`). Kept of each output: every k-th of the
stored samples, 64 in all; with the sum of the whole sample. Tolerance as in the full set: 2e-4 of
the largest stored magnitude.
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
    return {"metadata": metadata, "outputs": outputs}


def main() -> None:
    """Write one JSON file a golden named on the command line."""
    folder = Path(sys.argv[1]) / "golden"
    for name in sys.argv[2:]:
        document = compact(folder / f"{name}.safetensors")
        out = Path(__file__).parent / f"{name}.json"
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
