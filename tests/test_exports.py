"""What a public package says it exports is there, and what it takes in it exports or uses."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("edgekit", "model_zoo", "targets", "firmware_bridge")
SOURCES = {
    ".".join(path.parent.relative_to(ROOT).parts): ast.parse(path.read_text(encoding="utf-8"))
    for root in OURS
    for path in sorted((ROOT / root).rglob("__init__.py"))
}
#: Nothing but the version: the package itself must stay without imports.
BARE = {"edgekit"}


def public_names(tree: ast.Module) -> set[str]:
    """What an `__init__` takes from our own modules or defines, under names without `_`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            names |= {alias.asname or alias.name for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def used_names(tree: ast.Module) -> set[str]:
    """What the code of an `__init__` itself reads."""
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


PACKAGES = sorted(name for name, tree in SOURCES.items() if public_names(tree) and name not in BARE)


@pytest.mark.parametrize("name", PACKAGES)
def test_all_lists_what_the_package_holds_for_others(name):
    (assigned,) = (
        node
        for node in SOURCES[name].body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    )
    listed = ast.literal_eval(assigned.value)
    assert len(set(listed)) == len(listed)
    held = public_names(SOURCES[name])
    assert set(listed) <= held
    assert held - set(listed) <= used_names(SOURCES[name]), "held, not used here, and not listed"


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_exists(name):
    if name.startswith("model_zoo"):
        pytest.importorskip("torch", reason="the workstation half is not installed")
    package = importlib.import_module(name)
    for exported in package.__all__:
        assert hasattr(package, exported), exported
