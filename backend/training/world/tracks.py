"""Sounds as creators upload them: bursts, chords, sweeps, plucked notes and speech-like babble.

They are to sound what `stills` is to pictures: with them a codec trained on the world keeps any sound.
"""

from collections.abc import Callable

import numpy as np

from backend.training.world.scene import Array
from backend.training.world.signals import Tape, Wave, add, bump, noise, span, tone, turns, wander

_HIGHEST_HZ = 7000.0
_HARMONICS = 28
_VOWELS = (
    (730.0, 1090.0, 2440.0), (270.0, 2290.0, 3010.0), (300.0, 870.0, 2240.0),
    (530.0, 1840.0, 2480.0), (570.0, 840.0, 2410.0), (440.0, 1020.0, 2240.0),
)  # fmt: skip
"""The first three formants in Hz of a, i, u, e, o and a darker u (Peterson and Barney 1952)."""


def _log_uniform(tape: Tape, low: float, high: float) -> float:
    return float(low * (high / low) ** tape.rng.uniform())


def _bursts(tape: Tape) -> Wave:
    """Noise in random bands that sets in sharply and fades, or comes and goes."""
    wave = tape.silence()
    for _ in range(tape.rng.integers(1, 7)):
        part = tape.cut(_log_uniform(tape, 0.02, 1.0))
        low = _log_uniform(tape, 40, 4000)
        shape = bump(part) if tape.rng.uniform() < 0.4 else np.exp(-6 * part.times / part.duration)
        burst = noise(part, low, low * _log_uniform(tape, 1.3, 12), tilt=tape.rng.uniform(0, 1)) * shape
        add(wave, tape.rng.uniform(0.2, 1.0) * burst, start=int(tape.rng.integers(tape.num_samples)))
    return wave


def _chords(tape: Tape) -> Wave:
    """One to four held tones of random timbre, with or without vibrato and tremolo."""
    wave = tape.silence()
    for _ in range(tape.rng.integers(1, 5)):
        fall = tape.rng.uniform(0.5, 2.5)
        partials = tuple(number**-fall * tape.rng.uniform(0.2, 1.0) for number in range(1, 9))
        vibrato = 1 + tape.rng.uniform(0, 0.02) * np.sin(2 * np.pi * turns(tape, tape.rng.uniform(3, 7)))
        start, duration = (
            tape.rng.uniform(-0.5, 0.7) * tape.duration,
            tape.rng.uniform(0.2, 1.5) * tape.duration,
        )
        shape = span(tape, start, duration, fade=_log_uniform(tape, 0.003, 0.2))
        wave += (
            shape * tone(tape, _log_uniform(tape, 60, 2000) * vibrato, partials) * wander(tape, 3, 0.6, 1.0)
        )
    return wave


def _sweeps(tape: Tape) -> Wave:
    """Tones that glide over octaves, once or to and fro."""
    wave = tape.silence()
    for _ in range(tape.rng.integers(1, 4)):
        places = np.linspace(0, tape.duration, tape.rng.integers(2, 6))
        heights = np.log(_HIGHEST_HZ / 60) * tape.rng.uniform(size=len(places))
        frequency = 60 * np.exp(np.interp(tape.times, places, heights))
        wave += tone(tape, frequency, (1.0, tape.rng.uniform(0, 0.5))) * wander(tape, 2, 0.3, 1.0)
    return wave


def _plucks(tape: Tape) -> Wave:
    """A row of notes that are struck and fade, higher partials first."""
    wave = tape.silence()
    base, gap = _log_uniform(tape, 80, 500), _log_uniform(tape, 0.08, 0.6)
    for number in range(int(tape.duration / gap) + 1):
        pitch = base * 2 ** (tape.rng.integers(0, 25) / 12)
        part = tape.cut(min(1.2, 5 * gap))
        fading = np.exp(-part.times / _log_uniform(tape, 0.05, 0.5))
        note = tone(part, pitch) + tone(part, 2.0 * pitch, (0.6, 0.3, 0.2)) * fading
        add(wave, tape.rng.uniform(0.3, 1.0) * fading * note, start=round(number * gap * tape.rate))
    return wave


def _babble(tape: Tape) -> Wave:
    """Syllables of a voice: harmonics under moving formants, with a hiss between some of them."""
    rng = tape.rng
    count = int(tape.duration * rng.uniform(3, 6)) + 2
    places = np.linspace(0, tape.duration, count)
    size = rng.uniform(0.9, 1.2)
    formants = [
        np.interp(tape.times, places, values)
        for values in size * np.array(_VOWELS)[rng.integers(6, size=count)].T
    ]
    pitch = _log_uniform(tape, 85, 260) * wander(tape, 4, 0.85, 1.2)
    phase = 2 * np.pi * turns(tape, pitch)
    wave = tape.silence()
    for number in range(1, _HARMONICS + 1):
        frequency = number * pitch
        gain = sum(1 / (1 + ((frequency - formant) / 90) ** 2) for formant in formants) + 0.02
        wave += gain / number**0.5 * ((_HIGHEST_HZ - frequency) / 500).clip(0, 1) * np.sin(number * phase)
    voiced = wander(tape, 5, -0.4, 1.4).clip(0, 1)
    return voiced * wave + 0.25 * (1 - voiced) * wander(tape, 8, 0, 1) * noise(tape, 2500, 6500)


FAMILIES: tuple[tuple[Callable[[Tape], Wave], float], ...] = (
    (_bursts, 0.3),
    (_chords, 0.2),
    (_sweeps, 0.1),
    (_plucks, 0.2),
    (_babble, 0.2),
)
"""Functions of an empty tape to a sound (S,) of any loudness, and how often each is drawn."""


def draw_track(tape: Tape) -> Array:
    """Return a random sound, float32 (S,), with a peak of 0.05 to 0.95; a third of them mix two families."""
    wave = _drawn(tape)
    if tape.rng.uniform() < 0.33:
        wave = wave + tape.rng.uniform(0.1, 1.0) * _drawn(tape)
    wave = wave + 1e-4 * tape.rng.standard_normal(tape.num_samples)
    return (wave * (_log_uniform(tape, 0.05, 0.95) / np.abs(wave).max())).astype(np.float32)


def _drawn(tape: Tape) -> Wave:
    weights = [weight for _, weight in FAMILIES]
    draw, _ = FAMILIES[tape.rng.choice(len(FAMILIES), p=weights)]
    wave = draw(tape)
    return wave / max(float(np.abs(wave).max()), 1e-9)
