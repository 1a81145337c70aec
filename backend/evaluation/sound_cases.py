"""Held-out scenes to be heard: their clips, their true sound, and other sounds for their moments."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.evaluation.sound_sampler import Silent
from backend.media.motion import motion_features
from backend.models.kinora.mel import SAMPLE_RATE
from backend.training.world.captions import CaptionAttributes, caption
from backend.training.world.dubbing import Heard, heard_of, voiced_as
from backend.training.world.kinds import KINDS
from backend.training.world.places import PLACES
from backend.training.world.render import render
from backend.training.world.scene import Scene
from backend.training.world.sound import soundtrack
from backend.training.world.sound_captions import full_phrase

_NUM_FRAMES, _SIDE = 33, 128
_KINDS: dict[str, Callable[[Scene], bool]] = {
    "striking": lambda scene: bool(heard_of(scene).blows),
    "lasting": lambda scene: bool(scene.events) and not heard_of(scene).blows,
    "still": lambda scene: not scene.events,
}


@dataclass(frozen=True)
class Sounding:
    """A held-out scene: its frames (F, H, W, 3) uint8, its true sound (S,) at 16 kHz, what is heard in it."""

    scene: Scene
    frames: np.ndarray
    sound: np.ndarray
    heard: Heard


@dataclass(frozen=True)
class Override:
    """A prompt for all that is to be heard of a clip instead of what it shows, at the same moments."""

    prompt: str
    heard: Heard


def sounding_scenes(kind: str, count: int) -> list[Sounding]:
    """Return `count` held-out scenes in which something strikes, only lasts, or nothing moves (`still`)."""
    found: list[Sounding] = []
    seed = 0
    while len(found) < count:
        scene = KINDS["clip"](np.random.default_rng((seed, *b"heard")), num_frames=_NUM_FRAMES)
        if _KINDS[kind](scene):
            frames = render(scene, height=_SIDE, width=_SIDE).pixels.permute(0, 2, 3, 1).numpy()
            sound = soundtrack(scene, rate=SAMPLE_RATE, rng=np.random.default_rng((seed, *b"sound")))
            found.append(Sounding(scene, frames, sound, heard_of(scene)))
        seed += 1
    return found


def silent(
    scenes: Sequence[Sounding], *, encode: Callable[[np.ndarray], Tensor], prompts: Sequence[str] = ()
) -> Silent:
    """Return the clips of `scenes` to be heard, without words if there are no `prompts`.

    encode: frames (F, H, W, 3) uint8 to latents (1, C, F', H / 8, W / 8), 16 channels of appearance first.
    """
    video = torch.cat([encode(each.frames)[:, :16] for each in scenes]).float()
    motion = [motion_features(each.frames, frame_rate=each.scene.frame_rate) for each in scenes]
    return Silent.shown(video, torch.from_numpy(np.stack(motion)), list(prompts) or [""] * len(scenes))


def descriptions(scenes: Sequence[Sounding]) -> list[str]:
    """Return what a caption says of each scene: how it looks and moves, nothing of its sound."""
    return [
        caption(_words(each.scene), rng=random.Random(seed), typo_rate=0, sound="")
        for seed, each in enumerate(scenes)
    ]


def _words(scene: Scene) -> CaptionAttributes:
    return CaptionAttributes(scene.cast, scene.relation, scene.place, scene.camera_move)


def overrides(scenes: Sequence[Sounding]) -> list[Override]:
    """Return for each scene a prompt for another place and other voices than its own."""
    return [_override(each, random.Random(seed)) for seed, each in enumerate(scenes)]


def _override(sounding: Sounding, rng: random.Random) -> Override:
    heard = sounding.heard
    place = rng.choice([name for name in PLACES if name != heard.place])
    blow = "knock" if "impact" in heard.voices else "impact"
    lasting = rng.choice([v for v in ("hum", "spin", "glide_up", "glide_down") if v not in heard.voices])
    dubbed = heard_of(voiced_as(sounding.scene, place=place, blow=blow, lasting=lasting))
    return Override(full_phrase(dubbed, rng=rng), dubbed)
