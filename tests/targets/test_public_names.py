"""The public face of `targets` is one explicit list."""

import ast
import inspect

import targets as package


def test_all_names_exactly_what_the_package_imports_for_others() -> None:
    tree = ast.parse(inspect.getsource(package))
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(package.__all__) == sorted(imported)
    assert len(set(package.__all__)) == len(package.__all__)
    assert all(hasattr(package, name) for name in package.__all__)
