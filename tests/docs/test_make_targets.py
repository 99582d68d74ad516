"""The Makefile's targets that people are told of are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
#: `make demo` in code, on a line of its own or between back quotes; never "make" in a sentence.
NAMED = re.compile(r"(?:^    |`)make ([a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_targets_exist(page):
    assert set(NAMED.findall(page.read_text(encoding="utf-8"))) <= TARGETS


def test_readme_names_its_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"demo", "test"} <= set(NAMED.findall(readme))


def test_every_target_for_people_says_what_it_does():
    named = re.search(r"^\.PHONY: (help (?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assert named is not None
    for target in named.group(1).replace("\\", " ").split():
        assert re.search(rf"^{target}:.*## \S", MAKEFILE, re.MULTILINE), target
