"""What each place sounds like when nothing happens. Nothing here sets in sharply, as impacts do."""

from collections.abc import Callable, Iterator

import numpy as np

from backend.training.world.signals import Tape, Wave, add, bump, noise, tone, turns, wander


def _starts(tape: Tape, per_second: float) -> Iterator[int]:
    """Yield random samples to start at, `per_second` on average; some lie before the tape."""
    begin, end = -tape.rate // 2, tape.num_samples
    count = tape.rng.poisson(per_second * (end - begin) / tape.rate)
    yield from (int(start) for start in tape.rng.integers(begin, end, count))


def _note(tape: Tape, seconds: float, first: float, last: float) -> Wave:
    """Return a whistled note (S,) that goes from one frequency to the other."""
    short = tape.cut(seconds)
    frequency = first * (last / first) ** np.linspace(0, 1, short.num_samples)
    return tone(short, frequency, (1.0, 0.15)) * bump(short)


def _birds(tape: Tape) -> Wave:
    """A light breeze, and chirps of two to five quick notes."""
    rng = tape.rng
    wave = 0.012 * noise(tape, 150, 1200, tilt=0.5) * wander(tape, 1.5, 0.4, 1.0)
    for start in _starts(tape, 1.6):
        high, bend, level = rng.uniform(2600, 4600), rng.uniform(0.7, 1.4), rng.uniform(0.03, 0.07)
        gap = rng.uniform(0.09, 0.14)
        for number in range(rng.integers(2, 6)):
            chirp = _note(tape, rng.uniform(0.06, 0.1), high, high * bend)
            add(wave, level * chirp, start=start + round(number * gap * tape.rate))
    return wave


def _dry_wind(tape: Tape) -> Wave:
    """Gusts without a pitch."""
    gusts = wander(tape, 1.3, 0.35, 1.0)
    return gusts * (0.045 * noise(tape, 160, 800, tilt=0.3) + 0.008 * noise(tape, 1500, 5000, tilt=0.5))


def _cold_wind(tape: Tape) -> Wave:
    """A wind that whistles: narrow bands of noise that wander, and thin air."""
    wave = 0.006 * noise(tape, 2500, 7000) * wander(tape, 1.5, 0.5, 1.0)
    for centre in (720.0, 1150.0):
        breath = noise(tape, 0.5, 18) + 1j * noise(tape, 0.5, 18)
        turned = np.exp(2j * np.pi * turns(tape, centre * wander(tape, 1.5, 0.85, 1.2)))
        wave += 0.03 * (breath * turned).real * wander(tape, 1.2, 0.4, 1.0)
    return wave


def _surf(tape: Tape) -> Wave:
    """Waves that break on sand: wide noise that swells and ebbs."""
    phase = turns(tape, 1 / tape.rng.uniform(2.4, 3.6))
    swell = 0.25 + 0.75 * (0.5 - 0.5 * np.cos(2 * np.pi * phase)) ** 1.5
    return 0.055 * swell * noise(tape, 200, 5200, tilt=0.35)


def _waves(tape: Tape) -> Wave:
    """Open water: a low wash, and lapping that bubbles upwards."""
    rng = tape.rng
    wave = 0.032 * noise(tape, 70, 500, tilt=0.4) * wander(tape, 2.0, 0.45, 1.0)
    for start in _starts(tape, 4.0):
        low = rng.uniform(320, 620)
        lap = _note(tape, rng.uniform(0.07, 0.14), low, low * rng.uniform(1.3, 1.8))
        add(wave, rng.uniform(0.02, 0.06) * lap, start=start)
    return wave


def _crickets(tape: Tape) -> Wave:
    """Two insects, near and far, that pulse some thirty times a second in short calls."""
    wave = 0.003 * noise(tape, 200, 2000, tilt=0.5)
    for level in (0.055, 0.025):
        calls, pulses = turns(tape, tape.rng.uniform(2.0, 2.8)), turns(tape, tape.rng.uniform(27, 34))
        is_calling = 0.5 - 0.5 * np.cos(2 * np.pi * (calls % 1.0 / 0.55).clip(0, 1))
        beat = np.sin(np.pi * pulses) ** 2
        wave += level * is_calling * beat * tone(tape, tape.rng.uniform(4200, 4900))
    return wave


def _room(tape: Tape) -> Wave:
    """Almost nothing: air and a far-off hum."""
    return 0.003 * noise(tape, 60, 500, tilt=0.8) + 0.0012 * tone(tape, 100.0, (1.0, 0.5))


def _leaves(tape: Tape) -> Wave:
    """Rustling in many small rushes, and now and then a bird of two long notes."""
    rng = tape.rng
    rushes = wander(tape, 14, 0.05, 1.0) ** 2 * wander(tape, 1.5, 0.5, 1.0)
    wave = 0.05 * rushes * noise(tape, 2600, 6600)
    for start in _starts(tape, 0.5):
        high = rng.uniform(1300, 1900)
        add(wave, 0.035 * _note(tape, 0.2, high, high), start=start)
        add(wave, 0.035 * _note(tape, 0.28, 0.78 * high, 0.76 * high), start=start + round(0.22 * tape.rate))
    return wave


AMBIENCES: dict[str, Callable[[Tape], Wave]] = {
    "birds": _birds,
    "dry wind": _dry_wind,
    "cold wind": _cold_wind,
    "surf": _surf,
    "waves": _waves,
    "crickets": _crickets,
    "room": _room,
    "leaves": _leaves,
}
"""Name, as in `places.Place.ambience`, -> sound (S,) on an empty tape."""
