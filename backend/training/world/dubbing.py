"""What is heard of a scene, and scenes that are heard as others at the very same moments.

Dubbed scenes teach a soundtrack model that words outweigh pictures: another place is heard, what strikes or
lasts has another voice or none. When something is heard always follows the scene.
"""

from dataclasses import dataclass, replace

import numpy as np

from backend.training.world.places import PLACES
from backend.training.world.scene import Scene
from backend.training.world.sound import paces, voice_in, voices
from backend.training.world.voices import BLOWS

_SILENCED_SHARE = 0.2
_HEARD_TO_MOVE = 0.3  # world units, or radians, a second
_STEADY_VOICES = ("hum", "spin", "glide_up", "glide_down", "swing")
"""Lasting voices that are heard whether an object moves over the ground, turns, or neither."""
_KINDS = {"knock": "impact", "hum": "roll", "rattle": "swing"}
_MOTIONS = {"hum": "circles", "rattle": "wobbles"}
_PLAIN_MOTION = "rolls_right"  # with it, the voice of an event is its kind


@dataclass(frozen=True)
class Heard:
    """What is heard of a scene: its place, its voices, each once, and the times in seconds of its blows."""

    place: str
    voices: tuple[str, ...]
    blows: tuple[float, ...]


def heard_of(scene: Scene) -> Heard:
    """Return what is heard of `scene`."""
    blows = sorted(event.time_seconds for event in scene.events if voice_in(scene, event) in BLOWS)
    return Heard(scene.place, voices(scene), tuple(blows))


def dubbed(scene: Scene, *, rng: np.random.Generator) -> Scene:
    """Return `scene` with a random place to be heard and other voices, its bodies and camera as they are.

    What strikes and what lasts each have one voice; either is silenced now and then.
    """
    return voiced_as(
        scene,
        place=str(rng.choice(list(PLACES))),
        blow=_drawn(("impact", "knock"), rng),
        lasting=_drawn(_lasting_voices(scene), rng),
    )


def voiced_as(scene: Scene, *, place: str, blow: str | None, lasting: str | None) -> Scene:
    """Return `scene` as heard at `place`, its blows and what lasts with the given voices, None for silent."""
    events = []
    for event in scene.events:
        voice = blow if voice_in(scene, event) in BLOWS else lasting
        if voice is not None:
            events.append(replace(event, kind=_KINDS.get(voice, voice)))
    first = replace(scene.cast[0], motion=_MOTIONS.get(lasting or "", _PLAIN_MOTION))
    return replace(
        scene,
        place=place,
        cast=(first, *scene.cast[1:]),
        relation="collides" if blow == "knock" else None,
        events=tuple(events),
    )


def _drawn(choices: tuple[str, ...], rng: np.random.Generator) -> str | None:
    return None if rng.uniform() < _SILENCED_SHARE else str(rng.choice(choices))


def _lasting_voices(scene: Scene) -> tuple[str, ...]:
    """Return the lasting voices that are heard of how the cast of `scene` moves."""
    speeds, turning = paces(scene)
    moving = ("roll", "slide") if speeds.max(initial=0) > _HEARD_TO_MOVE else ()
    tipping = ("rattle",) if turning.max(initial=0) > _HEARD_TO_MOVE else ()
    return (*_STEADY_VOICES, *moving, *tipping)
