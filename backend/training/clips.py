"""Training clips for the autoencoder: a cache of rendered scenes, textures and flow pictures, made once.

    python -m backend.training.clips FOLDER --shards N     fills the cache, one shard file at a time

Shards are uint8 arrays (64, 3, F, H, W) in .npy files, named by their seed. Making one again gives the same
bytes; an interrupted run leaves no half file. Any number of processes may fill one folder.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.training.flow_colours import flow_to_rgb
from backend.training.world.render import Rendering, render
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import Scene
from backend.training.world.textures import texture_clips

CLIPS_PER_SHARD = 64
NUM_FRAMES = 9
SIDE = 128
FIRST_TRAINING_SEED = 1000
_WHOLE_SIDES = (SIDE, 4 * SIDE)  # drafts, and what is detailed of them
_NUM_TEXTURES = 24
_NUM_FLOWS = 6
_NUM_HELD_OUT_SCENES = 24
_HELD_OUT_FRAMES = 33


def make_shard(seed: int) -> Tensor:
    """Return (64, 3, 9, 128, 128) uint8: 34 rendered scenes, the flow of 6 of them, 24 moving textures.

    Half of the scenes whose flow is not shown are cut out of pictures of 512 pixels.
    """
    rng = np.random.default_rng(seed)
    clips = []
    for index in range(CLIPS_PER_SHARD - _NUM_TEXTURES - _NUM_FLOWS):
        stride = float(rng.choice((1.0, 1.0, 2.0)))
        scene = sample_scene(rng, num_frames=NUM_FRAMES, time_stride=stride)
        rendering = _seen(scene, SIDE if index < _NUM_FLOWS else int(rng.choice(_WHOLE_SIDES)), rng)
        clips.append(rendering.pixels.transpose(0, 1))
        if index < _NUM_FLOWS:
            rgb = flow_to_rgb(rendering.flow)
            clips.append(((rgb + 1) * 127.5).round().to(torch.uint8).transpose(0, 1))
    generator = torch.Generator().manual_seed(seed)
    textures = texture_clips(
        _NUM_TEXTURES, num_frames=NUM_FRAMES, height=SIDE, width=SIDE, generator=generator
    )
    return torch.cat([torch.stack(clips), textures])


def _seen(scene: Scene, side: int, rng: np.random.Generator) -> Rendering:
    """Return 128 pixels somewhere in a picture of `side` pixels."""
    top, left = rng.integers(side - SIDE + 1, size=2).tolist()
    window = (slice(top, top + SIDE), slice(left, left + SIDE))
    return render(scene, height=side, width=side, window=window)


def fill(folder: Path, *, first: int, count: int) -> None:
    """Make shards `first` .. `first + count - 1` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        path = folder / f"{seed:06d}.npy"
        if path.exists():
            continue
        partial = path.with_suffix(f".{os.getpid()}.part")
        with partial.open("wb") as file:
            np.save(file, make_shard(seed).numpy())
        partial.replace(path)


def lengthened(clips: Tensor, *, num_frames: int) -> Tensor:
    """Return `clips` (B, C, F, H, W) played forward and backward in turn until they have `num_frames`."""
    period = 2 * (clips.shape[2] - 1)
    order = [min(index % period, period - index % period) for index in range(num_frames)]
    return clips[:, :, order]


def held_out(folder: Path, *, seed: int) -> dict[str, Tensor]:
    """Return clips of `seed`, below every training seed, by kind; scenes are 33 frames long, the rest 9.

    "close" are cut-outs of scenes of 512 pixels.
    """
    fill(folder, first=seed, count=1)
    shard = torch.from_numpy(np.load(folder / f"{seed:06d}.npy"))
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng, num_frames=_HELD_OUT_FRAMES) for _ in range(_NUM_HELD_OUT_SCENES)]
    rendered = [render(scene, height=SIDE, width=SIDE).pixels.transpose(0, 1) for scene in scenes]
    cut = [_seen(sample_scene(rng, num_frames=NUM_FRAMES), _WHOLE_SIDES[1], rng) for _ in scenes]
    return {
        "scenes": torch.stack(rendered),
        "close": torch.stack([each.pixels.transpose(0, 1) for each in cut]),
        "flow": shard[1 : 2 * _NUM_FLOWS : 2],
        "textures": shard[-_NUM_TEXTURES:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--shards", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fill(arguments.folder, first=arguments.first, count=arguments.shards)


if __name__ == "__main__":
    main()
