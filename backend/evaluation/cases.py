"""Held-out prompts with what they ask for, and held-out scenes with what truly happens in them."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from backend.training.world import words
from backend.training.world.cameras import MOVES, orbit_features
from backend.training.world.kinds import KINDS
from backend.training.world.motions import MOTIONS
from backend.training.world.render import render
from backend.training.world.sampler import SURFACES
from backend.training.world.scene import Scene

_FIRST_SEED = 100  # training scenes have seeds from 1000 on


@dataclass(frozen=True)
class Case:
    """A prompt, and the class of every attribute that it names."""

    prompt: str
    asked: dict[str, str]


@dataclass(frozen=True)
class TrueClip:
    """A rendered scene that no training saw: its words, its frames (T, H, W, 3) uint8, its camera (T, 6)."""

    prompt: str
    frames: np.ndarray
    camera: np.ndarray


def held_out_cases(count: int) -> list[Case]:
    """Return `count` prompts that name shape, colour, surface, motion, place and camera of one object."""
    rng = random.Random(_FIRST_SEED)
    return [_case(rng) for _ in range(count)]


def true_clips(count: int, *, num_frames: int, side: int, kind: str = "clip") -> list[TrueClip]:
    """Return `count` rendered scenes with one object, of seeds below those of training."""
    drawn = itertools.islice(held_out_scenes(kind, num_frames=num_frames), count)
    return [
        TrueClip(prompt, rendered(scene, side=side), orbit_features(scene.camera)) for scene, prompt in drawn
    ]


def held_out_scenes(
    kind: str, *, num_frames: int, first_seed: int = _FIRST_SEED
) -> Iterator[tuple[Scene, str]]:
    """Yield scenes of one object, of seeds from `first_seed` on, with the words of each; without end."""
    for seed in itertools.count(first_seed):
        scene = KINDS[kind](np.random.default_rng(seed), num_frames=num_frames)
        if len(scene.cast) == 1:
            subject = scene.cast[0]
            attributes = {name: getattr(subject, name) for name in ("shape", "colour", "surface", "motion")}
            asked = attributes | {"place": scene.place, "camera": scene.camera_move}
            yield scene, _worded(asked, random.Random(seed + 1))


def rendered(scene: Scene, *, side: int) -> np.ndarray:
    """Return the frames (T, side, side, 3) uint8 of `scene`."""
    return render(scene, height=side, width=side).pixels.permute(0, 2, 3, 1).numpy()


def _case(rng: random.Random) -> Case:
    asked = {
        "shape": rng.choice([*words.SHAPES]),
        "colour": rng.choice([*words.COLOURS]),
        "surface": rng.choice(SURFACES),
        "motion": rng.choice([*MOTIONS]),
        "place": rng.choice([*words.PLACES]),
        "camera": rng.choice(MOVES),
    }
    return Case(_worded(asked, rng), asked)


def _worded(asked: dict[str, str], rng: random.Random) -> str:
    """Return a prompt that names every attribute of `asked`, each in a phrasing drawn anew."""
    surface = rng.choice(words.SURFACES[asked["surface"]])
    colour = rng.choice(words.COLOURS[asked["colour"]])
    shape = rng.choice(words.SHAPES[asked["shape"]])
    marks = f"{colour} {shape} {surface}" if surface.startswith("with ") else f"{surface} {colour} {shape}"
    motion = words.participle(rng.choice(words.MOTIONS[asked["motion"]]))
    place = rng.choice(words.PLACES[asked["place"]])
    shot = rng.choice(words.SHOTS[asked["camera"]])
    return f"{words.with_article(marks)} {motion} {place}, {shot}"
