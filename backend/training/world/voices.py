"""What events sound like: one function of an event and of the motion behind it for every voice.

A kind of event has one voice, but for three that captions call something else: what wobbles rattles, what
circles hums, and two objects that collide knock.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.training.world.scene import Event
from backend.training.world.signals import Tape, Wave, noise, progress, ringing, span, tone, wander

_FADE = 0.03
_RINGING = {"shiny": 0.26, "matte": 0.06}
_RINGING_ELSEWHERE = 0.12
_THUD = ((1.0, 1.0, 1.0), (1.59, 0.6, 0.7), (2.14, 0.45, 0.5), (2.92, 0.3, 0.35), (4.15, 0.2, 0.25))
_KNOCK = ((1.0, 1.0, 0.5), (2.76, 0.8, 0.35), (5.40, 0.5, 0.25))
_CLICK_SECONDS = 0.004
_BLADES = 16
_OCTAVES = 1.5


@dataclass(frozen=True)
class Hearing:
    """What a voice may use, on the sample clock.

    speed (S,): over the ground, in world units a second, of the fastest object; turning (S,): radians a
    second of the one that turns fastest; surface: of the object that is struck.
    """

    tape: Tape
    event: Event
    speed: Wave
    turning: Wave
    surface: str

    @property
    def window(self) -> Wave:
        """Return the envelope (S,) of the event's time."""
        return span(self.tape, self.event.time_seconds, self.event.duration_seconds, fade=_FADE)

    @property
    def progress(self) -> Wave:
        """Return how much of the event has passed (S,)."""
        return progress(self.tape, self.event.time_seconds, self.event.duration_seconds)


def voice_of(event: Event, *, motion: str, relation: str | None) -> str:
    """Return the name of the voice of `event` in a scene whose first object moves by `motion`."""
    if event.kind == "impact" and relation == "collides":
        return "knock"
    return {("swing", "wobbles"): "rattle", ("roll", "circles"): "hum"}.get((event.kind, motion), event.kind)


def _struck(
    hearing: Hearing, pitch: float, modes: tuple[tuple[float, float, float], ...], *, click: float
) -> Wave:
    """Return a blow from its exact time: a click and modes of (ratio, amplitude, share of the ringing)."""
    tape, event = hearing.tape, hearing.event
    since = tape.times - event.time_seconds
    is_after = since >= 0
    since = since[is_after]
    ring = _RINGING.get(hearing.surface, _RINGING_ELSEWHERE)
    wave = click * tape.rng.standard_normal(len(since)) * np.exp(-since / _CLICK_SECONDS)
    for ratio, amplitude, share in modes:
        frequency = pitch * ratio * event.pitch
        wave += amplitude * np.sin(2 * np.pi * frequency * since) * np.exp(-since / (share * ring))
    heard = tape.silence()
    heard[is_after] = 0.3 * event.strength * wave
    return heard


def _impact(hearing: Hearing) -> Wave:
    return _struck(hearing, 190.0, _THUD, click=0.6)


def _knock(hearing: Hearing) -> Wave:
    return _struck(hearing, 640.0, _KNOCK, click=1.0)


def _roll(hearing: Hearing) -> Wave:
    """A rumble, brighter with speed, that swells three times a turn."""
    tape, pitch = hearing.tape, hearing.event.pitch
    dull, bright = noise(tape, 60, 240 * pitch), noise(tape, 160, 800 * pitch)
    share = (hearing.speed / 3).clip(0, 1)
    angle = np.cumsum(hearing.turning) / tape.rate
    beat = 1 + 0.5 * np.sin(3 * angle + tape.rng.uniform(0, 6.28))
    return 0.16 * _relative(hearing.speed, hearing) * beat * ((1 - share) * dull + share * bright)


