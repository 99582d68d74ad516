"""What README and docs show is there, and its commands parse."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"^\s*(?:\$ )?(edgekit [a-z].*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
SHOWN = [
    (page.relative_to(ROOT).as_posix(), line.strip())
    for page in PAGES
    for line in COMMAND.findall(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_shown_command_parses(page, line):
    _, name, *arguments = shlex.split(line, comments=True)
    assert name in COMMANDS, page
    module = importlib.import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(prog=name, exit_on_error=False)
    module.configure(parser)
    parser.parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_readme_names_the_test_command_that_ci_calls():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert "make test" in readme
    assert re.search(r"^make test$", ci, re.MULTILINE)


def test_readme_shows_the_figures_of_the_shipped_bundles():
    from edgekit.export.results import put_between, results_table

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert put_between(readme, results_table()) == readme, "run python -m edgekit.export.results"
