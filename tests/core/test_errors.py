"""Errors are one line: what is wrong; what to do."""

from __future__ import annotations

import doctest
import importlib
import pickle

import pytest

from edgekit.core import (
    BundleError,
    CheckpointError,
    EdgekitError,
    EngineError,
    SinkError,
    SourceError,
    UsageError,
    unknown_name,
)


def test_error_reads_what_is_wrong_then_what_to_do():
    assert str(BundleError("file is missing", "copy it again")) == "file is missing; copy it again"


def test_error_without_a_hint_is_what_is_wrong():
    assert str(EdgekitError("stopped")) == "stopped"


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (UsageError, 2),
        (BundleError, 1),
        (CheckpointError, 1),
        (EngineError, 1),
        (SourceError, 1),
        (SinkError, 1),
    ],
)
def test_every_kind_is_an_edgekit_error_with_its_exit_code(kind, exit_code):
    error = kind("what", "hint")
    assert isinstance(error, EdgekitError)
    assert (error.what, error.hint, error.exit_code) == ("what", "hint", exit_code)


def test_error_survives_the_way_from_a_worker_process():
    error = pickle.loads(pickle.dumps(SourceError("frame 7 is cut short", "check the disk")))
    assert type(error) is SourceError
    assert str(error) == "frame 7 is cut short; check the disk"


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        (
            "fp61",
            ["int8", "fp16"],
            "unknown precision 'fp61'; did you mean 'fp16'? known: fp16, int8",
        ),
        ("zzz", ["int8", "fp16"], "unknown precision 'zzz'; known: fp16, int8"),
        ("any", [], "unknown precision 'any'; known: none"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest_one_and_the_menu(name, known, text):
    error = unknown_name("precision", name, known)
    assert isinstance(error, UsageError)
    assert str(error) == text


def test_example_in_the_docstring_is_true():
    result = doctest.testmod(importlib.import_module("edgekit.core.errors"))
    assert result.attempted > 0
    assert result.failed == 0
