"""What the diffusion members are trained on: collections of scenes, rendered and encoded into the cache.

A collection lives in `scenes/KIND-SIZE-FRAMES` of the cache, its latents in `latents/KIND-SIZE-FRAMES`. Pairs
for the refiner are encoded at once and live in `pairs/KIND-SIDE-FRAMES`, of the side of their cut-outs;
details for the finisher in `details/SIDE-FRAMES`. Sound and motion of plain clips live in
`sounds/KIND-SIDE-FRAMES`.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import torch

from backend.training.finishing import (
    CUT_SIDE,
    NUM_FRAMES,
    Triples,
    held_out_triples,
    load_maker,
    load_triples,
)
from backend.training.latents import LatentClips, encode_all, joined, load_frozen, load_latents
from backend.training.pairs import HeldOutPairs, LatentPairs, held_out_pairs, load_pairs
from backend.training.scenes import FIRST_TRAINING_SEED
from backend.training.sounding import HeardSounds, SoundingClips, load_heard, load_sounding


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Scenes of one kind. share: the part of the time to prepare that rendering them may take.

    size: height and width in pixels. first: the seed of the first shard, so that no scene is in two shapes.
    """

    kind: str
    num_frames: int
    num_shards: int
    share: float
    size: tuple[int, int] = (128, 128)
    first: int = FIRST_TRAINING_SEED

    @property
    def name(self) -> str:
        """Return the folder of its scenes, or of their latents."""
        height, width = self.size
        return f"{self.kind}-{height if height == width else f'{height}x{width}'}-{self.num_frames}"


COLLECTIONS = (
    Collection(kind="picture", num_frames=1, num_shards=500, share=0.1),
    Collection(kind="view", num_frames=33, num_shards=8, share=0.1),
    Collection(kind="story", num_frames=129, num_shards=8, share=0.15),
    Collection(kind="clip", num_frames=33, num_shards=400, share=0.5),
)
SHAPED = (
    Collection(kind="clip", num_frames=33, num_shards=100, share=0.1, size=(128, 224), first=100_000),
    Collection(kind="clip", num_frames=33, num_shards=60, share=0.05, size=(224, 128), first=200_000),
)
"""Clips outside the square: the widest and the tallest that the base model makes (`spec`)."""
_PICTURES, _, _, _CLIPS = COLLECTIONS
_SPARSE = Collection(kind="sparse", num_frames=17, num_shards=60, share=1.0, size=(64, 64))
_CLIP_LATENTS = 9
_DETAIL_SHARDS, _HELD_OUT_DETAILS = 100, 8


def clip_scenes(cache: Path) -> Path:
    """Return the folder of the scenes that plain clips are made of."""
    return cache / "scenes" / _CLIPS.name


def prepare_for_verifier(cache: Path, *, minutes: float) -> tuple[Path, list[Path]]:
    """Render for `minutes`; return the folder of pictures and those of clips."""
    pictures, sparse = cache / "scenes" / _PICTURES.name, cache / "scenes" / _SPARSE.name
    _render(_PICTURES, pictures, minutes=0.3 * minutes)
    _render(_SPARSE, sparse, minutes=0.7 * minutes)
    return pictures, [sparse, clip_scenes(cache)]


@dataclass(frozen=True, kw_only=True)
class PairCollection(Collection):
    """Cut-outs of one kind. cut_side: their pixels a side; held_out: scenes that are only measured."""

    cut_side: int
    held_out: int


