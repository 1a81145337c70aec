"""Training scenes for the base model: rendered clips, their exact flow and the words that describe them.

    python -m backend.training.scenes FOLDER --shards N --side 64 --frames 17      fills the cache

A shard is an .npz file named by its seed: pixels and flow pictures (64, 3, F, H, W) uint8, where the cast is
(64, F, H, W) bool, motion scores (64,) and attributes as JSON. The same seed gives the same shard.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.media.motion import motion_score
from backend.training.flow_colours import flow_to_rgb
from backend.training.world.captions import CaptionAttributes
from backend.training.world.render import render
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import ObjectWords, Scene

SCENES_PER_SHARD = 64
FIRST_TRAINING_SEED = 1000
_MIRRORED = {
    "rolls_left": "rolls_right",
    "rolls_right": "rolls_left",
    "pan_left": "pan_right",
    "pan_right": "pan_left",
    "orbit_left": "orbit_right",
    "orbit_right": "orbit_left",
}


@dataclass(frozen=True)
class SceneShard:
    """pixels and flow pictures (N, 3, F, H, W) uint8; cast (N, F, H, W) bool; motion_scores (N,); N rows."""

    pixels: Tensor
    flow_pictures: Tensor
    cast: Tensor
    motion_scores: Tensor
    attributes: list[CaptionAttributes]


def mirrored(attributes: CaptionAttributes) -> CaptionAttributes:
    """Return the words of the same scene seen in a mirror."""
    objects = tuple(replace(o, motion=_MIRRORED.get(o.motion, o.motion)) for o in attributes.objects)
    camera = _MIRRORED.get(attributes.camera, attributes.camera)
    return replace(attributes, objects=objects, camera=camera)


def attributes_of(scene: Scene) -> CaptionAttributes:
    """Return the words of `scene`."""
    return CaptionAttributes(scene.cast, scene.relation, scene.place, scene.camera_move)


def make_shard(path: Path, *, seed: int, side: int, num_frames: int) -> None:
    """Render and write the shard of `seed`."""
    rng = np.random.default_rng(seed)
    pixels, flows, casts, scores, words = [], [], [], [], []
    for _ in range(SCENES_PER_SHARD):
        scene = sample_scene(rng, num_frames=num_frames)
        rendering = render(scene, height=side, width=side)
        rgb = (flow_to_rgb(rendering.flow) + 1) * 127.5
        pixels.append(rendering.pixels.transpose(0, 1).numpy())
        flows.append(rgb.round().to(torch.uint8).transpose(0, 1).numpy())
        casts.append(rendering.cast.numpy())
        scores.append(motion_score(rendering.flow.numpy(), frame_rate=scene.frame_rate))
        words.append(asdict(attributes_of(scene)))
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(
            file,
            pixels=np.stack(pixels),
            flow_pictures=np.stack(flows),
            cast=np.stack(casts),
            motion_scores=np.array(scores, np.float32),
            attributes=np.array(json.dumps(words)),
        )
    partial.replace(path)


def load_shard(path: Path) -> SceneShard:
    """Return the shard at `path`."""
    with np.load(path) as data:
        rows: list[dict[str, Any]] = json.loads(str(data["attributes"]))
        return SceneShard(
            torch.from_numpy(data["pixels"]),
            torch.from_numpy(data["flow_pictures"]),
            torch.from_numpy(data["cast"]),
            torch.from_numpy(data["motion_scores"]),
            [attributes_from(row) for row in rows],
        )


def attributes_from(row: dict[str, Any]) -> CaptionAttributes:
    """Return the attributes that `dataclasses.asdict` turned into `row`."""
    return CaptionAttributes(
        tuple(ObjectWords(**words) for words in row["objects"]), row["relation"], row["place"], row["camera"]
    )


def fill(folder: Path, *, first: int, count: int, side: int, num_frames: int) -> None:
    """Make shards `first` .. `first + count - 1` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        path = folder / f"{seed:06d}.npz"
        if not path.exists():
            make_shard(path, seed=seed, side=side, num_frames=num_frames)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--frames", type=int, default=17)
    options = parser.parse_args()
    torch.set_num_threads(1)
    fill(
        options.folder,
        first=options.first,
        count=options.shards,
        side=options.side,
        num_frames=options.frames,
    )


if __name__ == "__main__":
    main()
