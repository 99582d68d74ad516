"""Writing and opening bundles, and everything that must not be opened."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.bundle import (
    Bundle,
    PublicKey,
    generate_key,
    load_public_key,
    open_bundle,
    sign_bundle,
    write_bundle,
)
from edgekit.bundle.hashing import hash_file, sha256_hex
from edgekit.bundle.layout import MAX_MANIFEST_BYTES
from edgekit.core import BundleError, UsageError
from tests.bundle.examples import FILES, edit_manifest, example_bundle, example_manifest

XML = "model/openvino/fp32/model.xml"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return example_bundle(tmp_path)


@pytest.fixture
def key(tmp_path: Path) -> PublicKey:
    return generate_key(tmp_path / "fleet.key", tmp_path / "fleet.pub")


def test_a_written_bundle_opens_with_the_same_content(bundle: Bundle) -> None:
    opened = open_bundle(bundle.root)
    assert opened == bundle
    assert opened.digest == f"sha256:{sha256_hex((bundle.root / 'manifest.json').read_bytes())}"
    assert {entry.path for entry in opened.manifest.files} == set(FILES)
    assert opened.signed_by is None


def test_files_of_an_artefact_are_found(bundle: Bundle) -> None:
    xml, _ = bundle.files_of(bundle.manifest.artefacts[0])
    assert xml.read_bytes() == FILES[XML]


def test_files_are_copied_from_paths_as_well_as_bytes(tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(3 * 1024 * 1024 + 1))  # more than one piece of the hash
    bundle = write_bundle(tmp_path / "b", example_manifest(), FILES | {"probes/big.bin": source})
    entry = next(item for item in bundle.manifest.files if item.path == "probes/big.bin")
    assert (entry.size, entry.sha256) == hash_file(source, 2**30)


def test_the_same_input_writes_the_same_bytes(tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "a", example_manifest(), FILES)
    second = write_bundle(tmp_path / "b", example_manifest(), dict(reversed(FILES.items())))
    assert first.digest == second.digest


def test_a_bundle_opens_through_a_link_to_its_folder(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle.root)
    assert open_bundle(tmp_path / "current").root == bundle.root.resolve()


def test_only_the_bundle_remains_after_writing(bundle: Bundle) -> None:
    assert [item.name for item in bundle.root.parent.iterdir()] == ["cars.bundle"]
    assert bundle.root.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_altered_byte_is_noticed(bundle: Bundle, name: str) -> None:
    path = bundle.root / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"'{name}' is altered: its hash differs; fetch"):
        open_bundle(bundle.root)


def test_a_missing_file_is_noticed(bundle: Bundle) -> None:
    (bundle.root / XML).unlink()
    with pytest.raises(BundleError, match=f"'{XML}' is missing; fetch"):
        open_bundle(bundle.root)


def test_a_missing_folder_is_noticed(bundle: Bundle) -> None:
    for path in (bundle.root / XML).parent.iterdir():
        path.unlink()
    (bundle.root / XML).parent.rmdir()
    with pytest.raises(BundleError, match="is missing"):
        open_bundle(bundle.root)


@pytest.mark.parametrize("name", ["extra.txt", "model/openvino/fp32/extra.bin", ".hidden"])
def test_a_file_that_the_manifest_does_not_list_is_noticed(bundle: Bundle, name: str) -> None:
    (bundle.root / name).write_bytes(b"")
    with pytest.raises(BundleError, match=f"holds '{name}', which its manifest does not list"):
        open_bundle(bundle.root)


def test_an_empty_folder_that_nothing_needs_is_noticed(bundle: Bundle) -> None:
    (bundle.root / "cache").mkdir()
    with pytest.raises(BundleError, match="holds 'cache', which its manifest does not list"):
        open_bundle(bundle.root)


def test_a_name_that_is_not_utf8_is_refused_in_one_printable_line(bundle: Bundle) -> None:
    (bundle.root / os.fsdecode(b"\xff\x1b[2J")).write_bytes(b"")
    with pytest.raises(BundleError, match="does not list") as caught:
        open_bundle(bundle.root)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [XML, "manifest.json", "model"])
def test_a_link_inside_is_refused_even_if_its_content_is_right(bundle: Bundle, name: str) -> None:
    path, aside = bundle.root / name, bundle.root.parent / "aside"
    path.rename(aside)
    path.symlink_to(aside)
    with pytest.raises(BundleError, match=r"holds a link|cannot be read"):
        open_bundle(bundle.root)


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting(bundle: Bundle) -> None:
    (bundle.root / XML).unlink()
    os.mkfifo(bundle.root / XML)
    with pytest.raises(BundleError, match="is no plain file"):
        open_bundle(bundle.root)


def test_a_pipe_in_place_of_the_manifest_is_refused_without_waiting(bundle: Bundle) -> None:
    (bundle.root / "manifest.json").unlink()
    os.mkfifo(bundle.root / "manifest.json")
    with pytest.raises(BundleError, match=r"manifest.json is not a regular file"):
        open_bundle(bundle.root)


def test_a_folder_in_place_of_a_file_is_refused(bundle: Bundle) -> None:
    (bundle.root / XML).unlink()
    (bundle.root / XML).mkdir()
    with pytest.raises(BundleError, match="does not list"):
        open_bundle(bundle.root)


def test_a_wrong_size_is_noticed_before_the_hash(bundle: Bundle) -> None:
    (bundle.root / XML).write_bytes(b"<net/>\n")
    with pytest.raises(BundleError, match=f"'{XML}' has 7 bytes, not 6"):
        open_bundle(bundle.root)


def test_a_path_out_of_the_bundle_is_refused_before_it_is_touched(bundle: Bundle) -> None:
    edit_manifest(bundle.root, "files", 0, "path", value="../cars.bundle/card.md")
    with pytest.raises(BundleError, match="is not allowed"):
        open_bundle(bundle.root)


def test_an_oversize_manifest_is_not_read(bundle: Bundle) -> None:
    with (bundle.root / "manifest.json").open("ab") as file:
        file.truncate(MAX_MANIFEST_BYTES + 1)
    with pytest.raises(BundleError, match=f"larger than {MAX_MANIFEST_BYTES} bytes"):
        open_bundle(bundle.root)


def test_a_path_that_is_no_bundle_is_refused_with_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundleError, match=r"no bundle at .*name a folder that edgekit export"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="a bundle is a folder, not a file"):
        open_bundle(tmp_path / "file")
    with pytest.raises(BundleError, match=r"it has no manifest.json"):
        open_bundle(tmp_path)
    with pytest.raises(BundleError, match=r"cannot be read|no bundle"):
        open_bundle("nul\0byte")


def test_an_expired_bundle_is_refused_from_the_second_it_names(tmp_path: Path) -> None:
    root = example_bundle(tmp_path, expires="2099-01-01T00:00:00Z").root
    open_bundle(root, now=datetime(2098, 12, 31, 23, 59, 59, tzinfo=UTC))
    with pytest.raises(BundleError, match="expired on 2099-01-01T00:00:00Z; export a new one"):
        open_bundle(root, now=datetime(2099, 1, 1, tzinfo=UTC))


def test_a_bundle_signed_by_a_trusted_key_opens(bundle: Bundle, key: PublicKey) -> None:
    folder = bundle.root.parent
    assert sign_bundle(bundle.root, folder / "fleet.key") == key
    assert open_bundle(bundle.root, trusted_keys=[key]).signed_by == key.key_id
    assert open_bundle(bundle.root).signed_by is None


def test_an_unsigned_bundle_is_refused_where_keys_are_trusted(
    bundle: Bundle, key: PublicKey
) -> None:
    with pytest.raises(BundleError, match="is not signed"):
        open_bundle(bundle.root, trusted_keys=[key])


def test_a_foreign_signature_is_refused_and_so_is_any_where_nobody_is_trusted(
    bundle: Bundle, key: PublicKey
) -> None:
    folder = bundle.root.parent
    foreign = generate_key(folder / "other.key", folder / "other.pub")
    sign_bundle(bundle.root, folder / "other.key")
    for trusted in ([key], []):
        with pytest.raises(BundleError, match=f"signed by key {foreign.key_id}, which is not"):
            open_bundle(bundle.root, trusted_keys=trusted)


def test_a_manifest_changed_after_signing_is_refused(bundle: Bundle, key: PublicKey) -> None:
    sign_bundle(bundle.root, bundle.root.parent / "fleet.key")
    edit_manifest(bundle.root, "decode", "score_threshold", value=0.9)
    with pytest.raises(BundleError, match="does not match its signature"):
        open_bundle(bundle.root, trusted_keys=[key])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[" * 4000,
        b"x" * 5000,
        b'{"key_id":"0123456789abcdef","signature":3}',
        b'{"key_id":"0123456789abcdef","signature":"not base64"}',
        b'{"key_id":"\\u001b[2J","signature":""}',
        b'{"key_id":"0123456789abcdef", "signature":""}',
    ],
)
def test_a_malformed_signature_is_refused(bundle: Bundle, key: PublicKey, content: bytes) -> None:
    (bundle.root / "manifest.sig").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest.sig is malformed"):
        open_bundle(bundle.root, trusted_keys=[key])


def test_key_files_read_back_and_are_never_overwritten(tmp_path: Path, key: PublicKey) -> None:
    assert load_public_key(tmp_path / "fleet.pub") == key
    assert (tmp_path / "fleet.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match=r"fleet.pub exists"):
        generate_key(tmp_path / "new.key", tmp_path / "fleet.pub")
    assert not (tmp_path / "new.key").exists()
    with pytest.raises(UsageError, match=r"fleet.key exists"):
        generate_key(tmp_path / "fleet.key", tmp_path / "new.pub")


@pytest.mark.parametrize("name", ["fleet.key", "card.md", "nowhere"])
def test_what_is_no_public_key_is_refused(bundle: Bundle, key: PublicKey, name: str) -> None:
    folder = bundle.root if name == "card.md" else bundle.root.parent
    with pytest.raises(UsageError, match=r"public key|key file"):
        load_public_key(folder / name)


def test_a_public_key_cannot_sign(bundle: Bundle, key: PublicKey) -> None:
    with pytest.raises(UsageError, match="is not an Ed25519 private key"):
        sign_bundle(bundle.root, bundle.root.parent / "fleet.pub")


def test_an_existing_bundle_is_replaced_only_by_force(bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="exists; use --force"):
        write_bundle(bundle.root, example_manifest(), FILES)
    again = write_bundle(bundle.root, example_manifest(version="2"), FILES, force=True)
    assert open_bundle(bundle.root).manifest.version == "2"
    assert again.digest != bundle.digest
    assert [item.name for item in bundle.root.parent.iterdir()] == ["cars.bundle"]


def test_force_never_replaces_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something that is not a bundle"):
        write_bundle(tmp_path / "home", example_manifest(), FILES, force=True)
    assert (tmp_path / "home" / "thesis.txt").exists()


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(bundle: Bundle) -> None:
    files = FILES | {"zz/last.bin": bundle.root.parent / "nowhere.bin"}
    with pytest.raises(BundleError, match=r"cannot read .*nowhere.bin"):
        write_bundle(bundle.root, example_manifest(version="2"), files, force=True)
    assert open_bundle(bundle.root) == bundle
    with pytest.raises(BundleError, match="cannot read"):
        write_bundle(bundle.root.parent / "new.bundle", example_manifest(), files)
    assert [item.name for item in bundle.root.parent.iterdir()] == ["cars.bundle"]


def test_a_manifest_that_no_device_would_open_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'name' is empty"):
        write_bundle(tmp_path / "b", example_manifest(name=""), FILES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["../x", "/x", "manifest.json", "a/../b"])
def test_a_path_out_of_the_bundle_is_not_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(BundleError, match=r"not allowed|reserved"):
        write_bundle(tmp_path / "b", example_manifest(), FILES | {path: b""})
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot write bundle"):
        write_bundle(tmp_path / "file" / "b", example_manifest(), FILES)


_KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from edgekit.bundle import hashing, writing
from tests.bundle.examples import FILES, example_manifest
hashed = []
def stop_at_the_second(path, limit):
    hashed.append(path)
    if len(hashed) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return hashing.hash_file(path, limit)
writing.hash_file = stop_at_the_second
writing.write_bundle(Path(sys.argv[1]), example_manifest(version="2"), FILES, force=True)
"""


