"""Video files made by a real encoder."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from edgekit.core import SourceError
from edgekit.runtime.clock import Clock
from edgekit.runtime.sources import open_source


def write_video(path: Path, frames: int = 30, *, options: dict[str, str] | None = None) -> None:
    """Gray frames of 64 x 48 that grow brighter by 4 a frame, 10 a second."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        stream.codec_context.gop_size = 5
        for number in range(frames):
            noise = np.random.default_rng(number).integers(0, 8, (48, 64, 3))
            pixels = np.full((48, 64, 3), 4 * number) + noise
            frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts"])
def test_every_frame_of_a_whole_video_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    write_video(path)
    source = open_source(str(path), modality="thermal")
    frames = list(source)
    assert (source.read, source.failed, source.failure()) == (30, 0, None)
    assert frames[7].label == f"clip{suffix} frame 7"
    assert {frame.pixels.shape for frame in frames} == {(48, 64)}
    means = [float(frame.pixels.mean()) for frame in frames]
    assert means == sorted(means)


def test_optical_video_comes_in_colour(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 3)
    (first, *_) = open_source(str(tmp_path / "clip.mp4"), modality="optical")
    assert first.pixels.shape == (48, 64, 3)


def test_capture_time_is_the_start_plus_the_frames_own_time(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", 5)
    clock = Clock(lambda: 1_000_000_000_000, lambda: 0)
    frames = open_source(str(tmp_path / "clip.mp4"), modality="thermal", clock=clock)
    offsets_ms = [(frame.captured_utc_ns - 1_000_000_000_000) / 1e6 for frame in frames]
    np.testing.assert_allclose(offsets_ms, [0, 100, 200, 300, 400], atol=1)


def test_recorded_start_is_taken_where_the_file_states_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(tmp_path / "plain.mp4", 3)
    with av.open(str(tmp_path / "plain.mp4")) as source, av.open(str(path), "w") as target:
        target.metadata["creation_time"] = "2026-11-24T06:30:00.000000Z"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    first = next(iter(open_source(str(path), modality="thermal")))
    assert first.captured_utc_ns == 1_795_501_800 * 10**9


def test_limit_stops_early_without_calling_the_rest_missing(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4")
    source = open_source(str(tmp_path / "clip.mp4"), modality="thermal", limit=4)
    assert len(list(source)) == 4
    assert source.failure() is None


@pytest.mark.parametrize(
    ("suffix", "options"), [(".mp4", {"movflags": "faststart"}), (".mkv", None)]
)
def test_truncated_video_gives_what_it_holds_and_one_report(
    tmp_path: Path, suffix: str, options: dict[str, str] | None
) -> None:
    path = tmp_path / f"clip{suffix}"
    write_video(path, options=options)
    cut(path, 0.6)
    source = open_source(str(path), modality="thermal")
    frames = list(source)
    assert 5 < len(frames) < 30
    assert source.read == len(frames)
    assert source.read + source.failed == 30
    line = str(source.failure())
    assert f"of 30 frames of clip{suffix} could not be read" in line
    assert f"the other {len(frames)} were processed" in line
    assert "\n" not in line


def test_damaged_middle_loses_its_frames_only(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_video(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 60] = b"\xff" * 60
    path.write_bytes(content)
    source = open_source(str(path), modality="thermal")
    frames = list(source)
    assert len(frames) >= 20
    assert source.read + source.failed == 30


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(2000)])
def test_file_that_is_no_video_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read as a video \(.+\); copy"):
        list(open_source(str(path), modality="thermal"))


def test_video_without_its_index_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path)
    cut(path, 0.9)  # the index of a plain MP4 stands at its end
    with pytest.raises(SourceError, match="lost its index"):
        list(open_source(str(path), modality="thermal"))
