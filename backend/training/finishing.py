"""What the finisher learns from: details as they are decoded, beside the enlarged draft and the true picture.

    python -m backend.training.finishing FOLDER --family FOLDER --shards N

Drafts are training scenes rendered small, some of them as the autoencoder shows them, or what the base model
makes of a scene's caption; a cut-out of each is detailed by the published members as `pipelines.detail` does,
all but the finishing; the truth is the same cut-out of the scene rendered large, which made drafts are like
only as a whole. A shard is an .npz file named by its seed, of 16 scenes: "made", "low" and "true"
(16, F, S, S, 3) uint8 and "kinds" (16,). Shards belong to the members that made them: the folder carries
their checksum.
"""

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from backend.models.engine import Engine
from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.engine import load
from backend.models.weights import weights_sha256
from backend.pipelines.clip import make_clip
from backend.pipelines.detail import Draft, enlarged, make_detail, part_of
from backend.requests import ClipRequest, DetailRequest
from backend.training.degradation import drafted
from backend.training.latents import forget_others, load_frozen
from backend.training.pairs import PICTURE_SIDE, SCENES_PER_SHARD, cut_corner
from backend.training.scenes import FIRST_TRAINING_SEED, attributes_of, save_shard, shard_scenes
from backend.training.world.captions import caption
from backend.training.world.render import render
from backend.training.world.scene import Scene

FIRST_SEED = FIRST_TRAINING_SEED + 5000
"""The refiner is trained on scenes of seeds before: what it makes of those may be better than in use."""
NUM_FRAMES = 5
CUT_SIDE = 256
SCALED, DRAFTED, OTHER_SIZE, MADE = range(4)
"""Kinds of drafts: rendered at the usual size, the same through the autoencoder, of another size, and made of
the caption."""
MAKERS = ("refiner", "text_encoder", "transformer", "vae")
_KIND_CHANCES = (0.36, 0.1, 0.08, 0.46)
_USUAL_SIDE, _OTHER_SIDES = 128, (64, 256)
_HELD_OUT_SEED = 7
_ALIGNED_PIXELS = 16
_NO_FILE = "0" * 64


@dataclass(frozen=True)
class Triples:
    """Detailed cut-outs, the enlarged drafts and the truth (N, F, S, S, 3) uint8; kinds of draft (N,)."""

    made: np.ndarray
    low: np.ndarray
    true: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True)
class Maker:
    """The engine as it is published, less its finisher, and its autoencoder to make drafts with."""

    engine: Engine
    vae: VideoAutoencoder


def load_maker(family: Path, device: torch.device) -> Maker:
    """Return the published members in the folder `family`; raises WeightsError where they are not whole."""
    engine = load(family.parent, device.type)
    assert engine.spec.detail is not None
    engine.spec = replace(engine.spec, detail=replace(engine.spec.detail, has_finisher=False))
    return Maker(engine, load_frozen(family / "vae", torch.device("cpu")))


def triple(scene: Scene, maker: Maker, *, cut_side: int, generator: torch.Generator) -> Triples:
    """Return one triple of a cut-out of `cut_side` pixels of `scene`."""
    kind = int(torch.multinomial(torch.tensor(_KIND_CHANCES), 1, generator=generator))
    seed = int(torch.randint(2**31, (), generator=generator))
    side = _OTHER_SIDES[seed % 2] if kind == OTHER_SIZE else _USUAL_SIDE
    rendering = render(scene, height=side, width=side)
    prompt = caption(attributes_of(scene), rng=random.Random(seed))
    pixels = rendering.pixels.transpose(0, 1)
    if kind == DRAFTED:
        pixels = drafted(pixels, maker.vae, generator=generator)
    frames = pixels.permute(1, 2, 3, 0).numpy()
    if kind == MADE:
        frames = _made_draft(maker.engine, prompt, seed=seed)[: len(frames)]
    corner = cut_corner(rendering.cast, cut_side * side // PICTURE_SIDE, generator)
    top, left = (begin * PICTURE_SIDE // side // _ALIGNED_PIXELS * _ALIGNED_PIXELS for begin in corner)
    bottom, right = top + cut_side, left + cut_side
    truth = _true(scene, top, left, cut_side)
    draft = Draft(frames, float(scene.frame_rate))
    request = DetailRequest(
        engine=maker.engine.spec.name,
        source=_NO_FILE,
        prompt=prompt,
        seed=seed,
        target_size=512,
        box=(left / PICTURE_SIDE, top / PICTURE_SIDE, right / PICTURE_SIDE, bottom / PICTURE_SIDE),
    )
    made = make_detail(maker.engine, request, draft).frames
    low = enlarged(draft, part_of(request, draft), frame_rule=maker.engine.spec.frame_rule)
    return Triples(made[None], low[None, : len(made)], truth[None], np.array([kind]))


def _made_draft(engine: Engine, prompt: str, *, seed: int) -> np.ndarray:
    """Return the frames (T, H, W, 3) of the shortest clip that `engine` makes of `prompt`."""
    request = ClipRequest(
        engine=engine.spec.name, prompt=prompt, seed=seed, duration_seconds=engine.spec.duration_range[0]
    )
    return make_clip(engine, request).frames


def _true(scene: Scene, top: int, left: int, cut_side: int) -> np.ndarray:
    """Return the true frames (T, cut_side, cut_side, 3) of a cut-out."""
    window = (slice(top, top + cut_side), slice(left, left + cut_side))
    large = render(scene, height=PICTURE_SIDE, width=PICTURE_SIDE, window=window)
    return large.pixels.permute(0, 2, 3, 1).numpy()


def shard_triples(
    seed: int, maker: Maker, *, num_frames: int = NUM_FRAMES, cut_side: int = CUT_SIDE
) -> Iterator[Triples]:
    """Yield the triples of the shard of `seed`, one by one."""
    generator = torch.Generator().manual_seed(seed)
    for scene in islice(shard_scenes("clip", seed=seed, num_frames=num_frames), SCENES_PER_SHARD):
        yield triple(scene, maker, cut_side=cut_side, generator=generator)


def held_out_triples(maker: Maker, *, count: int) -> Triples:
    """Return the first `count` triples, of drafts that have a truth, of a seed below those of training."""
    triples = (each for each in shard_triples(_HELD_OUT_SEED, maker) if each.kinds[0] != MADE)
    return joined([*islice(triples, count)])


def joined(parts: list[Triples]) -> Triples:
    """Return `parts`, of one size, as one."""
    names = [each.name for each in fields(Triples)]
    return Triples(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def load_triples(folder: Path) -> Triples:
    """Return all shards of `folder` as one; raises FileNotFoundError if there is none."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"No details in {folder}; prepare for more minutes.")
    return joined([_load_shard(path) for path in paths])


def _load_shard(path: Path) -> Triples:
    with np.load(path) as data:
        return Triples(**{each.name: data[each.name] for each in fields(Triples)})


def fill(folder: Path, *, first: int, count: int, family: Path, device: torch.device) -> None:
    """Make shards `first` .. `first + count - 1` that are not there yet; forget those of other members."""
    forget_others(folder, weights_sha256(family, members=MAKERS))
    maker = load_maker(family, device)
    for seed in range(first, first + count):
        path = folder / f"{seed:06d}.npz"
        if not path.exists():
            made = joined([*shard_triples(seed, maker)])
            save_shard(path, made=made.made, low=made.low, true=made.true, kinds=made.kinds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", type=Path, required=True)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--shards", type=int, default=60)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    fill(
        options.folder,
        first=options.first,
        count=options.shards,
        family=options.family,
        device=options.device,
    )


if __name__ == "__main__":
    main()
