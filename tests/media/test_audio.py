"""Sound in closed form: files come back bit for bit, mixes add up, loudness is what it says."""

from pathlib import Path

import numpy as np
import pytest

from backend.errors import MediaError
from backend.media.audio import (
    SAMPLE_RATE,
    Track,
    at_loudness,
    fitted,
    loudness,
    mixed,
    read_sound,
    read_written,
    resampled,
    waveform,
    write_sound,
)
from tests.media.clips import pattern_clip, run_ffmpeg


def tone(
    *, seconds: float = 1.0, hertz: float = 1000.0, channels: int = 1, height: float = 0.25
) -> np.ndarray:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.repeat(height * np.sin(2 * np.pi * hertz * times)[:, None], channels, 1).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_written_sound_comes_back_within_its_24_bits(tmp_path: Path, suffix: str, channels: int) -> None:
    path = tmp_path / f"a{suffix}"
    write_sound(path, tone(channels=channels))
    once, rate = read_written(path)
    assert rate == SAMPLE_RATE and np.abs(once - tone(channels=channels)).max() <= 2**-23
    again = tmp_path / f"b{suffix}"
    write_sound(again, once)
    assert again.read_bytes() == path.read_bytes()
    assert np.array_equal(read_sound(path), once)


def test_six_channels_become_two(tmp_path: Path) -> None:
    path = tmp_path / "six.wav"
    run_ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100", "-ac", "6", "-t", "0.5", path)
    assert read_sound(path).shape == (SAMPLE_RATE // 2, 2)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.webm"])
def test_sound_of_other_formats_is_read_at_48_khz(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run_ffmpeg("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "1", path)
    samples = read_sound(path)
    # Coders of MP3 and Opus round up to whole frames.
    assert samples.shape[1] == 1 and abs(len(samples) - SAMPLE_RATE) < 2400
    spectrum = np.abs(np.fft.rfft(samples[:SAMPLE_RATE, 0], SAMPLE_RATE))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_a_clip_without_sound_and_a_file_that_is_none_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no sound"):
        read_sound(pattern_clip(tmp_path / "mute.mp4"))
    (tmp_path / "no.wav").write_text("no sound")
    with pytest.raises(MediaError, match=r"no\.wav cannot be read as WAV"):
        read_sound(tmp_path / "no.wav")
    (tmp_path / "playlist.mp3").write_text("#EXTM3U\n/etc/passwd\n")
    with pytest.raises(MediaError, match=r"playlist\.mp3 cannot be read"):
        read_sound(tmp_path / "playlist.mp3")
    (tmp_path / "empty.wav").touch()
    with pytest.raises(MediaError, match=r"empty \(0 bytes\); choose a sound in WAV"):
        read_sound(tmp_path / "empty.wav")


def test_samples_that_are_no_sound_are_refused(tmp_path: Path) -> None:
    for samples in (np.zeros((0, 1)), np.zeros((9, 3)), np.full((9, 1), np.nan)):
        with pytest.raises(MediaError, match="finite samples"):
            write_sound(tmp_path / "a.wav", samples.astype(np.float32))


def test_resampling_keeps_a_tone_and_three_times_the_samples() -> None:
    times = np.arange(16_000) / 16_000
    low = np.sin(2 * np.pi * 1000 * times)[:, None].astype(np.float32)
    high = resampled(low, from_rate=16_000, to_rate=SAMPLE_RATE)
    assert high.shape == (SAMPLE_RATE, 1)
    # Away from the ends, where the filter has nothing to its other side.
    assert np.abs(high - 4 * tone())[2000:-2000].max() < 1e-3


def test_fitted_cuts_and_continues_with_silence() -> None:
    assert len(fitted(tone(), 10)) == 10
    longer = fitted(tone(), SAMPLE_RATE + 5)
    assert np.array_equal(longer[:SAMPLE_RATE], tone()) and not longer[SAMPLE_RATE:].any()


def test_a_track_is_nudged_by_samples_both_ways() -> None:
    click = np.zeros((4800, 1), np.float32)
    click[2400] = 0.5
    for offset, place in ((0.01, 2880), (-0.01, 1920), (0.0, 2400)):
        heard = mixed((Track(click, offset_seconds=offset),), num_samples=4800)
        assert int(heard[:, 0].argmax()) == place
    assert not mixed((Track(click, offset_seconds=1.0),), num_samples=4800).any()


def test_tracks_add_up_with_volume_and_never_clip() -> None:
    ones = np.full((100, 1), 0.5, np.float32)
    both = mixed((Track(ones, volume=0.5), Track(np.repeat(ones, 2, 1))), num_samples=100)
    assert both.shape == (100, 2) and np.allclose(both, 0.75)
    loud = mixed((Track(ones, volume=2.0), Track(ones)), num_samples=100)
    assert np.allclose(loud, 1.0)


def test_fades_begin_and_end_in_silence() -> None:
    ones = np.full((4800, 1), 0.5, np.float32)
    faded = mixed((Track(ones, fade_in_seconds=0.02, fade_out_seconds=0.02),), num_samples=4800)[:, 0]
    assert faded[0] == 0 and faded[-1] == 0 and np.allclose(faded[1000:-1000], 0.5)
    assert (np.diff(faded[:900]) > 0).all()


def test_loudness_is_that_of_the_standard() -> None:
    # EBU Tech 3341: a 1 kHz sine in both channels at -23 dBFS is -23 LUFS.
    stereo = tone(seconds=3, channels=2, height=10 ** (-23 / 20))
    assert loudness(stereo)[0] == pytest.approx(-23.0, abs=0.1)
    louder, reached = at_loudness(stereo, -16.0)
    assert reached == pytest.approx(-16.0, abs=0.1)
    assert loudness(louder)[0] == pytest.approx(-16.0, abs=0.15)  # ffmpeg says tenths


def test_the_target_is_not_reached_at_the_price_of_clipping() -> None:
    click = np.zeros((SAMPLE_RATE, 1), np.float32)
    click[::4800] = 0.9
    louder, reached = at_loudness(click, -5.0)
    assert np.abs(louder).max() <= 1 and reached < -5.0


def test_silence_has_no_loudness_and_stays_silent() -> None:
    silence = np.zeros((4800, 1), np.float32)
    assert at_loudness(silence, -16.0)[1] == -np.inf


def test_a_waveform_is_the_greatest_height_of_each_part() -> None:
    samples = np.zeros((1000, 2), np.float32)
    samples[250, 1], samples[999, 0] = -0.5, 0.25
    assert waveform(samples, num_points=4) == [0.0, 0.5, 0.0, 0.25]
    assert len(waveform(samples[:3], num_points=4)) == 3
