"""Every control of an export changes the file as it says, which is read from the file itself."""

import json
import re
import wave
import zipfile
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.errors import MediaError, RequestError
from backend.media.export import EXPORTERS, Exported, export
from backend.media.export_settings import CONTROLS, export_settings
from backend.media.files import sha256_of
from backend.media.metadata import read_comment, read_metadata
from backend.media.probe import probe
from backend.media.video import read_frames, write_video
from tests.media.clips import moving_blob, pattern_clip, psnr, run_ffmpeg

PROMPT = "a red blob, moving right"
MADE = {"kinora": {"request": {"prompt": PROMPT, "seed": 7}, "version": "0.1.0"}}
MOVING = ("mp4", "webm", "gif")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """33 frames of 96 x 64 at 16 per second, without sound."""
    path = tmp_path_factory.mktemp("source") / "clip.mp4"
    write_video(path, moving_blob(33, 64, 96), frame_rate=16, metadata=MADE, title=PROMPT)
    return path


@pytest.fixture(scope="module")
def sounding(clip: Path) -> Path:
    """The same clip with one tone."""
    path = clip.with_name("sounding.mp4")
    sine = ["-f", "lavfi", "-t", "2.0625", "-i", "sine=sample_rate=48000"]
    run_ffmpeg("-i", clip, *sine, "-map", "0", "-map", "1", "-c:v", "copy", "-map_metadata", "0", path)
    return path


def exported(source: Path, folder: Path, **given: Any) -> Exported:
    settings = export_settings(given)
    return export(source, folder / f"out{EXPORTERS[settings.format].suffix}", settings)


def frames_of(result: Exported) -> np.ndarray:
    """Return the exported frames, from a ZIP too."""
    if result.path.suffix != ".zip":
        return read_frames(result.path)
    with zipfile.ZipFile(result.path) as pack:
        names = sorted(name for name in pack.namelist() if name.endswith(".png"))
        return np.stack([np.array(Image.open(BytesIO(pack.read(name)))) for name in names])


def test_an_unchanged_mp4_has_the_very_stream(clip: Path, tmp_path: Path) -> None:
    result = exported(clip, tmp_path)
    streams = [
        run_ffmpeg("-i", path, "-c", "copy", "-map", "0:v", "-f", "h264", "-") for path in (clip, result.path)
    ]
    assert streams[0] == streams[1]
    assert result.size_bytes == result.path.stat().st_size and result.sha256 == sha256_of(result.path)


@pytest.mark.parametrize(("format", "codec"), [("mp4", "h264"), ("webm", "vp9"), ("gif", "gif")])
def test_every_format_holds_the_frames(clip: Path, tmp_path: Path, format: str, codec: str) -> None:
    result = exported(clip, tmp_path, format=format)
    facts = probe(result.path)
    assert (facts.codec, facts.num_frames, facts.width, facts.height) == (codec, 33, 96, 64)
    assert facts.frame_rate == pytest.approx(16, rel=0.02)
    error = np.abs(frames_of(result).astype(int) - read_frames(clip)).mean()
    assert error < 8  # a palette of 256 colours is the coarsest


def test_a_png_sequence_holds_every_frame_without_loss(clip: Path, tmp_path: Path) -> None:
    frames = frames_of(exported(clip, tmp_path, format="png"))
    assert np.array_equal(frames, read_frames(clip))


@pytest.mark.parametrize("format", [*MOVING, "png"])
def test_size_sets_the_short_side(clip: Path, tmp_path: Path, format: str) -> None:
    assert frames_of(exported(clip, tmp_path, format=format, short_side=32)).shape == (33, 32, 48, 3)


@pytest.mark.parametrize("format", [*MOVING, "png"])
@pytest.mark.parametrize(("frame_rate", "num_frames"), [(8, 16), (25, 52)])
def test_frame_rate_repeats_or_leaves_out_frames(
    clip: Path, tmp_path: Path, format: str, frame_rate: int, num_frames: int
) -> None:
    result = exported(clip, tmp_path, format=format, frame_rate=frame_rate)
    assert abs(len(frames_of(result)) - num_frames) <= 1
    if format != "png":
        assert probe(result.path).frame_rate == pytest.approx(frame_rate, rel=0.05)
        assert probe(result.path).duration_seconds == pytest.approx(33 / 16, abs=0.13)


@pytest.mark.parametrize("format", MOVING)
def test_quality_sets_how_much_is_kept(clip: Path, tmp_path: Path, format: str) -> None:
    results = []
    for quality in ("best", "high", "small"):
        (tmp_path / quality).mkdir()
        results.append(exported(clip, tmp_path / quality, format=format, quality=quality))
    sizes = [result.size_bytes for result in results]
    closeness = [psnr(frames_of(result), read_frames(clip)) for result in results[1:]]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert closeness[0] > closeness[1]


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("quality", ["best", "small"])
@pytest.mark.parametrize("has_audio", [True, False])
def test_loops_play_the_clip_so_often(
    clip: Path, sounding: Path, tmp_path: Path, format: str, quality: str, has_audio: bool
) -> None:
    result = exported(sounding if has_audio else clip, tmp_path, format=format, quality=quality, loops=3)
    facts, frames = probe(result.path), frames_of(result)
    assert (facts.has_audio, len(frames)) == (has_audio, 3 * 33)
    assert facts.frame_rate == pytest.approx(16, rel=0.01)
    assert psnr(frames[66:], frames[:33]) > 30


