"""Sound: samples from any file, WAV and FLAC, and what is done to sound before it is exported.

Everywhere samples are float32 (N, channels) in [-1, 1], one or two channels, at 48 kHz unless said otherwise.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from backend.errors import MediaError
from backend.media.ffmpeg import Finished, input_arguments, run
from backend.media.files import readable_size, replacing

SAMPLE_RATE = 48_000
MAX_SOUND_SECONDS = 3600
SOUND_FORMATS = "WAV, FLAC, MP3, OGG, M4A, MP4, MOV, WebM or MKV"
READ_TIMEOUT_SECONDS = 300

_CONTAINERS = "wav,flac,mp3,ogg,aac,mov,matroska"
_MAX_CHANNELS = 2
_SILENCE_LUFS = -70.0  # the gate of ITU-R BS.1770: nothing below is heard as loudness
_MAX_PEAK_DECIBELS = -1.0  # true peak, as EBU R 128 allows


def write_sound(path: Path, samples: np.ndarray, *, sample_rate: int = SAMPLE_RATE) -> None:
    """Write `samples` as 24-bit WAV, or FLAC where `path` says so; the same samples give the same bytes.

    What lies beyond [-1, 1] is cut. Raises MediaError for what is no sound, DiskFullError on a full disk.
    """
    _check_samples(path, samples)
    kind = "FLAC" if path.suffix.lower() == ".flac" else "WAV"
    with replacing(path) as partial:
        try:
            soundfile.write(partial, np.clip(samples, -1, 1), sample_rate, subtype="PCM_24", format=kind)
        except soundfile.LibsndfileError as exc:
            raise MediaError(
                f"{path.name} cannot be written as {kind}: {exc}; choose another place."
            ) from exc


def read_written(path: Path) -> tuple[np.ndarray, int]:
    """Return the samples of a WAV or FLAC that Kinora wrote, bit for bit, and their rate; MediaError."""
    readable_size(path, wanted="a sound that Kinora made")
    try:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as exc:
        raise MediaError(f"{path.name} is damaged or no WAV or FLAC; make the sound again.") from exc
    return samples, int(sample_rate)


def read_sound(path: Path) -> np.ndarray:
    """Return the sound of any media file at 48 kHz, from the moment its first stream begins.

    More than two channels are mixed down to two. Raises MediaError, one sentence for the page, where it holds
    no sound, is damaged or is longer than an hour.
    """
    room = np.empty(4 * _MAX_CHANNELS * SAMPLE_RATE * MAX_SOUND_SECONDS, dtype=np.uint8)
    filters = f"aresample={SAMPLE_RATE}:async=1:first_pts=0,aformat=channel_layouts=mono|stereo"
    arguments = [
        *input_arguments(path, containers=_CONTAINERS, wanted=f"a sound in {SOUND_FORMATS}"),
        *("-xerror", "-map", "0:a:0", "-af", filters, "-c:a", "pcm_f32le", "-f", "f32le", "-"),
    ]
    finished = run(arguments, timeout_seconds=READ_TIMEOUT_SECONDS, receive=room)
    if not finished.is_complete:
        raise MediaError(f"{path.name} is longer than an hour of sound; cut it shorter.")
    channels = _channels(finished)
    if finished.returncode or not channels or not finished.num_bytes:
        raise _read_error(path, finished)
    samples = room[: finished.num_bytes].view("<f4").reshape(-1, channels).copy()
    if not np.isfinite(samples).all():
        raise MediaError(f"{path.name} holds samples that are no numbers; export it again.")
    return samples


def resampled(samples: np.ndarray, *, from_rate: int, to_rate: int) -> np.ndarray:
    """Return `samples` at another rate, round(N * to_rate / from_rate) of them, by soxr's best quality."""
    if from_rate == to_rate:
        return samples
    wanted = round(len(samples) * to_rate / from_rate)
    return fitted(soxr.resample(samples, from_rate, to_rate, quality="VHQ"), wanted)


def fitted(samples: np.ndarray, num_samples: int) -> np.ndarray:
    """Return the first `num_samples` of `samples`, with silence behind them where they are fewer."""
    kept = samples[:num_samples].astype(np.float32, copy=False)
    return np.pad(kept, ((0, num_samples - len(kept)), (0, 0)))


@dataclass(frozen=True)
class Track:
    """A sound as it goes into a mix.

    volume: a factor, 1 leaves it. fade_in_seconds, fade_out_seconds: at the ends of the mix.
    offset_seconds: how much later it is heard; what begins before the mix or ends after it is cut.
    """

    samples: np.ndarray
    volume: float = 1.0
    fade_in_seconds: float = 0.0
    fade_out_seconds: float = 0.0
    offset_seconds: float = 0.0


