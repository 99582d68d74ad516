"""Average precision against arithmetic done by hand."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.metrics import average_precision, precision_recall


def curve(found, truths, scores=None):
    found = np.array(found, np.bool_)
    if scores is None:
        scores = np.linspace(0.9, 0.1, len(found), dtype=np.float32)
    return precision_recall(np.array(scores, np.float32), found, truths)


@pytest.mark.parametrize(
    ("found", "truths", "expected"),
    [
        ([], 3, 0.0),
        ([True], 1, 1.0),
        ([False], 1, 0.0),
        # Recall 1/2 at precision 1; the other object is never found.
        ([True], 2, 1 / 2),
        # Precision 1/2 where recall goes from 0 to 1.
        ([False, True], 1, 1 / 2),
        # A wrong one after everything is found costs nothing.
        ([True, False, False], 1, 1.0),
        # Precision 1, 1/2, 2/3, 2/4, 3/5; recall 1/4, 1/4, 2/4, 2/4, 3/4. Envelope at the steps
        # 1, 2/3, 3/5: AP = (1 + 2/3 + 3/5) / 4.
        ([True, False, True, False, True], 4, (1 + 2 / 3 + 3 / 5) / 4),
        # Precision 0, 1/2, 2/3, 3/4: the envelope is 3/4 at all three steps of 1/3.
        ([False, True, True, True], 3, 3 / 4),
        # Precision 1, 1/2, 1/3, 2/4, 3/5, 4/6: the envelope is 1, then 4/6 three times.
        ([True, False, False, True, True, True], 5, (1 + 3 * 4 / 6) / 5),
    ],
)
def test_area_under_the_envelope_is_the_one_worked_out_by_hand(found, truths, expected):
    assert average_precision(curve(found, truths)) == pytest.approx(expected, abs=1e-12)


def test_curve_has_one_point_a_detection_by_falling_score():
    points = curve([True, False, True], 4, scores=[0.2, 0.9, 0.5])
    # By score: wrong, right (third), right (first).
    assert points.scores.tolist() == np.float32([0.9, 0.5, 0.2]).tolist()
    assert points.recall.tolist() == [0, 1 / 4, 2 / 4]
    assert points.precision.tolist() == [0, 1 / 2, 2 / 3]


def test_equal_scores_keep_the_order_they_came_in():
    assert average_precision(curve([True, False], 1, scores=[0.5, 0.5])) == 1.0
    assert average_precision(curve([False, True], 1, scores=[0.5, 0.5])) == 0.5


def test_example_in_the_docstring_is_true():
    module = importlib.import_module("edgekit.metrics.average_precision")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(0, 5))
def test_ap_is_the_integral_of_the_best_precision_at_each_recall_or_beyond(found, missed):
    truths = sum(found) + missed
    points = curve(found, truths)
    expected = 0.0
    for step in range(1, sum(found) + 1):
        reached = points.recall >= step / truths - 1e-9
        expected += points.precision[reached].max() / truths
    assert average_precision(points) == pytest.approx(expected, abs=1e-9)