PAIR_COLLECTIONS = {
    "clip": PairCollection(kind="clip", num_frames=17, num_shards=400, share=0.65, cut_side=256, held_out=8),
    "long": PairCollection(kind="clip", num_frames=33, num_shards=400, share=0.25, cut_side=128, held_out=4),
    "picture": PairCollection(
        kind="picture", num_frames=1, num_shards=400, share=0.1, cut_side=256, held_out=8
    ),
}
"""By name. Long clips are as long as those that the refiner is given; they are cut smaller."""


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs by the name of their collection: those to train on and those only to measure."""

    trained: dict[str, LatentPairs]
    held_out: dict[str, HeldOutPairs]


def prepare_pairs(cache: Path, *, minutes: float, vae_folder: Path, device: torch.device) -> TrainingPairs:
    """Render and encode pairs for `minutes`; raises FileNotFoundError where a collection is still empty."""
    trained = {}
    for name, each in PAIR_COLLECTIONS.items():
        folder = cache / "pairs" / f"{each.kind}-{each.cut_side}-{each.num_frames}"
        shape = ("--kind", each.kind, "--frames", str(each.num_frames), "--cut", str(each.cut_side))
        source = ("--vae", str(vae_folder), "--device", str(device), "--shards", str(each.num_shards))
        _fill("pairs", folder, *shape, *source, minutes=minutes * each.share)
        trained[name] = load_pairs(folder)
    vae = load_frozen(vae_folder, device)
    held_out = {
        name: held_out_pairs(
            each.kind, count=each.held_out, num_frames=each.num_frames, cut_side=each.cut_side, vae=vae
        )
        for name, each in PAIR_COLLECTIONS.items()
    }
    return TrainingPairs(trained, held_out)


@dataclass(frozen=True)
class TrainingDetails:
    """Decoded details beside their drafts and truths: those to train on and those only to measure."""

    trained: Triples
    held_out: Triples


def prepare_details(cache: Path, *, minutes: float, family: Path, device: torch.device) -> TrainingDetails:
    """Make details for `minutes`; raises FileNotFoundError where there are none by then.

    family: folder of the published members, which make them. Raises WeightsError where those are not whole.
    """
    folder = cache / "details" / f"{CUT_SIDE}-{NUM_FRAMES}"
    source = ("--family", str(family), "--device", str(device), "--shards", str(_DETAIL_SHARDS))
    _fill("finishing", folder, *source, minutes=minutes)
    held_out = held_out_triples(load_maker(family, device), count=_HELD_OUT_DETAILS)
    return TrainingDetails(load_triples(folder), held_out)


@dataclass(frozen=True)
class TrainingLatents:
    """Clips of nine latents (plain ones first, then views and strided stories), and pictures of one.

    shaped: clips of other shapes than the square, those of one shape together.
    """

    clips: LatentClips
    pictures: LatentClips
    shaped: tuple[LatentClips, ...] = ()


def prepare(cache: Path, *, minutes: float, vae_folder: Path, device: torch.device) -> TrainingLatents:
    """Render for `minutes`, then encode what is there; raises FileNotFoundError where nothing is.

    Shaped clips have little of that time: a shape of which no shard was done by then is left out.
    """
    for each in (*COLLECTIONS, *SHAPED):
        _render(each, cache / "scenes" / each.name, minutes=minutes * each.share)
    for each in (*COLLECTIONS, *SHAPED):
        scenes, latents = (cache / part / each.name for part in ("scenes", "latents"))
        encode_all(scenes, latents, vae_folder=vae_folder, device=device)

    def loaded(each: Collection) -> LatentClips:
        num_latents = _CLIP_LATENTS if each.kind == "story" else None
        return load_latents(cache / "latents" / each.name, source=each.kind, num_latents=num_latents)

    pictures, views, stories, clips = map(loaded, COLLECTIONS)
    is_there = (any((cache / "latents" / each.name).glob("*.npz")) for each in SHAPED)
    shaped = tuple(map(loaded, compress(SHAPED, is_there)))
    return TrainingLatents(joined([clips, views, stories]), pictures, shaped)


def prepare_sounding(cache: Path, *, minutes: float, vae_folder: Path, device: torch.device) -> SoundingClips:
    """Return plain clips with their sound, after at most `minutes` of rendering and synthesis on all cores.

    Raises FileNotFoundError where there are no clips with sound by then.
    """
    sounds, latents = _synthesise(cache, minutes=minutes), cache / "latents" / _CLIPS.name
    encode_all(clip_scenes(cache), latents, vae_folder=vae_folder, device=device)
    return load_sounding(latents, sounds)


def prepare_heard(cache: Path, *, minutes: float) -> HeardSounds:
    """Return sounds of plain clips, after at most `minutes`; FileNotFoundError where there are none."""
    return load_heard(_synthesise(cache, minutes=minutes))


def _synthesise(cache: Path, *, minutes: float) -> Path:
    """Render plain clips and make their sound for at most `minutes`; return the folder of the sounds."""
    scenes, sounds = clip_scenes(cache), cache / "sounds" / _CLIPS.name
    _render(_CLIPS, scenes, minutes=_CLIPS.share * minutes)
    parts = os.cpu_count() or 1
    deadline = time.monotonic() + 60 * minutes * (1 - _CLIPS.share)
    with ExitStack() as running:
        shares = (("--part", str(part), str(parts)) for part in range(parts))
        processes = [
            running.enter_context(filling("sounding", scenes, str(sounds), *share)) for share in shares
        ]
        while time.monotonic() < deadline and any(process.poll() is None for process in processes):
            time.sleep(1)
    return sounds


def _render(collection: Collection, folder: Path, *, minutes: float) -> None:
    """Render shards of `collection` into `folder` for at most `minutes`."""
    size, first = map(str, collection.size), ("--first", str(collection.first))
    shape = ("--size", *size, "--frames", str(collection.num_frames), "--kind", collection.kind)
    _fill("scenes", folder, *shape, *first, "--shards", str(collection.num_shards), minutes=minutes)


def _fill(module: str, folder: Path, *arguments: str, minutes: float) -> None:
    """Run `backend.training.module` on `folder` in a second process until it is done or for `minutes`."""
    with filling(module, folder, *arguments) as process:
        deadline = time.monotonic() + 60 * minutes
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(1)


@contextmanager
def filling(module: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `backend.training.module` on `folder` in a second process until the block ends."""
    command = [sys.executable, "-m", f"backend.training.{module}", str(folder), *arguments]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
