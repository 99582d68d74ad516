import json
from pathlib import Path

import pytest

from edgekit.bundle import Bundle, generate_key, sign_bundle
from edgekit.cli.main import main
from tests.bundle.examples import example_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return example_bundle(tmp_path)


def test_a_whole_bundle_is_shown_file_by_file(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle.root)]) == 0
    out = capsys.readouterr().out
    for entry in bundle.manifest.files:
        assert f"{entry.path} " in out
        assert entry.sha256[:16] in out
    assert "3 files, 91 bytes, all as listed" in out
    assert bundle.digest in out
    assert "signature  none" in out
    assert "expires    never" in out


def test_a_program_gets_one_document(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bundle.root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.verify/1"
    assert document["ok"] is True
    assert document["digest"] == bundle.digest
    assert (document["signature"], document["signed_by"]) == ("none", None)
    assert len(document["files"]) == 3


def test_a_trusted_signature_is_named_and_an_unchecked_one_is_said_to_be(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = bundle.root.parent
    key = generate_key(folder / "fleet.key", folder / "fleet.pub")
    sign_bundle(bundle.root, folder / "fleet.key")
    assert main(["verify", str(bundle.root), "--trusted-key", str(folder / "fleet.pub")]) == 0
    assert f"signature  by {key.key_id}, trusted" in capsys.readouterr().out
    assert main(["verify", str(bundle.root)]) == 0
    assert "present, not checked: give --trusted-key" in capsys.readouterr().out


def test_an_altered_bundle_is_one_line_and_exit_1(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle.root / "card.md").write_bytes(b"# A detector of cats\n")
    assert main(["verify", str(bundle.root)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "edgekit: bundle file 'card.md' is altered: its hash differs; fetch the bundle again\n"
    )


def test_a_program_reads_the_failure_too(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle.root / "card.md").unlink()
    assert main(["verify", str(bundle.root), "--json"]) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["ok"] is False
    assert document["error"]["what"] == "bundle file 'card.md' is missing"
    assert captured.err.count("\n") == 1


def test_an_unsigned_bundle_fails_where_a_key_is_asked_for(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = bundle.root.parent
    generate_key(folder / "fleet.key", folder / "fleet.pub")
    assert main(["verify", str(bundle.root), "--trusted-key", str(folder / "fleet.pub")]) == 1
    assert "is not signed" in capsys.readouterr().err


def test_an_unreadable_key_is_misuse(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bundle.root), "--trusted-key", "nowhere.pub"]) == 2
    assert "key file nowhere.pub" in capsys.readouterr().err
