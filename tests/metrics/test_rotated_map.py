"""Rotated mAP: the rules of matching one by one, then whole scenes against shapely."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import Detections, GroundTruth, UsageError, normalise_le90
from edgekit.metrics import COCO_IOU_THRESHOLDS, evaluate_detections

BOX = (50, 50, 20, 10, 0)


def found(*rows):
    """Detections from rows of (box, score, label)."""
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 5),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int32),
    )


def truth(*rows, ignore=()):
    """Ground truth from rows of (box, label) or (box, label, difficult)."""
    return GroundTruth(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 5),
        np.array([row[1] for row in rows], np.int32),
        np.array([len(row) > 2 and row[2] for row in rows], np.bool_),
        np.array(ignore, np.float32).reshape(-1, 5),
    )


def moved(box, along=0.0, turn_deg=0.0, shift=(0, 0)):
    cx, cy, w, h, angle = box
    return (
        cx + along * math.cos(angle) + shift[0],
        cy + along * math.sin(angle) + shift[1],
        w,
        h,
        angle + math.radians(turn_deg),
    )


def evaluate(detections, labelled, names=("car",), **options):
    return evaluate_detections({"f": detections}, {"f": labelled}, names, **options)


def test_set_without_frames_measures_nothing():
    metrics = evaluate_detections({}, {}, ["car"])
    assert math.isnan(metrics.ap50)
    assert math.isnan(metrics.map50_95)
    assert metrics.frames == 0
    assert metrics.per_class[0].truths == 0


def test_objects_without_detections_give_ap_zero():
    metrics = evaluate_detections({}, {"f": truth((BOX, 0))}, ["car"])
    assert (metrics.ap50, metrics.ap75, metrics.map50_95) == (0, 0, 0)
    assert (metrics.frames, metrics.truths, metrics.detections) == (1, 1, 0)
    assert math.isnan(metrics.mean_angle_error_deg)


def test_detections_without_objects_leave_ap_undefined():
    metrics = evaluate(found((BOX, 0.9, 0)), truth())
    assert math.isnan(metrics.ap50)
    assert metrics.detections == 1


def test_the_very_box_scores_one_everywhere():
    metrics = evaluate(found((BOX, 0.9, 0)), truth((BOX, 0)))
    assert (metrics.ap50, metrics.ap75, metrics.map50_95) == (1, 1, 1)
    assert metrics.mean_angle_error_deg == 0
    assert metrics.iou_thresholds == COCO_IOU_THRESHOLDS


def test_mean_over_thresholds_counts_those_that_the_iou_reaches():
    # Moved by 4 of 20 px: shared 16, union 24, IoU 2/3: reached at .50 .55 .60 .65, 4 of 10.
    metrics = evaluate(found((moved(BOX, along=4), 0.9, 0)), truth((BOX, 0)))
    assert metrics.ap50 == 1
    assert metrics.ap75 == 0
    assert metrics.map50_95 == pytest.approx(0.4)


def test_iou_equal_to_the_threshold_is_enough():
    half = (50, 50, 20, 5, 0)
    assert evaluate(found((half, 0.9, 0)), truth((BOX, 0))).ap50 == 1


def test_second_detection_of_an_object_is_wrong():
    # By score: right, duplicate, right. Precision at the steps 1 and 2/3: AP = (1 + 2/3) / 2.
    other = moved(BOX, shift=(100, 0))
    metrics = evaluate(
        found((BOX, 0.9, 0), (moved(BOX, along=1), 0.8, 0), (other, 0.7, 0)),
        truth((BOX, 0), (other, 0)),
    )
    assert metrics.ap50 == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.per_class[0].found == 2


def test_stronger_detection_takes_the_object_whatever_the_order_and_overlap():
    weak_but_exact, strong = (BOX, 0.3, 0), (moved(BOX, along=3), 0.9, 0)
    metrics = evaluate(found(weak_but_exact, strong), truth((BOX, 0)))
    # IoU 17/23 = 0.739: at .50 the strong one is right, AP 1; at .75 only the weak one, AP 1/2.
    assert metrics.ap50 == 1
    assert metrics.ap75 == pytest.approx(1 / 2)


def test_ranking_is_over_the_whole_set_not_by_frame():
    # By score over the set: wrong 0.9 (frame b), right 0.8 (frame a): AP 1/2, not (1 + 0) / 2 of
    # each frame alone; with the scores exchanged AP is 1.
    far = moved(BOX, shift=(200, 0))
    truths = {"a": truth((BOX, 0)), "b": truth()}
    metrics = evaluate_detections(
        {"a": found((BOX, 0.8, 0)), "b": found((far, 0.9, 0))}, truths, ["car"]
    )
    assert metrics.ap50 == pytest.approx(1 / 2)
    metrics = evaluate_detections(
        {"a": found((BOX, 0.9, 0)), "b": found((far, 0.8, 0))}, truths, ["car"]
    )
    assert metrics.ap50 == 1


def test_two_classes_by_hand():
    # car: right, wrong, right of 3 objects: (1 + 2/3) / 3 = 5/9. person: wrong, right of 1: 1/2.
    boxes = [moved(BOX, shift=(100 * k, 0)) for k in range(5)]
    metrics = evaluate(
        found(
            (boxes[0], 0.9, 0),
            (boxes[4], 0.8, 0),
            (boxes[1], 0.7, 0),
            (boxes[0], 0.6, 1),
            (boxes[3], 0.5, 1),
        ),
        truth((boxes[0], 0), (boxes[1], 0), (boxes[2], 0), (boxes[3], 1)),
        ("car", "person"),
    )
    assert metrics.per_class[0].ap50 == pytest.approx(5 / 9)
    assert metrics.per_class[1].ap50 == pytest.approx(1 / 2)
    assert metrics.ap50 == pytest.approx((5 / 9 + 1 / 2) / 2)
    assert [row.name for row in metrics.per_class] == ["car", "person"]
    assert [row.detections for row in metrics.per_class] == [3, 2]


def test_detection_of_another_class_finds_nothing():
    metrics = evaluate(found((BOX, 0.9, 1)), truth((BOX, 0)), ("car", "person"))
    assert metrics.per_class[0].ap50 == 0


def test_classes_without_objects_are_left_out_of_the_means():
    metrics = evaluate(
        found((BOX, 0.9, 0), (BOX, 0.8, 1), (BOX, 0.8, 2)),
        truth((BOX, 0), (BOX, 2, True)),
        ("car", "person", "bicycle"),
    )
    assert metrics.ap50 == 1
    assert math.isnan(metrics.per_class[1].ap50)
    assert math.isnan(metrics.per_class[2].ap50)
    assert metrics.per_class[2].difficult == 1


def test_difficult_objects_count_neither_as_found_nor_as_missed():
    other = moved(BOX, shift=(100, 0))
    labelled = truth((BOX, 0), (other, 0, True))
    missed = evaluate(found((BOX, 0.8, 0)), labelled)
    hit_twice = evaluate(
        found((BOX, 0.8, 0), (other, 0.9, 0), (moved(other, along=1), 0.85, 0)), labelled
    )
    assert missed.ap50 == hit_twice.ap50 == 1
    assert missed.truths == 1
    assert hit_twice.detections == 3


def test_wrong_detection_that_lies_half_in_an_ignore_region_is_dropped():
    stray = moved(BOX, shift=(100, 0))
    region = (145, 50, 10, 30, 0)  # x from 140 to 150: the left half of the stray one
    detections = found((stray, 0.9, 0), (BOX, 0.8, 0))
    assert evaluate(detections, truth((BOX, 0))).ap50 == pytest.approx(1 / 2)
    assert evaluate(detections, truth((BOX, 0), ignore=[region])).ap50 == 1
    smaller = (145, 50, 9, 30, 0)
    assert evaluate(detections, truth((BOX, 0), ignore=[smaller])).ap50 == pytest.approx(1 / 2)


def test_object_inside_an_ignore_region_can_still_be_found():
    whole_frame = (50, 50, 400, 400, 0)
    metrics = evaluate(found((BOX, 0.9, 0)), truth((BOX, 0), ignore=[whole_frame]))
    assert metrics.ap50 == 1
    assert metrics.per_class[0].found == 1


def test_enclosing_boxes_do_not_count_only_rotated_overlap_does():
    thin, beside = (50, 50, 60, 3, math.pi / 4), (50, 56, 60, 3, math.pi / 4)
    assert evaluate(found((beside, 0.9, 0)), truth((thin, 0))).ap50 == 0


@pytest.mark.parametrize(("turn_deg", "error_deg"), [(0, 0), (8, 8), (-8, 8), (180, 0), (172, 8)])
@pytest.mark.parametrize("angle", [0.3, -math.pi / 2, math.pi / 2 - 1e-3])
def test_angle_error_is_the_smallest_difference_modulo_a_half_turn(angle, turn_deg, error_deg):
    box = (50, 50, 20, 10, angle)
    metrics = evaluate(found((moved(box, turn_deg=turn_deg), 0.9, 0)), truth((box, 0)))
    assert metrics.mean_angle_error_deg == pytest.approx(error_deg, abs=1e-3)
    assert metrics.per_class[0].p95_angle_error_deg == pytest.approx(error_deg, abs=1e-3)


def test_angle_error_leaves_out_objects_that_are_nearly_square_and_misses():
    square, oblong = (50, 50, 11, 10, 0), (150, 50, 20, 10, 0)
    metrics = evaluate(
        found(
            (moved(square, turn_deg=40), 0.9, 0),
            (moved(oblong, turn_deg=5), 0.8, 0),
            (moved(oblong, turn_deg=9), 0.7, 0),
        ),
        truth((square, 0), (oblong, 0)),
    )
    assert metrics.mean_angle_error_deg == pytest.approx(5, abs=1e-3)


def test_thresholds_can_be_chosen_and_what_was_not_asked_for_is_undefined():
    metrics = evaluate(found((BOX, 0.9, 0)), truth((BOX, 0)), iou_thresholds=(0.75,))
    assert math.isnan(metrics.ap50)
    assert (metrics.ap75, metrics.map50_95) == (1, 1)
    by_steps = evaluate(
        found((BOX, 0.9, 0)), truth((BOX, 0)), iou_thresholds=np.arange(0.5, 0.96, 0.05)
    )
    assert by_steps.ap75 == 1


def test_curve_is_that_of_iou_one_half():
    metrics = evaluate(found((BOX, 0.9, 0), (moved(BOX, along=15), 0.4, 0)), truth((BOX, 0)))
    curve = metrics.per_class[0].pr_curve
    assert curve.recall.tolist() == [1, 1]
    assert curve.precision.tolist() == [1, 1 / 2]


def test_json_has_a_schema_null_for_what_is_undefined_and_no_curves():
    metrics = evaluate(found((BOX, 0.9, 0)), truth((BOX, 0)), ("car", "person"))
    document = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert document["schema"] == "edgekit.detection_metrics/1"
    assert document["ap50"] == 1
    assert document["per_class"][1]["ap50"] is None
    assert "pr_curve" not in document["per_class"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": {"g": found()}}, "1 predicted frames have no labels, first 'g'"),
        ({"predictions": {"f": found((BOX, 0.9, 1))}}, "predictions of frame 'f' have label 1"),
        ({"truths": {"f": truth((BOX, -1))}}, "truths of frame 'f' have label -1, but there are 1"),
        ({"iou_thresholds": (0.5, 0.5)}, r"\[0.5, 0.5\] do not rise"),
        ({"iou_thresholds": (0.0, 0.5)}, r"do not rise within \(0, 1\]"),
        ({"iou_thresholds": ()}, "do not rise"),
    ],
)
def test_wrong_input_is_refused_with_the_value(change, message):
    good = {"predictions": {}, "truths": {"f": truth((BOX, 0))}, "class_names": ["car"]}
    with pytest.raises(UsageError, match=message):
        evaluate_detections(**{**good, **change})


def random_set(seed, frames=6):
    """Frames of random objects, difficult ones and ignore regions; detections near and far."""
    rng = np.random.default_rng(seed)
    predictions, truths = {}, {}
    for frame in range(frames):
        count = rng.integers(0, 9)
        boxes = rng.uniform([0, 0, 8, 5, -1.5], [150, 150, 40, 20, 1.5], (count, 5))
        labels = rng.integers(0, 2, count).astype(np.int32)
        regions = rng.uniform([0, 0, 30, 30, -1], [150, 150, 60, 60, 1], (rng.integers(0, 3), 5))
        truths[f"{frame}"] = GroundTruth(
            normalise_le90(boxes).astype(np.float32),
            labels,
            rng.random(count) < 0.2,
            normalise_le90(regions).astype(np.float32),
        )
        near = np.repeat(boxes, 2, axis=0) + rng.normal(0, [3, 3, 2, 1, 0.1], (2 * count, 5))
        stray = rng.uniform([0, 0, 8, 5, -1.5], [150, 150, 40, 20, 1.5], (4, 5))
        found_boxes = normalise_le90(np.concatenate([near, stray]))
        kinds = np.concatenate([np.repeat(labels, 2), rng.integers(0, 2, 4)]).astype(np.int32)
        predictions[f"{frame}"] = Detections(
            found_boxes.astype(np.float32),
            rng.random(len(kinds)).astype(np.float32),
            kinds,
        )
    return predictions, truths


def reference_ap(predictions, truths, label, threshold):
    """VOC 2012 AP with shapely polygons, one detection after the other over the whole set."""
    shapely = pytest.importorskip("shapely")

    def outline(box):
        cx, cy, w, h, angle = map(float, box)
        corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        return shapely.Polygon(corners @ turn + (cx, cy))

    ranked = sorted(
        (-float(score), name, row)
        for name, frame in predictions.items()
        for row, score in enumerate(frame.scores)
        if frame.labels[row] == label
    )
    objects = {
        name: [
            (outline(box), bool(difficult))
            for box, kind, difficult in zip(frame.boxes, frame.labels, frame.difficult, strict=True)
            if kind == label
        ]
        for name, frame in truths.items()
    }
    count = sum(not difficult for rows in objects.values() for _, difficult in rows)
    taken, right, precision, recall = set(), [], [], []
    for _, name, row in ranked:
        shape = outline(predictions[name].boxes[row])
        ious = [
            shape.intersection(other).area / shape.union(other).area for other, _ in objects[name]
        ]
        best = int(np.argmax(ious)) if ious else -1
        hit = bool(ious) and ious[best] >= threshold
        if hit and objects[name][best][1]:
            continue
        if hit and (name, best) not in taken:
            taken.add((name, best))
            right.append(True)
        else:
            regions = map(outline, truths[name].ignore)
            if any(shape.intersection(region).area >= 0.5 * shape.area for region in regions):
                continue
            right.append(False)
        precision.append(sum(right) / len(right))
        recall.append(sum(right) / max(count, 1))
    ap, before = 0.0, 0.0
    for place, reached in enumerate(recall):
        ap += (reached - before) * max(precision[place:])
        before = reached
    return ap if count else math.nan


@pytest.mark.parametrize("seed", range(8))
def test_random_sets_score_as_an_independent_implementation_with_shapely_says(seed):
    predictions, truths = random_set(seed)
    metrics = evaluate_detections(predictions, truths, ["a", "b"], iou_thresholds=(0.5, 0.75))
    for label, row in enumerate(metrics.per_class):
        for threshold, ap in ((0.5, row.ap50), (0.75, row.ap75)):
            expected = reference_ap(predictions, truths, label, threshold)
            assert ap == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert metrics.ap50 > 0.05, "the scene must be worth scoring"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 0.9))
def test_order_of_detections_and_a_common_factor_of_scores_do_not_matter(seed, factor):
    predictions, truths = random_set(seed, frames=3)
    rng = np.random.default_rng(seed)
    shuffled = {}
    for name, frame in predictions.items():
        rows = frame.take(rng.permutation(len(frame)))
        shuffled[name] = Detections(rows.boxes, rows.scores * np.float32(factor), rows.labels)
    one = evaluate_detections(predictions, truths, ["a", "b"]).to_json()
    other = evaluate_detections(shuffled, truths, ["a", "b"]).to_json()
    assert one.keys() == other.keys()
    for key in ("ap50", "ap75", "map50_95"):
        assert one[key] == pytest.approx(other[key], abs=1e-9)
