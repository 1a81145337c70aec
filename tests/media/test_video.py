import shutil
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from backend.errors import MediaError
from backend.media.files import sha256_of
from backend.media.probe import VideoFacts, probe
from backend.media.video import read_frames, write_video
from tests.media.clips import moving_blob, one_colour, pattern_clip, psnr, run_ffmpeg

METADATA = {"kinora": {"request": {"prompt": "a red ball"}, "version": "0.1.0"}}
ROOT = Path(__file__).parents[2]
WRITE = (
    "import sys; from pathlib import Path; from backend.media.video import write_video; "
    "from tests.media.clips import moving_blob; "
    "write_video(Path(sys.argv[1]), moving_blob(97), frame_rate=16, metadata={})"
)


def test_written_facts_are_those_of_the_frames(tmp_path: Path) -> None:
    facts = write_video(tmp_path / "clip.mp4", moving_blob(33, 128, 224), frame_rate=16, metadata=METADATA)
    assert facts == VideoFacts(33, 224, 128, 16.0, 33 / 16, False, "h264")
    assert probe(tmp_path / "clip.mp4") == facts


def test_a_round_trip_keeps_38_decibels(tmp_path: Path) -> None:
    frames = moving_blob()
    write_video(tmp_path / "clip.mp4", frames, frame_rate=16, metadata=METADATA, crf=16)
    # 38 dB is the promise at crf 16 for smooth content; sharp coloured edges lose more to 4:2:0 chroma.
    assert psnr(read_frames(tmp_path / "clip.mp4"), frames) >= 38


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (10, 200, 90)]
)
def test_stored_colours_follow_bt709(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    write_video(tmp_path / "clip.mp4", one_colour(colour), frame_rate=16, metadata=METADATA)
    planes = run_ffmpeg("-i", tmp_path / "clip.mp4", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    red, green, blue = (channel / 255 for channel in colour)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = (16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748)
    stored = (planes[0], planes[32 * 32], planes[32 * 32 * 5 // 4])
    assert stored == pytest.approx(expected, abs=1)  # rounding to 8 bits, then x264 at crf 16
    assert abs(read_frames(tmp_path / "clip.mp4").astype(int) - colour).max() <= 2


def test_the_file_names_its_colours_and_starts_fast(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, one_colour((9, 9, 9)), frame_rate=16, metadata=METADATA)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    assert b"yuv420p(tv, bt709, progressive)" in subprocess.run(command, capture_output=True).stderr
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.mp4", "second.mp4"):
        write_video(tmp_path / name, moving_blob(), frame_rate=16, metadata=METADATA, title="Ball")
    assert sha256_of(tmp_path / "first.mp4") == sha256_of(tmp_path / "second.mp4")


def test_one_frame_of_the_smallest_size_can_be_written(tmp_path: Path) -> None:
    black = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    facts = write_video(tmp_path / "clip.mp4", black, frame_rate=16, metadata=METADATA)
    assert (facts.num_frames, facts.frame_rate, facts.duration_seconds) == (1, 16.0, 1 / 16)


def test_frames_that_are_a_view_are_written_as_seen(tmp_path: Path) -> None:
    mirrored = moving_blob()[:, :, ::-1]
    write_video(tmp_path / "clip.mp4", mirrored, frame_rate=16, metadata=METADATA)
    assert psnr(read_frames(tmp_path / "clip.mp4"), mirrored) >= 38


@pytest.mark.parametrize(
    ("shape", "dtype", "frame_rate", "sentence"),
    [
        ((2, 63, 64, 3), np.uint8, 16, r"cannot have frames of 64x63 pixels: H\.264 needs an even"),
        ((2, 64, 63, 3), np.uint8, 16, r"cannot have frames of 63x64 pixels: H\.264 needs an even"),
        ((0, 64, 64, 3), np.uint8, 16, r"needs frames of shape \(T, H, W, 3\) in uint8; .* \(0, 64, 64, 3\)"),
        ((2, 64, 64, 4), np.uint8, 16, r"these have shape \(2, 64, 64, 4\) in uint8"),
        ((2, 64, 64, 3), np.float32, 16, r"these have shape \(2, 64, 64, 3\) in float32"),
        ((2, 64, 64, 3), np.uint8, 0, r"cannot play at 0 frames per second; 1 to 240 are possible"),
    ],
)
def test_frames_that_no_mp4_can_hold_are_refused(
    tmp_path: Path, shape: tuple[int, ...], dtype: type, frame_rate: int, sentence: str
) -> None:
    with pytest.raises(MediaError, match=sentence):
        write_video(tmp_path / "clip.mp4", np.zeros(shape, dtype), frame_rate=frame_rate, metadata=METADATA)
    assert not list(tmp_path.iterdir())


def test_a_failed_encode_says_why_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^clip\.mp4 could not be written as an MP4: .*preset"):
        write_video(tmp_path / "clip.mp4", moving_blob(2), frame_rate=16, metadata=METADATA, preset="hasty")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file size limit")
def test_a_write_cut_short_leaves_no_file(tmp_path: Path) -> None:
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    code = f"{limit}; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); {WRITE}"
    command = [sys.executable, "-c", code, str(tmp_path / "clip.mp4")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "MediaError: clip.mp4 could not be written" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_a_limit_reads_only_the_first_frames(tmp_path: Path) -> None:
    path = pattern_clip(tmp_path / "clip.mp4")
    assert np.array_equal(read_frames(path, limit=3), read_frames(path)[:3])


def test_frames_of_odd_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=size=63x47:rate=16", "-frames:v", "4", "-pix_fmt", "yuv444p", path)
    assert read_frames(path).shape == (4, 47, 63, 3)


def test_a_damaged_frame_is_not_passed_on(tmp_path: Path) -> None:
    content = bytearray(pattern_clip(tmp_path / "whole.mp4").read_bytes())
    start = content.index(b"mdat") + 1500
    content[start : start + 200] = bytes(200)
    (tmp_path / "damaged.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"^damaged\.mp4 cannot be read"):
        read_frames(tmp_path / "damaged.mp4")


def test_a_clip_too_large_for_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    one, path = tmp_path / "one.mp4", tmp_path / "clip.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=7680x4320:r=60", "-frames:v", "1", "-preset", "ultrafast", one)
    run_ffmpeg("-stream_loop", "43", "-i", one, "-c", "copy", path)
    with pytest.raises(
        MediaError, match=r"^clip\.mp4 has 44 frames of 7680x4320 pixels, more than the 4 GiB"
    ):
        read_frames(path)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to mount a small disk")
def test_a_full_disk_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=8k tmpfs {tmp_path} || exit 77"
    script = f"{mount}; '{sys.executable}' -c '{WRITE}' {tmp_path}/clip.mp4; ls -A {tmp_path} | wc -l"
    ended = subprocess.run(["unshare", "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode == 77 or "unshare failed" in ended.stderr:
        pytest.skip("this machine lets no test mount a small disk")
    assert "DiskFullError: The disk is full, so clip.mp4 was not written; free some space" in ended.stderr
    assert ended.stdout.strip() == "0"
