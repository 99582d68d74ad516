import json

import pytest

from edgekit.cli.main import main
from targets import list_targets


def test_every_target_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    out = capsys.readouterr().out
    for name in list_targets():
        assert any(line.startswith(f"{name} ") for line in out.splitlines())


def test_one_target_is_shown_with_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "show", "jetson-orin"]) == 0
    out = capsys.readouterr().out
    assert "compute_capability  8.7" in out
    assert "topk_max  3840" in out
    assert "https://developer.nvidia.com/cuda-gpus" in out
    assert "max_workspace_mib" not in out  # what a profile leaves open is left out


def test_programs_get_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["schema"] == "edgekit.targets/1"
    assert [target["name"] for target in listed["targets"]] == list(list_targets())
    assert main(["targets", "show", "cpu-x86", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["target"]["engines"][0]["options"]["overflow_fix"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "cpu-x68"], "unknown target 'cpu-x68'; did you mean 'cpu-x86'?"),
        (["show"], "'show' is not complete; use edgekit targets, or edgekit targets show NAME"),
        (["cpu-x86"], "unknown action 'cpu-x86'; use edgekit targets"),
        (["show", "nowhere.toml"], "target profile nowhere.toml: no such file"),
    ],
)
def test_misuse_is_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["targets", *arguments]) == 2
    assert message in capsys.readouterr().err
