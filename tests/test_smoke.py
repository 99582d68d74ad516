"""Does anything work at all? Answers in seconds."""

from __future__ import annotations

import pytest

import edgekit
from edgekit.cli.main import COMMANDS, main


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_version_is_shown(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgekit {edgekit.__version__}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert f"example: edgekit {name}" in shown


def test_unknown_command_names_the_nearest(capsys):
    assert main(["exprot"]) == 2
    assert "did you mean 'export'" in capsys.readouterr().err