def mixed(tracks: tuple[Track, ...], *, num_samples: int) -> np.ndarray:
    """Return the sum of `tracks` (num_samples, channels), with as many channels as the widest of them.

    A sum beyond [-1, 1] is made quieter as a whole, never cut.
    """
    channels = max((track.samples.shape[1] for track in tracks), default=1)
    total = np.zeros((num_samples, channels), np.float32)
    for track in tracks:
        total += _placed(track, num_samples) * _envelope(track, num_samples)[:, None]
    peak = float(np.abs(total).max(initial=0.0))
    return total / peak if peak > 1 else total


def loudness(samples: np.ndarray) -> tuple[float, float]:
    """Return integrated loudness in LUFS (EBU R 128) and true peak in dB; -inf where all is too quiet."""
    channels = samples.shape[1]
    arguments = [
        *("-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", str(channels), "-i", "pipe:0"),
        *("-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"),
    ]
    # Loudness is that of blocks of 0.4 s, so a shorter sound is measured as if it came again and again.
    lasting = np.tile(samples, (max(1, math.ceil(SAMPLE_RATE / max(1, len(samples)))), 1))
    finished = run(
        arguments, timeout_seconds=READ_TIMEOUT_SECONDS, send=np.ascontiguousarray(lasting, np.float32)
    )
    heard = re.search(r"I: +(-?[\d.]+|-?inf|nan) LUFS", finished.log)
    peak = re.search(r"Peak: +(-?[\d.]+|-?inf|nan) dBFS", finished.log)
    if finished.returncode or heard is None or peak is None:
        raise MediaError("The loudness of the sound could not be measured; leave the target out.")
    lufs = float(heard[1])
    return (lufs if lufs > _SILENCE_LUFS else -math.inf), float(peak[1])


def at_loudness(samples: np.ndarray, target_lufs: float) -> tuple[np.ndarray, float]:
    """Return `samples` at `target_lufs`, or as near as -1 dB of true peak lets them, and what they have then.

    Silence stays silent, at -inf.
    """
    lufs, peak = loudness(samples)
    if math.isinf(lufs):
        return samples, lufs
    gain = min(target_lufs - lufs, _MAX_PEAK_DECIBELS - peak)
    return (samples * np.float32(10 ** (gain / 20))), lufs + gain


def waveform(samples: np.ndarray, *, num_points: int) -> list[float]:
    """Return the greatest magnitude in each of up to `num_points` equal parts of `samples`, to be drawn."""
    heights = np.abs(samples).max(axis=1)
    edges = np.linspace(0, len(heights), min(num_points, len(heights)) + 1).astype(int)
    return [round(float(height), 3) for height in np.maximum.reduceat(heights, edges[:-1])]


def _placed(track: Track, num_samples: int) -> np.ndarray:
    """Return the samples (num_samples, channels) of `track` at their place."""
    shift = round(track.offset_seconds * SAMPLE_RATE)
    heard = track.samples[max(0, -shift) :]
    lead = min(max(0, shift), num_samples)
    return fitted(np.pad(heard, ((lead, 0), (0, 0))), num_samples)


def _envelope(track: Track, num_samples: int) -> np.ndarray:
    """Return the factors (num_samples,) of volume and fades; a fade is a quarter of a sine."""
    place = np.arange(num_samples, dtype=np.float32)
    factors = np.full(num_samples, track.volume, np.float32)
    for seconds, distance in (
        (track.fade_in_seconds, place),
        (track.fade_out_seconds, num_samples - 1 - place),
    ):
        if seconds > 0:
            factors *= np.sin(np.pi / 2 * np.clip(distance / (seconds * SAMPLE_RATE), 0, 1))
    return factors


def _check_samples(path: Path, samples: np.ndarray) -> None:
    is_shaped = samples.ndim == 2 and 1 <= samples.shape[1] <= _MAX_CHANNELS and len(samples)
    if not is_shaped or not np.isfinite(samples).all():
        raise MediaError(
            f"{path.name} needs finite samples of shape (N, 1) or (N, 2); these have shape {samples.shape}."
        )


def _channels(finished: Finished) -> int:
    """Return how many channels came out of ffmpeg, 0 where nothing did."""
    _, _, output = finished.log.partition("Output #0")
    found = re.search(r"Audio: pcm_f32le.*?, \d+ Hz, (mono|stereo)", output)
    return 0 if found is None else {"mono": 1, "stereo": 2}[found[1]]


def _read_error(path: Path, finished: Finished) -> MediaError:
    if any("matches no streams" in error for error in finished.errors):
        return MediaError(f"{path.name} holds no sound; choose a file in {SOUND_FORMATS}.")
    return MediaError(
        f"{path.name} cannot be read as {SOUND_FORMATS}: it is damaged, incomplete or something else; "
        "export it again or convert it to WAV."
    )
