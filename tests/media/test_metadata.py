from pathlib import Path
from typing import Any

import pytest

from backend.errors import MediaError
from backend.media.metadata import comment_of, read_metadata
from backend.media.video import write_video
from tests.media.clips import one_colour, pattern_clip, run_ffmpeg

HOSTILE = {
    "emoji and right to left": "🐉\U0001f469\u200d\U0001f680 \u202e\u05e9\u05dc\u05d5\u05dd 龍",
    "all that the tag format escapes": "a=b;c#d\\e\\\\=\n;\n#x\r\n\\",
    "quotes and markup": "\"'`<script>alert(1)</script>${x}%s{0}",
    "control characters": "".join(map(chr, range(32))) + "\x7f\u2028\u2029\ufeff",
    "what looks like a tag": "\ncomment=other\n;FFMETADATA1\n[STREAM]\ntitle=x",
    "what ffmpeg says when it fails": "[error] No space left on device\n[fatal] File ended prematurely",
    "ten thousand": "龍;=\\\n" * 2000,
}


def _clip(path: Path, metadata: dict[str, Any], title: str = "") -> Path:
    write_video(path, one_colour((0, 0, 0), num_frames=1), frame_rate=16, metadata=metadata, title=title)
    return path


@pytest.mark.parametrize("prompt", HOSTILE.values(), ids=HOSTILE)
def test_every_prompt_comes_back_exactly(tmp_path: Path, prompt: str) -> None:
    metadata = {"kinora": {"request": {"prompt": prompt, "negative_prompt": prompt}, "version": "0.1.0"}}
    assert read_metadata(_clip(tmp_path / "clip.mp4", metadata, title=prompt)) == metadata


def test_numbers_come_back_exactly(tmp_path: Path) -> None:
    metadata = {"kinora": {"seed": 2**63 - 1, "guidance_scale": 0.1, "none": None, "list": [True, 1e-300]}}
    assert read_metadata(_clip(tmp_path / "clip.mp4", metadata)) == metadata


def test_the_title_is_one_short_line(tmp_path: Path) -> None:
    path = _clip(tmp_path / "clip.mp4", {"kinora": {}}, title="a red\n\tball = " + "x" * 300)
    tags = run_ffmpeg("-i", path, "-f", "ffmetadata", "-").decode()
    assert f"title=a red ball \\= {'x' * 187}\n" in tags


def test_metadata_survives_a_copy_into_another_container(tmp_path: Path) -> None:
    clip = _clip(tmp_path / "clip.mp4", {"kinora": {"seed": 7}})
    run_ffmpeg("-i", clip, "-c", "copy", tmp_path / "clip.mkv")
    assert read_metadata(tmp_path / "clip.mkv") == {"kinora": {"seed": 7}}


@pytest.mark.parametrize("comment", ["", "holiday", "[1]", '{"kinora": 3}', "[" * 100_000, '{"other": {}}'])
def test_a_clip_that_is_not_ours_says_so(tmp_path: Path, comment: str) -> None:
    source = pattern_clip(tmp_path / "source.mp4", seconds=0.1)
    run_ffmpeg("-i", source, "-c", "copy", "-metadata", f"comment={comment}", tmp_path / "clip.mp4")
    with pytest.raises(MediaError, match=r"^clip\.mp4 does not say how it was made"):
        read_metadata(tmp_path / "clip.mp4")


def test_a_file_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text(";FFMETADATA1\ncomment={}\n")
    with pytest.raises(MediaError, match=r"^clip\.mp4 "):
        read_metadata(tmp_path / "clip.mp4")


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800"])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(MediaError, match=r"^The clip's metadata cannot be stored as JSON"):
        comment_of({"kinora": {"value": value}})