@pytest.mark.parametrize(("loops", "told"), [(None, 0), (0, 0), (1, None), (2, 1), (5, 4)])
def test_a_gif_repeats_as_often_as_asked(
    clip: Path, tmp_path: Path, loops: int | None, told: int | None
) -> None:
    content = exported(clip, tmp_path, format="gif", loops=loops).path.read_bytes()
    found = re.search(rb"NETSCAPE2\.0\x03\x01(..)", content, re.DOTALL)
    assert (None if found is None else int.from_bytes(found[1], "little")) == told


@pytest.mark.parametrize("format", CONTROLS)
def test_a_file_says_how_it_was_made_only_where_that_is_wanted(
    sounding: Path, tmp_path: Path, format: str
) -> None:
    telling = exported(sounding, tmp_path, format=format, has_metadata=True)
    content = told(telling)
    assert content["request"] == MADE["kinora"]["request"] and content["export"] == asdict(telling.settings)
    silent = exported(sounding, tmp_path, format=format, has_metadata=False).path.read_bytes()
    assert PROMPT.encode() not in silent and b"kinora" not in silent


def told(result: Exported) -> dict[str, Any]:
    """Return what an exported file says of how it was made."""
    if result.path.suffix in (".mp4", ".webm"):
        return read_metadata(result.path)["kinora"]
    if result.path.suffix == ".zip":
        return json.loads(zipfile.ZipFile(result.path).read("kinora.json"))["kinora"]
    content = result.path.read_bytes()
    if result.path.suffix == ".gif":
        content = Image.open(BytesIO(content)).info["comment"]
    return json.JSONDecoder().raw_decode(content[content.index(b'{"kinora"') :].decode("utf-8", "ignore"))[0][
        "kinora"
    ]


@pytest.mark.parametrize(("loops", "seconds"), [(None, 33 / 16), (2, 66 / 16)])
def test_the_sound_alone_is_a_wave_file(
    sounding: Path, tmp_path: Path, loops: int | None, seconds: float
) -> None:
    result = exported(sounding, tmp_path, format="wav", loops=loops)
    with wave.open(str(result.path)) as sound:
        assert (sound.getframerate(), sound.getsampwidth()) == (48000, 2)
        # AAC pads to whole frames; sound that is repeated is cut to the picture.
        assert sound.getnframes() / 48000 == pytest.approx(seconds, abs=0.03 if loops is None else 1e-4)


def test_a_clip_without_sound_gives_no_wave_file(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^This clip has no sound to export; choose another format"):
        exported(clip, tmp_path, format="wav")
    assert not list(tmp_path.iterdir())


def test_a_clip_of_another_program_is_exported_and_says_nothing_of_itself(tmp_path: Path) -> None:
    source = tmp_path / "own.mkv"
    sine, pattern = ["-f", "lavfi", "-i", "sine"], ["-f", "lavfi", "-i", "testsrc2=size=63x47:rate=25"]
    run_ffmpeg(*pattern, *sine, "-t", "1", "-pix_fmt", "yuv444p", "-metadata", "title=secret", source)
    result = exported(source, tmp_path, quality="high")
    facts = probe(result.path)
    assert (facts.codec, facts.has_audio, facts.num_frames) == ("h264", True, 25)
    assert (facts.width % 2, facts.height % 2) == (0, 0)
    assert read_comment(result.path) == "" and b"secret" not in result.path.read_bytes()


@pytest.mark.parametrize("name", ["-vf crop", "100%03d", "http:{0}", "a'b"])
@pytest.mark.parametrize("format", ["mp4", "png"])
def test_odd_names_of_files_and_folders_are_only_names(
    clip: Path, tmp_path: Path, name: str, format: str
) -> None:
    (tmp_path / name).mkdir()
    target = tmp_path / name / f"{name}{EXPORTERS[format].suffix}"
    export(clip, target, export_settings({"format": format, "short_side": 16}))
    assert list(target.parent.iterdir()) == [target]


def test_a_gif_that_would_be_too_long_is_refused(tmp_path: Path) -> None:
    source = pattern_clip(tmp_path / "long.mp4", size="16x16", rate="50", seconds=31)
    with pytest.raises(MediaError, match=r"^A GIF of 1,550 frames is too long; at most 1,500"):
        exported(source, tmp_path, format="gif")


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"format": "exe"}, "format", "Format must be one of mp4, webm, gif, png, wav; you gave 'exe'"),
        ({"format": ["mp4"]}, "format", "Format must be one of"),
        ({"short_side": 15}, "short_side", "Size must be a whole number from 16 to 4320; you gave '15'"),
        ({"short_side": "720; rm"}, "short_side", "Size must be a whole number"),
        ({"frame_rate": 0}, "frame_rate", "Frame rate must be a whole number from 1 to 120"),
        ({"frame_rate": float("nan")}, "frame_rate", "Frame rate must be a whole number"),
        ({"loops": 0}, "loops", "Loops must be a whole number from 1 to 20"),
        ({"loops": True}, "loops", "Loops must be a whole number"),
        ({"quality": "ultra"}, "quality", "Quality must be one of best, high, small"),
        ({"has_metadata": "no"}, "has_metadata", "Metadata must be true or false"),
        ({"format": "wav", "short_side": 480}, "short_side", "Size changes nothing in the format wav"),
        ({"format": "png", "loops": 2}, "loops", "Loops changes nothing in the format png"),
        ({"crf": 3}, "crf", "An export has no setting 'crf'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict, field: str, sentence: str) -> None:
    with pytest.raises(RequestError) as refusal:
        export_settings(given)
    assert refusal.value.field == field
    assert str(refusal.value).startswith(sentence)


def test_a_gif_faster_than_browsers_play_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="A GIF plays at most 50 frames per second"):
        exported(clip, tmp_path, format="gif", frame_rate=60)
