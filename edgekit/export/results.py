"""The table of the shipped detectors, from the reports in their bundles: no figure is typed in.

`python -m edgekit.export.results` writes it between the markers in README.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edgekit.bundle import open_bundle
from edgekit.core import write_text_atomic

_ROOT = Path(__file__).resolve().parents[2]
BUNDLES = _ROOT / "edgekit" / "assets" / "bundles"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def results_table(bundles: Path = BUNDLES) -> str:
    """Markdown: AP50 of each class, means and angle error, of fp32 and of the INT8 that ships."""
    lines = [
        "| detector | artefact | AP50 by class | AP50 | AP75 | mAP50:95 | angle error | size |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for path in sorted(bundles.glob("*.bundle")):
        bundle = open_bundle(path)
        report = json.loads((path / "reports" / "accuracy.json").read_text(encoding="utf-8"))
        shipped = {artefact.id: artefact for artefact in bundle.manifest.artefacts}
        sizes = {entry.path: entry.size for entry in bundle.manifest.files}
        for name, metrics in report["artefacts"].items():
            classes = ", ".join(f"{c['name']} {c['ap50']:.3f}" for c in metrics["per_class"])
            size = "-"
            if name in shipped:
                size = f"{sum(sizes[file] for file in shipped[name].files) / 1e6:.1f} MB"
            lines.append(
                f"| `{path.stem}` | {name}{' (ships)' if name in shipped else ''} | {classes} "
                f"| {metrics['ap50']:.3f} | {metrics['ap75']:.3f} | {metrics['map50_95']:.3f} "
                f"| {metrics['mean_angle_error_deg']:.1f} deg | {size} |"
            )
    return "\n".join(lines)


def put_between(text: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """`text` with what stands between two markers replaced."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def main() -> int:
    """Rewrite the block in README.md."""
    readme = _ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    write_text_atomic(readme, put_between(text, results_table()))
    sys.stdout.write(f"{readme.name}: results rewritten\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
