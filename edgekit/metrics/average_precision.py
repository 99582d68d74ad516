"""Average precision as VOC 2012 defines it: the area under the precision-recall curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PrCurve:
    """Precision against recall as the score threshold falls; one point a detection that counts.

    recall     (D,) f64 in [0, 1], rising
    precision  (D,) f64 in [0, 1], as measured (no envelope)
    scores     (D,) f32, falling: the threshold that gives the point
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    scores: NDArray[np.float32]


def precision_recall(
    scores: NDArray[np.float32], correct: NDArray[np.bool_], truths: int
) -> PrCurve:
    """The curve of detections of one class, over a whole set of frames.

    scores   (D,) f32
    correct  (D,) bool: the detection found an object that no stronger one had found
    truths   objects that there are to find; 0 leaves recall at 0
    Note     equal scores keep their order: give them in an order that does not depend on chance
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(correct[order], dtype=np.float64)
    counted = np.arange(1, len(scores) + 1, dtype=np.float64)
    return PrCurve(recall=hits / max(truths, 1), precision=hits / counted, scores=scores[order])


def average_precision(curve: PrCurve) -> float:
    """Area under the curve, all points, with precision made monotone from the right.

    returns  in [0, 1]; 0 for no detections
    Source   Everingham et al., "The PASCAL Visual Object Classes Challenge 2012", development kit,
             VOCap: precision at recall r is the highest at any recall >= r

    >>> found = np.array([True, False, True])
    >>> average_precision(precision_recall(np.float32([0.9, 0.8, 0.7]), found, truths=2))
    0.8333333333333333
    """
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    steps = np.diff(curve.recall, prepend=0.0)
    return float(np.sum(steps * envelope))
