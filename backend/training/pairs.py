"""Training pairs of the refiner: cut-outs of large pictures beside what a draft shows of them, as latents.

    python -m backend.training.pairs FOLDER --vae FOLDER --kind clip --shards N --cut 256 --frames 17

A shard is an .npz file named by its seed, of 16 scenes and their mirror images: latents of the true cut-out
and of the draft's (32, 16, F, H, W) float16, whether the draft came from the autoencoder (32,), attributes.
Shards belong to one encoder: the folder carries the checksum of its weights.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.training.degradation import ENLARGEMENT, drafted, enlarged, scaled_down
from backend.training.latents import encode_pixels, encoder_sha256, forget_others, load_frozen
from backend.training.scenes import (
    FIRST_TRAINING_SEED,
    attributes_from,
    attributes_of,
    mirrored,
    save_shard,
    shard_scenes,
)
from backend.training.world.captions import CaptionAttributes
from backend.training.world.kinds import KINDS
from backend.training.world.render import render
from backend.training.world.scene import Scene

PICTURE_SIDE = 512
SCENES_PER_SHARD = 16
_DRAFT_CHANCE = 0.5
_CAST_CHANCE = 0.8
_STEP = 4  # pixels of the draft: cut-outs begin where tokens of the large picture do
_HELD_OUT_SEED = 7


@dataclass(frozen=True)
class PixelPair:
    """high: a cut-out of the true picture, low: the same of the enlarged draft, (3, F, S, S) uint8.

    is_draft: whether the draft came from the autoencoder, rather than from scaling the cut-out.
    """

    high: Tensor
    low: Tensor
    is_draft: bool
    attributes: CaptionAttributes


@dataclass(frozen=True)
class LatentPairs:
    """Latents of true and of low pictures (N, 16, F, S / 8, S / 8) float16; is_draft (N,); N attributes."""

    high: Tensor
    low: Tensor
    is_draft: Tensor
    attributes: list[CaptionAttributes]

    def __len__(self) -> int:
        return len(self.attributes)


@dataclass(frozen=True)
class HeldOutPairs:
    """Pairs that no training sees, as pixels and as latents."""

    pixels: list[PixelPair]
    latents: LatentPairs


def pixel_pairs(
    scene: Scene, *, cut_side: int, vae: VideoAutoencoder, generator: torch.Generator
) -> list[PixelPair]:
    """Return a pair of `cut_side` pixels of `scene` and one of its mirror image, of its own degradation."""
    whole_side = PICTURE_SIDE // ENLARGEMENT
    draft = render(scene, height=whole_side, width=whole_side, device=vae.device)
    top, left = cut_corner(draft.cast, cut_side // ENLARGEMENT, generator)
    window = (_enlarged_span(top, cut_side), _enlarged_span(left, cut_side))
    large = render(scene, height=PICTURE_SIDE, width=PICTURE_SIDE, window=window, device=vae.device)
    high, small, words = large.pixels.transpose(0, 1), draft.pixels.transpose(0, 1), attributes_of(scene)
    pairs = []
    for is_mirrored in (False, True):
        is_draft = bool(torch.rand((), generator=generator) < _DRAFT_CHANCE)
        if is_draft:
            low = enlarged(drafted(small, vae, generator=generator), window=window)
        else:
            low = enlarged(scaled_down(high))
        if is_mirrored:
            pairs.append(PixelPair(high.flip(-1).cpu(), low.flip(-1).cpu(), is_draft, mirrored(words)))
        else:
            pairs.append(PixelPair(high.cpu(), low.cpu(), is_draft, words))
    return pairs


def _enlarged_span(begin: int, length: int) -> slice:
    """Return `length` pixels of a large picture, beginning at pixel `begin` of its draft."""
    return slice(begin * ENLARGEMENT, begin * ENLARGEMENT + length)


def cut_corner(cast: Tensor, size: int, generator: torch.Generator) -> tuple[int, int]:
    """Return row and column of a random square of `size` in `cast` (F, H, W) bool, mostly where it is."""
    shares = functional.avg_pool2d(cast.float().mean(0).cpu()[None, None], size, stride=_STEP)[0, 0]
    is_around_cast = bool(torch.rand((), generator=generator) < _CAST_CHANCE)
    chances = shares.flatten() + 1e-4 if is_around_cast else torch.ones(shares.numel())
    picked = int(torch.multinomial(chances, 1, generator=generator))
    return picked // shares.shape[1] * _STEP, picked % shares.shape[1] * _STEP


def shard_pairs(
    kind: str, *, seed: int, num_frames: int, cut_side: int, vae: VideoAutoencoder
) -> Iterator[PixelPair]:
    """Yield the pairs of the shard of `kind` and `seed`, each before that of its mirror image."""
    generator = torch.Generator().manual_seed(seed)
    for scene in islice(shard_scenes(kind, seed=seed, num_frames=num_frames), SCENES_PER_SHARD):
        yield from pixel_pairs(scene, cut_side=cut_side, vae=vae, generator=generator)


def held_out_pairs(
    kind: str, *, count: int, num_frames: int, cut_side: int, vae: VideoAutoencoder
) -> HeldOutPairs:
    """Return pairs of the first `count` scenes of a seed below those of training, no mirror images."""
    pairs = shard_pairs(kind, seed=_HELD_OUT_SEED, num_frames=num_frames, cut_side=cut_side, vae=vae)
    pixels = [*islice(pairs, 0, 2 * count, 2)]
    return HeldOutPairs(pixels, encoded(pixels, vae))


def encoded(pairs: Sequence[PixelPair], vae: VideoAutoencoder) -> LatentPairs:
    """Return the latents of `pairs`."""
    return LatentPairs(
        high=torch.cat([encode_pixels(pair.high[None], vae, vae.device) for pair in pairs]),
        low=torch.cat([encode_pixels(pair.low[None], vae, vae.device) for pair in pairs]),
        is_draft=torch.tensor([pair.is_draft for pair in pairs]),
        attributes=[pair.attributes for pair in pairs],
    )


def load_pairs(folder: Path) -> LatentPairs:
    """Return all shards of `folder` as one; raises FileNotFoundError if there is none."""
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"No pairs in {folder}; prepare for more minutes.")
    parts = [_load_shard(path) for path in paths]
    return LatentPairs(
        high=torch.cat([part.high for part in parts]),
        low=torch.cat([part.low for part in parts]),
        is_draft=torch.cat([part.is_draft for part in parts]),
        attributes=[words for part in parts for words in part.attributes],
    )


def _load_shard(path: Path) -> LatentPairs:
    with np.load(path) as data:
        words = [attributes_from(row) for row in json.loads(str(data["attributes"]))]
        high, low, is_draft = (torch.from_numpy(data[name]) for name in ("high", "low", "is_draft"))
    return LatentPairs(high, low, is_draft, words)


def fill(
    folder: Path, *, first: int, count: int, kind: str, num_frames: int, cut_side: int, vae: VideoAutoencoder
) -> None:
    """Make shards `first` .. `first + count - 1` that are not there yet; forget those of another encoder."""
    forget_others(folder, encoder_sha256(vae))
    for seed in range(first, first + count):
        path = folder / f"{seed:06d}.npz"
        if not path.exists():
            pairs = shard_pairs(kind, seed=seed, num_frames=num_frames, cut_side=cut_side, vae=vae)
            latents = encoded([*pairs], vae)
            save_shard(
                path,
                high=latents.high.numpy(),
                low=latents.low.numpy(),
                is_draft=latents.is_draft.numpy(),
                attributes=np.array(json.dumps([asdict(row) for row in latents.attributes])),
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--kind", choices=tuple(KINDS), default="clip")
    parser.add_argument("--first", type=int, default=FIRST_TRAINING_SEED)
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--cut", type=int, default=256)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    fill(
        options.folder,
        first=options.first,
        count=options.shards,
        kind=options.kind,
        num_frames=options.frames,
        cut_side=options.cut,
        vae=load_frozen(options.vae, options.device),
    )


if __name__ == "__main__":
    main()
