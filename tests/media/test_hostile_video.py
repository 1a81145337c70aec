"""Videos made to harm: what they claim is refused or normalised, and they read no other file."""

import time
from pathlib import Path

import pytest

from backend.errors import MediaError
from backend.media.inputs import store_clip
from backend.media.probe import PROBE_TIMEOUT_SECONDS, probe
from backend.media.video import read_frames
from tests.media.clips import pattern_clip, run_ffmpeg


def refused(path: Path) -> str:
    with pytest.raises(MediaError) as refusal:
        store_clip(path, folder=path.parent / "inputs")
    assert not (path.parent / "inputs").exists()
    return str(refusal.value)


def test_of_many_streams_only_the_first_is_read(tmp_path: Path) -> None:
    source, path = pattern_clip(tmp_path / "one.mp4"), tmp_path / "many.mkv"
    run_ffmpeg("-i", source, *["-map", "0:v"] * 300, "-c", "copy", path)
    assert probe(path).num_frames == len(read_frames(path)) == 16


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\xff" * 5000,
        b"\0\0\0\x08free" * 1000,
        b"\x1aE\xdf\xa3" + bytes(4000),
        b"RIFF\xff\xff\xff\x7fAVI LIST" + bytes(4000),
        b"GIF89a\xff\xff\xff\xff\xf7\0\0" + b"\x2c" * 4000,
        b"<!doctype html><script>alert()</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert()'/>",
    ],
    ids=["MP4 head", "empty boxes", "MKV head", "AVI head", "GIF bomb", "HTML", "SVG"],
)
def test_what_only_begins_like_a_video_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    told = refused(tmp_path / "clip.mp4")
    assert told.startswith("clip.mp4 ") and "\n" not in told and str(tmp_path) not in told


@pytest.mark.parametrize(
    "script",
    [
        "ffconcat version 1.0\nfile 'http://ssrf.invalid/x.mp4'\n",
        "ffconcat version 1.0\nfile '/etc/hostname'\n",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nhttp://ssrf.invalid/x.ts\n",
        "[playlist]\nFile1=/etc/hostname\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["concat to a host", "concat to a file", "HLS", "playlist", "SDP"],
)
def test_a_script_that_names_other_files_is_refused_at_once(tmp_path: Path, script: str) -> None:
    (tmp_path / "clip.mp4").write_text(script)
    started = time.monotonic()
    assert "convert it to MP4" in refused(tmp_path / "clip.mp4")
    assert time.monotonic() - started < PROBE_TIMEOUT_SECONDS


def test_a_container_that_claims_huge_frames_is_read_at_the_size_they_have(tmp_path: Path) -> None:
    path = tmp_path / "huge.avi"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=32x32:r=8", "-frames:v", "2", "-c:v", "mjpeg", path)
    content = bytearray(path.read_bytes())
    at = content.index(b"strf") + 12
    content[at : at + 8] = (32_000).to_bytes(4, "little") * 2
    path.write_bytes(content)
    assert read_frames(path).shape == (2, 32, 32, 3)
