from pathlib import Path

import numpy as np
import pytest

from backend.errors import MediaError
from backend.media.audio import SAMPLE_RATE, read_sound
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.sound_export import num_samples, picture_hash, write_silent, write_with_sound
from backend.media.video import read_resampled, write_video
from tests.media.clips import moving_blob, pattern_clip, run_ffmpeg

MADE = {"kinora": {"request": {"kind": "sound"}, "clip": {"request": {"prompt": "a ball = 1;\n"}}}}


def clicks(count: int, *, every: int = SAMPLE_RATE) -> np.ndarray:
    samples = np.zeros((count, 1), np.float32)
    samples[::every] = 0.9
    return samples


@pytest.mark.parametrize("frames", [1, 5, 33])
def test_picture_is_copied_and_sound_is_exactly_as_long(tmp_path: Path, frames: int) -> None:
    clip, path = tmp_path / "clip.mp4", tmp_path / "heard.mp4"
    write_video(clip, moving_blob(frames, 32, 48), frame_rate=16, metadata={"kinora": {}})
    write_with_sound(path, clip, clicks(10 * SAMPLE_RATE), metadata=MADE, title="a ball")
    assert len(read_sound(path)) == frames * SAMPLE_RATE // 16
    assert picture_hash(path) == picture_hash(clip)
    found = probe(path)
    assert (found.num_frames, found.frame_rate, found.has_audio) == (frames, 16, True)
    assert read_metadata(path) == MADE
    again = tmp_path / "again.mp4"
    write_with_sound(again, clip, clicks(10 * SAMPLE_RATE), metadata=MADE, title="a ball")
    assert again.read_bytes() == path.read_bytes()


def test_a_minute_does_not_drift(tmp_path: Path) -> None:
    clip, path = pattern_clip(tmp_path / "minute.mp4", seconds=60), tmp_path / "heard.mp4"
    write_with_sound(path, clip, clicks(60 * SAMPLE_RATE), metadata=MADE)
    heard = read_sound(path)[:, 0]
    assert len(heard) == 60 * SAMPLE_RATE
    for second in (1, 30, 59):
        around = np.abs(heard[second * SAMPLE_RATE - 2000 : second * SAMPLE_RATE + 2000])
        assert abs(int(around.argmax()) - 2000) < 48  # a millisecond; a frame has 62


def test_two_channels_stay_two(tmp_path: Path) -> None:
    clip, path = pattern_clip(tmp_path / "clip.mp4"), tmp_path / "heard.mp4"
    sides = np.concatenate([clicks(SAMPLE_RATE, every=4800), np.zeros((SAMPLE_RATE, 1), np.float32)], axis=1)
    write_with_sound(path, clip, sides, metadata=MADE)
    heard = read_sound(path)
    assert heard.shape == (SAMPLE_RATE, 2) and np.abs(heard[:, 0]).max() > 10 * np.abs(heard[:, 1]).max()


def test_silent_leaves_the_picture_alone(tmp_path: Path) -> None:
    clip, heard, silent = pattern_clip(tmp_path / "clip.mp4"), tmp_path / "heard.mp4", tmp_path / "silent.mp4"
    write_with_sound(heard, clip, clicks(SAMPLE_RATE), metadata=MADE)
    write_silent(silent, heard, metadata=MADE)
    assert not probe(silent).has_audio and picture_hash(silent) == picture_hash(clip)
    assert read_metadata(silent) == MADE


@pytest.mark.parametrize("rate", ["30000/1001", "23.976", "25", "12"])
def test_odd_rates_have_the_length_of_their_frames(tmp_path: Path, rate: str) -> None:
    clip, path = pattern_clip(tmp_path / "clip.mp4", rate=rate), tmp_path / "heard.mp4"
    facts = probe(clip)
    write_with_sound(path, clip, clicks(SAMPLE_RATE), metadata=MADE)
    assert len(read_sound(path)) == round(facts.num_frames / facts.frame_rate * SAMPLE_RATE)


def uneven_clip(path: Path) -> Path:
    """Return `path`, where ten quick frames and then one of a second and ten more now are."""
    late = "setpts='(N+if(gte(N,10),10,0))/10/TB'"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=2", "-vf", late),
        *("-fps_mode", "passthrough", "-video_track_timescale", "1000", path),
    )
    return path


def test_frames_of_uneven_times_are_as_long_as_they_are_shown(tmp_path: Path) -> None:
    clip, path = uneven_clip(tmp_path / "uneven.mp4"), tmp_path / "heard.mp4"
    assert num_samples(probe(clip)) == pytest.approx(3 * SAMPLE_RATE, abs=SAMPLE_RATE / 10)
    write_with_sound(path, clip, clicks(4 * SAMPLE_RATE), metadata=MADE)
    assert len(read_sound(path)) == num_samples(probe(clip))
    frames = read_resampled(clip, frame_rate=16, width=64, height=48)
    assert frames.shape == (round(16 * probe(clip).duration_seconds), 48, 64, 3)
    assert np.array_equal(frames[18], frames[28])  # nothing new is shown from 0.9 s to 2 s


@pytest.mark.parametrize("name", ["clip.webm", "clip.gif", "odd.mkv"])
def test_other_pictures_are_encoded_anew(tmp_path: Path, name: str) -> None:
    clip, path = tmp_path / name, tmp_path / "heard.mp4"
    odd = ("-c:v", "ffv1") if name == "odd.mkv" else ()
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=63x47:rate=10", "-t", "1", *odd, clip)
    write_with_sound(path, clip, clicks(SAMPLE_RATE), metadata=MADE)
    found = probe(path)
    assert (found.codec, found.num_frames, found.width, found.height) == ("h264", 10, 62, 46)


def test_a_clip_is_read_at_another_rate_and_size(tmp_path: Path) -> None:
    clip = pattern_clip(tmp_path / "clip.mp4", size="192x48", rate="30", seconds=2)
    assert read_resampled(clip, frame_rate=16, width=32, height=32).shape == (32, 32, 32, 3)


def test_frames_at_their_own_rate_and_size_are_all_there(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, moving_blob(33, 32, 48), frame_rate=16, metadata={"kinora": {}}, crf=1)
    frames = read_resampled(clip, frame_rate=16, width=48, height=32)
    assert frames.shape == (33, 32, 48, 3)
    assert np.abs(frames.astype(int) - moving_blob(33, 32, 48)).mean() < 3


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    clip = pattern_clip(tmp_path / "clip.mp4")
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="cannot be written"):
        write_with_sound(tmp_path / "file" / "a.mp4", clip, clicks(10), metadata=MADE)
