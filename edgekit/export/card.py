"""The model card that travels in a bundle."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.metrics import DetectionMetrics
from model_zoo import Checkpoint


def render_card(
    checkpoint: Checkpoint, figures: Mapping[str, DetectionMetrics], data_set: str
) -> bytes:
    """Markdown, UTF-8. Figures are of the artefacts in this bundle, by their ids."""
    settings = checkpoint.training.get("config", {})
    schedule = settings.get("schedule", {})
    lines = [
        f"# {checkpoint.model}: {', '.join(checkpoint.classes)}",
        "",
        f"- Task: oriented boxes (le90). Modality: {checkpoint.input['modality']}.",
        f"- Input: {checkpoint.input['size'][1]} x {checkpoint.input['size'][0]} px, "
        f"{checkpoint.input['resize']}; mean {checkpoint.input['mean'][0]:g}, "
        f"std {checkpoint.input['std'][0]:g}.",
        f"- Licence of the weights: {checkpoint.licence}.",
        f"- Attribution: {checkpoint.attribution}",
        f"- Trained on: {settings.get('data', '')}, seed {settings.get('seed', '')}, "
        f"{schedule.get('steps', 0)} steps of {schedule.get('batch', 0)} crops and "
        f"{schedule.get('full_size_steps', 0)} at full size; no pre-trained weights"
        + (f" but {settings['init']}." if settings.get("init") else "."),
        "",
    ]
    for artefact, metrics in figures.items():
        lines += [
            f"## Accuracy of {artefact} on {data_set}",
            "",
            "| class | AP50 | AP75 | AP50:95 | objects | mean angle error |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *(
                f"| {row.name} | {row.ap50:.3f} | {row.ap75:.3f} | {row.ap50_95:.3f} | "
                f"{row.truths} | {row.mean_angle_error_deg:.1f} deg |"
                for row in metrics.per_class
            ),
            f"| **mean** | {metrics.ap50:.3f} | {metrics.ap75:.3f} | {metrics.map50_95:.3f} | "
            f"{metrics.truths} | {metrics.mean_angle_error_deg:.1f} deg |",
            "",
        ]
    lines += [
        "Limits: train and validation frames share places and sensors, so the figures flatter the "
        "model against a new place.",
        "",
    ]
    return "\n".join(lines).encode()