def _hum(hearing: Hearing) -> Wave:
    """A low harmonic tone whose pitch bends with speed."""
    pace = _relative(hearing.speed, hearing)
    frequency = 104.0 * hearing.event.pitch * (0.85 + 0.15 * pace)
    return 0.16 * tone(hearing.tape, frequency, (1.0, 0.7, 0.4, 0.25, 0.12)) * (0.5 + 0.5 * pace)


def _spin(hearing: Hearing) -> Wave:
    """A buzz and its breath, both chopped by blades that turn with the object."""
    tape, pitch = hearing.tape, hearing.event.pitch
    angle = np.cumsum(hearing.turning) / tape.rate
    flutter = (0.5 + 0.5 * np.sin(_BLADES * angle + tape.rng.uniform(0, 6.28))) ** 2
    buzz = tone(tape, 170.0 * pitch, (1.0, 0.8, 0.65, 0.5, 0.4, 0.3, 0.25))
    breath = noise(tape, 900 * pitch, 2200 * pitch)
    return (0.15 + 0.85 * flutter) * (0.1 * buzz + 0.12 * breath)


def _glide(hearing: Hearing, height: Wave) -> Wave:
    frequency = 360.0 * hearing.event.pitch * 2 ** (_OCTAVES * height)
    breath = noise(hearing.tape, 1000, 4000)
    return 0.25 * tone(hearing.tape, frequency, (1.0, 0.22, 0.08)) + 0.006 * breath


def _creak(hearing: Hearing) -> Wave:
    """Wood that sticks and slips: pulses that speed up and slow down, through two resonances."""
    tape, pitch = hearing.tape, hearing.event.pitch
    sway = np.sin(np.pi * hearing.progress)
    rate = (38 + 75 * sway) * pitch**0.5 * wander(tape, 40, 0.85, 1.15)
    pulses = np.diff(np.floor(np.cumsum(rate) / tape.rate), prepend=0.0)
    ring = ringing(tape, pulses * sway, ((820 * pitch, 1.0), (1730 * pitch, 0.7)), decay=0.006)
    return 0.55 * ring * (0.4 + 0.6 * _relative(hearing.turning, hearing))


def _rattle(hearing: Hearing) -> Wave:
    """Loose clicks, the more the faster the object tips."""
    tape, pitch = hearing.tape, hearing.event.pitch
    pace = _relative(hearing.turning, hearing)
    is_click = tape.rng.uniform(size=tape.num_samples) < 70 * pace**2 / tape.rate
    pulses = is_click * tape.rng.uniform(0.4, 1.0, tape.num_samples)
    return 0.8 * ringing(tape, pulses, ((2300 * pitch, 1.0), (3900 * pitch, 0.6)), decay=0.0025)


def _slide(hearing: Hearing) -> Wave:
    """A hiss with grain, as loud as the object is fast."""
    grain = wander(hearing.tape, 45, 0.35, 1.0)
    return 0.14 * _relative(hearing.speed, hearing) * grain * noise(hearing.tape, 1900, 5600)


def _relative(values: Wave, hearing: Hearing) -> Wave:
    """Return `values` (S,) as a share of their maximum while the event lasts."""
    highest = float((values * (hearing.window > 0)).max())
    return (values / max(highest, 1e-6)).clip(0, 1)


VOICES: dict[str, Callable[[Hearing], Wave]] = {
    "impact": _impact,
    "knock": _knock,
    "roll": _roll,
    "hum": _hum,
    "spin": _spin,
    "glide_up": lambda hearing: _glide(hearing, hearing.progress),
    "glide_down": lambda hearing: _glide(hearing, 1 - hearing.progress),
    "swing": _creak,
    "rattle": _rattle,
    "slide": _slide,
}
BLOWS = frozenset({"impact", "knock"})
"""Voices of events that take no time."""


def sounding(voice: str, hearing: Hearing) -> Wave:
    """Return the sound (S,) of `voice`; but for blows, within the event's time and by its strength."""
    wave = VOICES[voice](hearing)
    return wave if voice in BLOWS else wave * hearing.window * (0.3 + hearing.event.strength)
