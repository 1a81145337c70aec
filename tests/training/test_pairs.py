"""Pairs for the refiner: true cut-outs beside what a draft shows of them, placed around the cast."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.training.degradation import enlarged, scaled_down
from backend.training.latents import encode_pixels
from backend.training.pairs import (
    PICTURE_SIDE,
    SCENES_PER_SHARD,
    LatentPairs,
    cut_corner,
    fill,
    held_out_pairs,
    load_pairs,
    pixel_pairs,
    shard_pairs,
)
from backend.training.scenes import FIRST_TRAINING_SEED, attributes_of, mirrored, shard_scenes
from backend.training.world.kinds import KINDS
from backend.training.world.render import render

CPU = torch.device("cpu")
CUT = 64
SHAPE = {"num_frames": 1, "cut_side": CUT}


@pytest.fixture(scope="module")
def vae() -> VideoAutoencoder:
    torch.manual_seed(0)
    small = VideoAutoencoder(
        quarter_width=8, eighth_width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=4
    )
    return small.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, vae: VideoAutoencoder) -> Path:
    path = tmp_path_factory.mktemp("pairs")
    fill(path, first=FIRST_TRAINING_SEED, count=1, kind="picture", vae=vae, **SHAPE)
    return path


@pytest.fixture(scope="module")
def pairs(folder: Path) -> LatentPairs:
    return load_pairs(folder)


def test_a_shard_holds_every_scene_and_its_mirror_image(pairs: LatentPairs) -> None:
    assert len(pairs) == 2 * SCENES_PER_SHARD
    assert pairs.high.shape == pairs.low.shape == (2 * SCENES_PER_SHARD, 16, 1, CUT // 8, CUT // 8)
    assert pairs.high.dtype == pairs.low.dtype == torch.float16
    scenes = shard_scenes("picture", seed=FIRST_TRAINING_SEED, num_frames=1)
    assert pairs.attributes[::2] == [attributes_of(next(scenes)) for _ in range(SCENES_PER_SHARD)]
    assert pairs.attributes[1::2] == [mirrored(words) for words in pairs.attributes[::2]]


def test_latents_are_those_of_the_pixels(pairs: LatentPairs, vae: VideoAutoencoder) -> None:
    made = shard_pairs("picture", seed=FIRST_TRAINING_SEED, vae=vae, **SHAPE)
    for row, pair in zip(range(4), made, strict=False):
        assert torch.equal(pairs.high[row], encode_pixels(pair.high[None], vae, CPU)[0])
        assert torch.equal(pairs.low[row], encode_pixels(pair.low[None], vae, CPU)[0])
        assert bool(pairs.is_draft[row]) == pair.is_draft


def test_half_the_drafts_come_from_the_autoencoder(pairs: LatentPairs) -> None:
    assert 8 <= pairs.is_draft.sum() <= 24


@pytest.mark.parametrize("seed", range(4))
def test_a_pair_shows_one_place_of_the_scene(seed: int, vae: VideoAutoencoder) -> None:
    scene = KINDS["clip"](np.random.default_rng(seed), num_frames=5)
    generator = torch.Generator().manual_seed(seed)
    plain, mirror = pixel_pairs(scene, cut_side=CUT, vae=vae, generator=generator)
    small = render(scene, height=PICTURE_SIDE // 4, width=PICTURE_SIDE // 4)
    corner = cut_corner(small.cast, CUT // 4, torch.Generator().manual_seed(seed))
    rows, columns = (slice(4 * begin, 4 * begin + CUT) for begin in corner)
    truth = render(scene, height=PICTURE_SIDE, width=PICTURE_SIDE, window=(rows, columns))
    assert torch.equal(plain.high, truth.pixels.transpose(0, 1))
    assert torch.equal(mirror.high, plain.high.flip(-1))
    for pair, high in ((plain, plain.high), (mirror, plain.high)):
        if not pair.is_draft:
            low = pair.low.flip(-1) if pair is mirror else pair.low
            assert torch.equal(low, enlarged(scaled_down(high)))
        assert pair.low.shape == pair.high.shape == (3, 5, CUT, CUT)


def test_cut_outs_are_mostly_around_the_cast() -> None:
    cast = torch.zeros(2, 128, 128, dtype=torch.bool)
    cast[1, 90:100, 20:30] = True
    generator = torch.Generator().manual_seed(0)
    corners = [cut_corner(cast, 32, generator) for _ in range(300)]
    shows = [bool(cast[:, top : top + 32, left : left + 32].any()) for top, left in corners]
    assert 0.75 < sum(shows) / len(shows) < 0.92
    assert all(top % 4 == left % 4 == 0 and 0 <= min(top, left) <= 96 for top, left in corners)


def test_a_scene_without_cast_is_cut_anywhere() -> None:
    cast = torch.zeros(1, 64, 64, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    assert len({cut_corner(cast, 32, generator) for _ in range(60)}) > 25


def test_held_out_pairs_are_never_trained_on(pairs: LatentPairs, vae: VideoAutoencoder) -> None:
    held_out = held_out_pairs("picture", count=3, vae=vae, **SHAPE)
    assert len(held_out.pixels) == len(held_out.latents) == 3
    assert not any(torch.equal(mine, other) for mine in held_out.latents.high for other in pairs.high)


def test_shards_of_another_encoder_are_made_anew(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> None:
    np.savez(tmp_path / "000001.npz", high=np.zeros(1))
    (tmp_path / "makers.sha256").write_text("another")
    fill(tmp_path, first=FIRST_TRAINING_SEED, count=0, kind="picture", vae=vae, **SHAPE)
    assert not [*tmp_path.glob("*.npz")]
    before = (folder / "001000.npz").stat().st_mtime_ns
    fill(folder, first=FIRST_TRAINING_SEED, count=1, kind="picture", vae=vae, **SHAPE)
    assert (folder / "001000.npz").stat().st_mtime_ns == before


def test_without_pairs_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="prepare for more minutes"):
        load_pairs(tmp_path)