@pytest.mark.parametrize("is_there_already", [False, True])
def test_a_writer_killed_halfway_leaves_no_part_of_a_bundle(
    tmp_path: Path, is_there_already: bool
) -> None:
    target = tmp_path / "cars.bundle"
    before = example_bundle(tmp_path) if is_there_already else None
    repository = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED_WRITER, str(target)], cwd=repository, check=False
    )
    assert done.returncode == -9
    if before is not None:
        assert open_bundle(target) == before
    else:
        assert not target.exists()
        example_bundle(tmp_path)  # and the next attempt is not in the way of the dead one


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_of_a_signed_bundle_is_refused_and_nothing_else_happens(
    bundle: Bundle, key: PublicKey, data: st.DataObject
) -> None:
    if not (bundle.root / "manifest.sig").exists():
        sign_bundle(bundle.root, bundle.root.parent / "fleet.key")
    path = bundle.root / data.draw(st.sampled_from([*FILES, "manifest.json", "manifest.sig"]))
    original = path.read_bytes()
    changed = data.draw(mutations(original))
    try:
        path.write_bytes(changed)
        if changed == original:
            open_bundle(bundle.root, trusted_keys=[key])
        else:
            with pytest.raises(BundleError):
                open_bundle(bundle.root, trusted_keys=[key])
    finally:
        path.write_bytes(original)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_changed_unsigned_manifest_is_refused_or_names_another_bundle(
    bundle: Bundle, data: st.DataObject
) -> None:
    path = bundle.root / "manifest.json"
    original = path.read_bytes()
    changed = data.draw(mutations(original))
    try:
        path.write_bytes(changed)
        is_same = open_bundle(bundle.root).digest == bundle.digest
    except BundleError:
        is_same = False
    finally:
        path.write_bytes(original)
    assert is_same == (changed == original)


def mutations(content: bytes) -> st.SearchStrategy[bytes]:
    """Bytes flipped, cut off, doubled or put in."""
    places = st.integers(0, len(content) - 1)

    def flip(place: int, bits: int) -> bytes:
        return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]

    return st.one_of(
        st.builds(flip, places, st.integers(0, 255)),
        places.map(lambda place: content[:place]),
        st.builds(
            lambda place, extra: content[:place] + extra + content[place:],
            places,
            st.binary(min_size=1, max_size=8),
        ),
    )
