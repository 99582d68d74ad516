"""Files appear whole or not at all."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import replacing, write_bytes_atomic, write_text_atomic


def test_bytes_and_text_are_written_as_given(tmp_path):
    write_bytes_atomic(tmp_path / "a.bin", b"\x00\xff")
    write_text_atomic(tmp_path / "b.txt", "Straße\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == "Straße\n".encode()


def test_nothing_but_the_file_is_left_and_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    write_bytes_atomic(path, b"")
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == b""


def test_old_file_is_replaced_and_readable_by_others(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_bytes_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_reader_that_opened_the_old_file_keeps_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_bytes_atomic(path, b"new")
        assert reader.read() == b"old"


def write_half_and_fail(path):
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("disk full")


def test_failure_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="disk full"):
        write_half_and_fail(path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_failure_without_an_old_file_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="disk full"):
        write_half_and_fail(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys, pathlib\n"
        "from edgekit.core import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], timeout=60, check=False)
    assert killed.returncode == -9
    assert path.read_bytes() == b"old"


@settings(max_examples=20, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_come_back(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("atomic") / "file"
    write_bytes_atomic(path, content)
    assert path.read_bytes() == content
