from pathlib import Path

import pytest

from backend.errors import MediaError
from backend.media.probe import VideoFacts, probe
from backend.media.video import read_frames
from tests.media.clips import pattern_clip, run_ffmpeg


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mp4", "h264"), ("mov", "h264"), ("mkv", "h264"), ("webm", "vp9"), ("avi", "mpeg4"), ("gif", "gif")],
)
def test_every_allowed_container_tells_its_facts(tmp_path: Path, suffix: str, codec: str) -> None:
    facts = probe(pattern_clip(tmp_path / f"clip.{suffix}"))
    assert (facts.num_frames, facts.width, facts.height) == (16, 64, 48)
    assert (facts.frame_rate, facts.codec, facts.has_audio) == (16.0, codec, False)
    assert facts.duration_seconds == pytest.approx(1.0, abs=0.011)  # GIF counts in hundredths


def test_ntsc_rate_and_sound_are_exact(tmp_path: Path) -> None:
    pattern, path = "testsrc2=size=64x48:rate=30000/1001", tmp_path / "clip.mp4"
    run_ffmpeg("-f", "lavfi", "-i", pattern, "-f", "lavfi", "-i", "sine", "-t", "1", path)
    facts = probe(path)
    assert facts == VideoFacts(30, 64, 48, 30000 / 1001, 30 * 1001 / 30000, True, "h264")


def test_a_rotated_clip_is_upright(tmp_path: Path) -> None:
    lying, turned = pattern_clip(tmp_path / "lying.mp4"), tmp_path / "turned.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", lying, "-c", "copy", turned)
    assert (probe(turned).width, probe(turned).height) == (48, 64)
    assert abs(read_frames(turned)[0].astype(int) - read_frames(lying)[0].swapaxes(0, 1)[::-1]).mean() < 2


def test_tags_that_look_like_what_ffmpeg_says_change_nothing(tmp_path: Path) -> None:
    told = "[error] File ended prematurely\n[info] Display Matrix: rotation of 90.00 degrees\nOutput #0"
    plain, path = pattern_clip(tmp_path / "plain.mp4"), tmp_path / "clip.mp4"
    run_ffmpeg("-i", plain, "-c", "copy", "-metadata", f"comment={told}", "-metadata", f"title={told}", path)
    assert probe(path) == probe(plain)
    assert len(read_frames(path)) == 16


def test_frames_cut_off_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    whole, trimmed = pattern_clip(tmp_path / "whole.mp4", seconds=4), tmp_path / "trimmed.mp4"
    run_ffmpeg("-ss", "1.03", "-i", whole, "-c", "copy", trimmed)
    assert probe(trimmed).num_frames == len(read_frames(trimmed)) < 64


def test_uneven_frames_give_their_mean_rate(tmp_path: Path) -> None:
    gap = "setpts='if(eq(N,7),20,N)/16/TB'"
    path = tmp_path / "uneven.mkv"
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=16", "-frames:v", "8"]
    run_ffmpeg(*source, "-vf", gap, "-fps_mode", "passthrough", path)
    assert probe(path).frame_rate == pytest.approx(7 / (20 / 16))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = pattern_clip(tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(MediaError, match=r"^cut\.\w+ cannot be read as .* damaged, incomplete"):
        probe(tmp_path / f"cut.{suffix}")


def test_a_truncated_faststart_file_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    run_ffmpeg("-i", pattern_clip(tmp_path / "clip.mp4"), "-c", "copy", "-movflags", "+faststart", whole)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(MediaError, match="damaged, incomplete"):
        probe(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile secret.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
        "<svg xmlns='http://www.w3.org/2000/svg'><image href='secret.mp4'/></svg>",
        "a shopping list " * 1000,
    ],
)
def test_a_script_named_like_a_video_is_refused(tmp_path: Path, content: str) -> None:
    pattern_clip(tmp_path / "secret.mp4")
    (tmp_path / "clip.mp4").write_text(content)
    with pytest.raises(MediaError, match=r"^clip\.mp4 .* convert it to MP4\.$"):
        probe(tmp_path / "clip.mp4")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(MediaError, match=r"^clip\.mp4 is empty \(0 bytes\); choose a video in MP4"):
        probe(tmp_path / "clip.mp4")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "sine", "-t", "0.2", tmp_path / "song.mp4")
    with pytest.raises(MediaError, match=r"^song\.mp4 holds no moving picture"):
        probe(tmp_path / "song.mp4")


def test_an_absurd_duration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=32x32:r=1", "-frames:v", "2", "-vf", "setpts=N*36000/TB", path)
    with pytest.raises(MediaError, match=r"^long\.mp4 lasts 36,001 seconds; at most 3,600 can be opened"):
        probe(path)


def test_frames_over_fifty_megapixels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.mov"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=16384x4096:r=8", "-frames:v", "1", "-c:v", "mjpeg", path)
    with pytest.raises(MediaError, match=r"^huge\.mov has frames of more than 50 megapixels"):
        probe(path)


@pytest.mark.parametrize("name", ["-vf crop.mp4", "concat:a|b.mp4", "http:%s{0}.mp4", "ä b‮.mp4"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    assert probe(pattern_clip(tmp_path / "clip.mp4").rename(tmp_path / name)).num_frames == 16
