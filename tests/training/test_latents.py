"""Scenes as latents: what the cast covers, mirror images, and shards that belong to one autoencoder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.training.flow_colours import flow_to_rgb, rgb_to_flow
from backend.training.latents import (
    encode_all,
    encoder_sha256,
    latent_cover,
    load_latents,
    mirrored_flow,
)
from backend.training.scenes import SCENES_PER_SHARD, fill, load_shard

CPU = torch.device("cpu")


def test_cover_is_the_share_of_a_latents_pixels() -> None:
    mask = torch.zeros(1, 5, 16, 16, dtype=torch.bool)
    mask[0, 0, :8, :8] = True  # all of the first frame's first latent
    mask[0, 1:3, 8:, 8:] = True  # half of the frames of a later one
    mask[0, 4, 0, 0] = True  # one pixel of 4 x 64
    cover = latent_cover(mask)
    assert cover.shape == (1, 2, 2, 2)
    assert cover[0, 0].tolist() == [[1, 0], [0, 0]]
    assert cover[0, 1].tolist() == [[1 / 256, 0], [0, 0.5]]


def test_mirrored_flow_is_that_of_the_mirrored_scene() -> None:
    """Exact but for the rounding of colours to 8 bits."""
    flow = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.1
    pictures = ((flow_to_rgb(flow) + 1) * 127.5).round().to(torch.uint8)[:-1]
    mirrored = mirrored_flow(pictures.transpose(0, 1)[None])[0].transpose(0, 1)
    expected = flow.flip(-1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    back = rgb_to_flow(mirrored.float() / 127.5 - 1)
    assert (back - expected).abs().max() < 0.02


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Scenes, latents and the autoencoder that made them."""
    root = tmp_path_factory.mktemp("latents")
    fill(root / "scenes", first=1000, count=1, size=(16, 16), num_frames=5)
    small = VideoAutoencoder(
        quarter_width=8, eighth_width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=4
    )
    small.save_pretrained(root / "vae")
    encode_all(root / "scenes", root / "latents", vae_folder=root / "vae", device=CPU)
    return root / "scenes", root / "latents", root / "vae"


def test_a_shard_holds_every_scene_and_its_mirror_image(folders: tuple[Path, Path, Path]) -> None:
    scenes, latents, _ = folders
    shard, clips = load_shard(scenes / "001000.npz"), load_latents(latents, source="view")
    assert len(clips) == 2 * SCENES_PER_SHARD
    assert clips.appearance.shape == clips.motion.shape == (2 * SCENES_PER_SHARD, 16, 2, 2, 2)
    assert torch.equal(clips.cover[:SCENES_PER_SHARD], latent_cover(shard.cast).half())
    assert torch.equal(clips.cover[SCENES_PER_SHARD:], clips.cover[:SCENES_PER_SHARD].flip(-1))
    assert torch.equal(clips.motion_scores[SCENES_PER_SHARD:], clips.motion_scores[:SCENES_PER_SHARD])
    assert torch.equal(clips.cameras[:SCENES_PER_SHARD], shard.cameras[:, ::4])
    mirrored_azimuth = -clips.cameras[:SCENES_PER_SHARD, :, 0]
    assert torch.equal(clips.cameras[SCENES_PER_SHARD:, :, 0], mirrored_azimuth)
    assert (clips.strides == 1).all() and (clips.sources == 2).all()


def test_long_clips_are_taken_at_every_stride(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, latents, _ = folders
    with np.load(latents / "001000.npz") as shard:
        arrays = dict(shard)
    for name in ("appearance", "motion"):
        arrays[name] = np.arange(7, dtype=np.float16).reshape(1, 1, 7, 1, 1).repeat(128, 0)
    for name, shape in (("cover", (1, 7, 1, 1)), ("cameras", (1, 7, 1))):
        arrays[name] = np.arange(7, dtype=np.float32).reshape(shape).repeat(128, 0)
    np.savez(tmp_path / "001000.npz", **arrays)
    clips = load_latents(tmp_path, source="story", num_latents=3)
    assert clips.strides.tolist() == [2.0] * 128 + [3.0] * 128
    for taken in (clips.appearance[:, 0], clips.motion[:, 0], clips.cover, clips.cameras):
        assert taken[0].flatten().tolist() == [0, 2, 4]
        assert taken[-1].flatten().tolist() == [0, 3, 6]


def test_latents_of_another_autoencoder_are_made_anew(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    scenes, _, vae = folders
    target = tmp_path / "latents"
    target.mkdir()
    np.savez(target / "000001.npz", appearance=np.zeros(1))
    (target / "makers.sha256").write_text("another")
    encode_all(scenes, target, vae_folder=vae, device=CPU)
    assert sorted(path.name for path in target.glob("*.npz")) == ["001000.npz"]


def test_latents_outlive_a_new_decoder(folders: tuple[Path, Path, Path]) -> None:
    _, _, vae = folders
    before = VideoAutoencoder.from_pretrained(vae)
    after = VideoAutoencoder.from_pretrained(vae)
    with torch.no_grad():
        after.to_pixels.weight.add_(1)
    assert encoder_sha256(after) == encoder_sha256(before)
    with torch.no_grad():
        after.to_moments.weight.add_(1)
    assert encoder_sha256(after) != encoder_sha256(before)


def test_without_latents_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="encode scenes first"):
        load_latents(tmp_path, source="clip")
