"""Building blocks of synthesised sound: shaped noise, tones, envelopes and struck resonators, in numpy.

Times are seconds from the first sample, frequencies Hz, so that a sound is the same at every sample rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]
"""One value per sample: a sound or what shapes it."""

_HIGHEST, _FADED = 0.45, 0.05  # of the sample rate: where partials end, and over how much they fade out below
_LOWEST_HZ = 20.0


@dataclass(frozen=True)
class Tape:
    """An empty recording: samples per second, number of samples, and the generator of all that is random."""

    rate: int
    num_samples: int
    rng: np.random.Generator

    @property
    def times(self) -> Wave:
        """Return the time of every sample in seconds, (S,)."""
        return np.arange(self.num_samples) / self.rate

    @property
    def duration(self) -> float:
        return self.num_samples / self.rate

    def silence(self) -> Wave:
        return np.zeros(self.num_samples)

    def cut(self, seconds: float) -> "Tape":
        """Return a tape of another length with the same generator."""
        return Tape(self.rate, max(1, round(seconds * self.rate)), self.rng)


def noise(tape: Tape, low: float, high: float, *, tilt: float = 0.0) -> Wave:
    """Return noise (S,) of RMS 1 between `low` and `high`, falling off by 24 dB an octave outside.

    tilt: amplitudes fall with the frequency to this power.
    """
    frequencies = np.fft.rfftfreq(tape.num_samples, 1 / tape.rate).clip(1e-3)
    gain = (1 + (low / frequencies) ** 8) ** -0.5 * (1 + (frequencies / high) ** 8) ** -0.5
    gain = gain * frequencies.clip(_LOWEST_HZ) ** -tilt
    spectrum = tape.rng.standard_normal((2, len(gain)))
    wave = np.fft.irfft((spectrum[0] + 1j * spectrum[1]) * gain, tape.num_samples)
    return wave / max(float(np.sqrt(np.mean(wave**2))), 1e-12)


def wander(tape: Tape, per_second: float, low: float, high: float) -> Wave:
    """Return values (S,) in [low, high] that go straight from one random value to the next."""
    count = int(np.ceil(tape.duration * per_second)) + 2
    places = (np.arange(count) - tape.rng.uniform()) / per_second
    return np.interp(tape.times, places, tape.rng.uniform(low, high, count))


def turns(tape: Tape, frequency: Wave | float) -> Wave:
    """Return how many turns (S,) an oscillator of `frequency` has made by each sample; a random start."""
    steps = np.broadcast_to(np.asarray(frequency, np.float64), tape.num_samples) / tape.rate
    return tape.rng.uniform() + np.cumsum(steps)


def tone(tape: Tape, frequency: Wave | float, partials: tuple[float, ...] = (1.0,)) -> Wave:
    """Return a harmonic tone (S,); partials: amplitudes of the fundamental and of its multiples."""
    phase = 2 * np.pi * turns(tape, frequency)
    wave = tape.silence()
    for number, amplitude in enumerate(partials, start=1):
        room = _HIGHEST - number * np.asarray(frequency) / tape.rate
        wave += amplitude * (room / _FADED).clip(0, 1) * np.sin(number * phase)
    return wave


def span(tape: Tape, start: float, duration: float, *, fade: float) -> Wave:
    """Return 1 within `start` and `start` + `duration` and 0 outside (S,), faded in and out over `fade`.

    What begins at the start of the tape or reaches its end was going on before or goes on: it is not faded.
    """
    rising = np.ones(tape.num_samples) if start <= 0 else (tape.times - start) / fade
    stop = start + duration
    falling = np.ones(tape.num_samples) if stop >= tape.duration else (stop - tape.times) / fade
    return 0.5 - 0.5 * np.cos(np.pi * np.minimum(rising, falling).clip(0, 1))


def progress(tape: Tape, start: float, duration: float) -> Wave:
    """Return how much of a span has passed, from 0 to 1 (S,)."""
    return ((tape.times - start) / max(duration, 1e-6)).clip(0, 1)


def bump(tape: Tape) -> Wave:
    """Return an envelope (S,) that rises and falls once over the whole tape."""
    return np.sin(np.pi * (np.arange(tape.num_samples) + 0.5) / tape.num_samples) ** 2


def add(wave: Wave, sound: Wave, *, start: int) -> None:
    """Add `sound` to `wave` from sample `start` on, as much of it as fits."""
    first, last = max(start, 0), min(start + len(sound), len(wave))
    if first < last:
        wave[first:last] += sound[first - start : last - start]


def ringing(tape: Tape, pulses: Wave, modes: tuple[tuple[float, float], ...], *, decay: float) -> Wave:
    """Return `pulses` (S,) sounding through modes of (frequency, amplitude) that fade by 1 / e in `decay`."""
    times = np.arange(round(6 * decay * tape.rate)) / tape.rate
    heard = (mode for mode in modes if mode[0] < _HIGHEST * tape.rate)
    kernel = sum(
        (amplitude * np.sin(2 * np.pi * frequency * times) for frequency, amplitude in heard),
        start=np.zeros_like(times),
    ) * np.exp(-times / decay)
    size = len(pulses) + len(kernel)
    spectrum = np.fft.rfft(pulses, size) * np.fft.rfft(kernel, size)
    return np.fft.irfft(spectrum, size)[: len(pulses)]
