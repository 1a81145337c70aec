"""Sound for training, synthesised as it is needed: soundtracks of random scenes, and sounds like uploads."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from backend.models.kinora.mel import SAMPLE_RATE
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import Array
from backend.training.world.signals import Tape
from backend.training.world.sound import num_samples, soundtrack
from backend.training.world.tracks import draw_track

SoundKind = Literal["scenes", "tracks"]
SOUND_KINDS: tuple[SoundKind, ...] = ("scenes", "tracks")

_SOUND_FRAMES = 33
_FRAME_RATE = 16
SOUND_SAMPLES = num_samples(_SOUND_FRAMES, _FRAME_RATE, rate=SAMPLE_RATE)
_TRACK_SHARE = 0.35
_POOL = 96
_USES = 6
_QUIETEST = 0.25


def draw_sound(kind: SoundKind, rng: np.random.Generator) -> Array:
    """Return a random sound (33000,) float32 at 16 kHz: of a scene of 33 frames, or like an upload."""
    if kind == "tracks":
        return draw_track(Tape(SAMPLE_RATE, SOUND_SAMPLES, rng))
    scene = sample_scene(rng, num_frames=_SOUND_FRAMES, frame_rate=_FRAME_RATE)
    return soundtrack(scene, rate=SAMPLE_RATE, rng=rng)


def held_out_sounds(kind: SoundKind, *, count: int, samples: int) -> Tensor:
    """Return the same `count` sounds (N, `samples`) every time, which no training draws."""
    rng = np.random.default_rng((0, *kind.encode()))
    return torch.from_numpy(np.stack([draw_sound(kind, rng)[:samples] for _ in range(count)]))


def sound_batches(count: int, *, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield batches (`count`, `samples`) of cuts, at a random loudness, from a pool that is renewed.

    samples: at most 33000. A sound is cut some six times before another takes its place.
    """
    rng = np.random.default_rng((1, seed))
    pool = [_drawn(rng) for _ in range(_POOL)]
    due = 0.0
    while True:
        due += count / _USES
        while due >= 1:
            pool[rng.integers(_POOL)] = _drawn(rng)
            due -= 1
        yield torch.from_numpy(
            np.stack([_cut(pool[rng.integers(_POOL)], samples, rng) for _ in range(count)])
        )


def _drawn(rng: np.random.Generator) -> Array:
    return draw_sound("tracks" if rng.uniform() < _TRACK_SHARE else "scenes", rng)


def _cut(sound: Array, samples: int, rng: np.random.Generator) -> Array:
    start = int(rng.integers(len(sound) - samples + 1))
    gain = rng.choice((-1.0, 1.0)) * _QUIETEST ** rng.uniform()
    return (gain * sound[start : start + samples]).astype(np.float32)
