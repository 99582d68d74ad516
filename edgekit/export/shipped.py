"""Rebuild the bundles that ship with the project: `python -m edgekit.export.shipped --data DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgekit.export.bundling import ExportRequest, export_bundle
from targets import load_target

_ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = _ROOT / "model_zoo" / "checkpoints"
BUNDLES = _ROOT / "edgekit" / "assets" / "bundles"

#: checkpoint -> folder of its data set
SHIPPED = {
    "lwganet_l0-obb-thermal": "uav-thermal-obb",
    "lwganet_l0-obb-sar-ships": "sar-ships",
}

#: One ship of the 131 in the validation split is 0.8 points: half a point cannot be resolved there.
AP50_DROPS = {"lwganet_l0-obb-sar-ships": 0.01}


def main() -> int:
    """Export each shipped checkpoint as an INT8 bundle for cpu-x86."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, default=BUNDLES)
    parser.add_argument("names", nargs="*", default=list(SHIPPED))
    args = parser.parse_args()
    for name in args.names:
        request = ExportRequest(
            checkpoint=CHECKPOINTS / f"{name}.safetensors",
            target=load_target("cpu-x86"),
            out=args.out / f"{name}.bundle",
            precisions=("int8",),
            data=args.data / SHIPPED[name],
            max_ap50_drop=AP50_DROPS.get(name),
            force=True,
        )
        report = export_bundle(request, notify=_say)
        for precision, reason in report.refused.items():
            _say(f"{name}: {precision} is left out: {reason}; fp32 ships instead")
        sys.stdout.write(f"{request.out}  {report.bundle.digest}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
