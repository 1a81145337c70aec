"""Training scenes for the base model: rendered clips, their exact flow and the words that describe them.

    python -m backend.training.scenes FOLDER --kind clip --shards N --size 128 128 --frames 33

A shard is an .npz file named by its seed: pixels and flow pictures (64, 3, F, H, W) uint8, where the cast is
(64, F, H, W) bool, where the camera stands (64, F, 6), motion scores (64,) and attributes as JSON. The same
seed gives the same shard.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.media.motion import motion_score
from backend.training.flow_colours import flow_to_rgb
from backend.training.world.cameras import orbit_features
from backend.training.world.captions import CaptionAttributes
from backend.training.world.kinds import KINDS
from backend.training.world.render import render
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
    """pixels and flow pictures (N, 3, F, H, W) uint8; cast (N, F, H, W) bool; motion_scores (N,); N rows.

    cameras: `orbit_features` (N, F, 6).
    """

    pixels: Tensor
    flow_pictures: Tensor
    cast: Tensor
    cameras: Tensor
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


def shard_scenes(kind: str, *, seed: int, num_frames: int) -> Iterator[Scene]:
    """Yield the scenes of the shard of `kind` and `seed`; no two kinds share one."""
    rng = np.random.default_rng(seed if kind == "clip" else (seed, *kind.encode()))
    for _ in range(SCENES_PER_SHARD):
        yield KINDS[kind](rng, num_frames=num_frames)


def make_shard(path: Path, *, seed: int, kind: str, size: tuple[int, int], num_frames: int) -> None:
    """Render and write the shard of `seed`, pictures of `size`: height and width in pixels."""
    pixels, flows, casts, cameras, scores, words = [], [], [], [], [], []
    for scene in shard_scenes(kind, seed=seed, num_frames=num_frames):
        rendering = render(scene, height=size[0], width=size[1])
        flow = rendering.flow if num_frames > 1 else torch.zeros(1, 2, *size)
        rgb = (flow_to_rgb(flow)[:num_frames] + 1) * 127.5
        pixels.append(rendering.pixels.transpose(0, 1).numpy())
        flows.append(rgb.round().to(torch.uint8).transpose(0, 1).numpy())
        casts.append(rendering.cast.numpy())
        cameras.append(orbit_features(scene.camera))
        scores.append(motion_score(flow.numpy(), frame_rate=scene.frame_rate))
        words.append(asdict(attributes_of(scene)))
    save_shard(
        path,
        pixels=np.stack(pixels),
        flow_pictures=np.stack(flows),
        cast=np.stack(casts),
        cameras=np.stack(cameras),
        motion_scores=np.array(scores, np.float32),
        attributes=np.array(json.dumps(words)),
    )


def save_shard(path: Path, **arrays: np.ndarray) -> None:
    """Write `arrays` to the .npz file `path`, all of them or, if interrupted, nothing."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stubs take arrays for `allow_pickle`
    partial.replace(path)


def load_shard(path: Path) -> SceneShard:
    """Return the shard at `path`."""
    with np.load(path) as data:
        rows: list[dict[str, Any]] = json.loads(str(data["attributes"]))
        return SceneShard(
            torch.from_numpy(data["pixels"]),
            torch.from_numpy(data["flow_pictures"]),
            torch.from_numpy(data["cast"]),
            torch.from_numpy(data["cameras"]),
            torch.from_numpy(data["motion_scores"]),
            [attributes_from(row) for row in rows],
        )


def attributes_from(row: dict[str, Any]) -> CaptionAttributes:
    """Return the attributes that `dataclasses.asdict` turned into `row`."""
    return CaptionAttributes(
        tuple(ObjectWords(**words) for words in row["objects"]), row["relation"], row["place"], row["camera"]
    )


def fill(
    folder: Path, *, first: int, count: int, size: tuple[int, int], num_frames: int, kind: str = "clip"
) -> None:
    """Make shards `first` .. `first + count - 1` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        path = folder / f"{seed:06d}.npz"
        if not path.exists():
            make_shard(path, seed=seed, kind=kind, size=size, num_frames=num_frames)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", choices=tuple(KINDS), default="clip")
    parser.add_argument("--first", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(64, 64), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--frames", type=int, default=17)
    options = parser.parse_args()
    torch.set_num_threads(1)
    fill(
        options.folder,
        first=options.first,
        count=options.shards,
        size=tuple(options.size),
        num_frames=options.frames,
        kind=options.kind,
    )


if __name__ == "__main__":
    main()
