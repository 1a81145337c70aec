"""Scenes with their sound: what the soundtrack model is trained on, beside the video latents of a collection.

    python -m backend.training.sounding SCENES SOUNDS [--part I N]      fills SOUNDS for all shards of SCENES

A sound shard has the rows of a latent shard, each scene and then each mirror image: log-mels (N, 208, 64) of
the true soundtrack and of a dubbed one, float16; motion features (N, F, 3072) of the pixels, float16; and
what is heard in either, as JSON. The same scene shard gives the same sound shard again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from backend.media.motion import motion_features
from backend.models.kinora.mel import HOP_LENGTH, SAMPLE_RATE, log_mel
from backend.models.kinora.sound_autoencoder import MEL_FACTOR
from backend.training.scenes import attributes_from, save_shard, shard_scenes
from backend.training.world.cameras import orbit_features
from backend.training.world.captions import CaptionAttributes
from backend.training.world.dubbing import Heard, dubbed, heard_of
from backend.training.world.scene import Scene
from backend.training.world.sound import soundtrack

_STEP_SAMPLES = MEL_FACTOR * HOP_LENGTH


@dataclass(frozen=True)
class SoundingClips:
    """N clips with their sound, scenes and mirror images.

    video (N, 16, F', H, W) float16: appearance latents. motion (N, F, 3072) float16. mels and dubbed_mels
    (N, T, 64) float16: normalised log-mels. heard, dubbed_heard: what is heard in either.
    """

    video: Tensor
    motion: Tensor
    mels: Tensor
    dubbed_mels: Tensor
    heard: list[Heard]
    dubbed_heard: list[Heard]
    attributes: list[CaptionAttributes]

    def __len__(self) -> int:
        return len(self.attributes)


@dataclass(frozen=True)
class HeardSounds:
    """mels (N, T, 64) float16 of sounds and what is heard in each: those of a shard, then its dubs."""

    mels: Tensor
    heard: list[Heard]


def mels_of(sound: np.ndarray) -> Tensor:
    """Return normalised log-mels (T, 64) of `sound` (S,) at 16 kHz; T is the multiple of 4 that covers it.

    What is missing of the last latent step, less than 40 ms, is mirrored.
    """
    missing = -len(sound) % _STEP_SAMPLES
    whole = np.pad(sound, (0, missing), mode="symmetric")
    return log_mel(torch.from_numpy(whole)[None])[0]


def make_shard(source: Path, target: Path) -> None:
    """Write sound and motion of the scene shard `source` to `target`.

    Raises ValueError where the scenes of its seed are no longer those that were rendered.
    """
    seed = int(source.stem)
    with np.load(source) as data:
        pixels, cameras = data["pixels"], data["cameras"]
    scenes = list(shard_scenes("clip", seed=seed, num_frames=pixels.shape[2]))
    for scene, camera in zip(scenes, cameras, strict=True):
        if not np.allclose(orbit_features(scene.camera), camera, atol=1e-5):
            raise ValueError(f"{source} is of another version of the world; delete it and render again.")
    rng = np.random.default_rng((seed, *b"sound"))
    spoken = [dubbed(scene, rng=rng) for scene in (*scenes, *scenes)]
    save_shard(
        target,
        mels=_sounds([*scenes, *scenes], rng),
        dubbed_mels=_sounds(spoken, rng),
        motion=np.concatenate([_motions(pixels, scenes), _motions(pixels[..., ::-1], scenes)]),
        heard=_as_json([*scenes, *scenes]),
        dubbed_heard=_as_json(spoken),
    )


def load_sounding(latents: Path, sounds: Path) -> SoundingClips:
    """Return all clips of the folder `latents` whose sound is in `sounds`, in the order of their seeds.

    Raises FileNotFoundError where the sound of the first shard, which is held out, is missing.
    """
    paths = sorted(latents.glob("*.npz"))
    if not paths or not (sounds / paths[0].name).exists():
        raise FileNotFoundError(f"No sound for the first clips of {latents} in {sounds}; prepare it first.")
    return joined([_load(path, sounds / path.name) for path in paths if (sounds / path.name).exists()])


def load_heard(sounds: Path) -> HeardSounds:
    """Return all sounds of the folder `sounds`, true and dubbed; FileNotFoundError where there are none."""
    paths = sorted(sounds.glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"No sounds in {sounds}; prepare them first.")
    mels, heard = [], []
    for path in paths:
        with np.load(path) as data:
            mels += [torch.from_numpy(data[name]) for name in ("mels", "dubbed_mels")]
            heard += [row for name in ("heard", "dubbed_heard") for row in _from_json(data[name])]
    return HeardSounds(torch.cat(mels), heard)


def joined(parts: Sequence[SoundingClips]) -> SoundingClips:
    """Return `parts`, of clips of one length, as one."""
    lists = ("heard", "dubbed_heard", "attributes")
    joined_up: dict[str, Any] = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("video", "motion", "mels", "dubbed_mels")
    }
    joined_up |= {name: [row for part in parts for row in getattr(part, name)] for name in lists}
    return SoundingClips(**joined_up)


def fill(scenes: Path, sounds: Path, *, part: int = 0, num_parts: int = 1) -> None:
    """Make the sound shards, not there yet, of every `num_parts`-th shard of `scenes` from `part` on."""
    sounds.mkdir(parents=True, exist_ok=True)
    for source in sorted(scenes.glob("*.npz"))[part::num_parts]:
        target = sounds / source.name
        if not target.exists():
            make_shard(source, target)


def _load(latents: Path, sounds: Path) -> SoundingClips:
    with np.load(latents) as seen, np.load(sounds) as heard:
        return SoundingClips(
            video=torch.from_numpy(seen["appearance"]),
            motion=torch.from_numpy(heard["motion"]),
            mels=torch.from_numpy(heard["mels"]),
            dubbed_mels=torch.from_numpy(heard["dubbed_mels"]),
            heard=_from_json(heard["heard"]),
            dubbed_heard=_from_json(heard["dubbed_heard"]),
            attributes=[attributes_from(row) for row in json.loads(str(seen["attributes"]))],
        )


def _sounds(scenes: Sequence[Scene], rng: np.random.Generator) -> np.ndarray:
    mels = [mels_of(soundtrack(scene, rate=SAMPLE_RATE, rng=rng)) for scene in scenes]
    return torch.stack(mels).half().numpy()


def _motions(pixels: np.ndarray, scenes: Sequence[Scene]) -> np.ndarray:
    """Return motion features (N, F, 3072) float16 of `pixels` (N, 3, F, H, W) uint8."""
    clips = (np.ascontiguousarray(each.transpose(1, 2, 3, 0)) for each in pixels)
    rows = [motion_features(clip, frame_rate=s.frame_rate) for clip, s in zip(clips, scenes, strict=True)]
    return np.stack(rows).astype(np.float16)


def _as_json(scenes: Sequence[Scene]) -> np.ndarray:
    return np.array(json.dumps([asdict(heard_of(scene)) for scene in scenes]))


def _from_json(text: Any) -> list[Heard]:
    rows = json.loads(str(text))
    return [Heard(row["place"], tuple(row["voices"]), tuple(row["blows"])) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", type=Path)
    parser.add_argument("sounds", type=Path)
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="one of N processes"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    fill(options.scenes, options.sounds, part=options.part[0], num_parts=options.part[1])


if __name__ == "__main__":
    main()
