"""Scenes as latents: the frozen autoencoder's view of a scene cache, encoded once and kept in memory.

    python -m backend.training.latents SCENES LATENTS --vae FOLDER      encodes every shard not there yet

A latent shard holds each scene and its mirror image: appearance and motion latents (N, 16, F, H, W) float16,
how much of each latent the cast covers, where the camera stands, motion scores and attributes. Shards belong
to one encoder: a folder carries the checksum of its weights.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.models.kinora.autoencoder import (
    ENCODER_PARTS,
    FRAMES_PER_LATENT,
    SPATIAL_FACTOR,
    VideoAutoencoder,
)
from backend.models.kinora.transformer import SOURCES
from backend.models.placement import mixed_precision
from backend.training.scenes import attributes_from, load_shard, mirrored, save_shard
from backend.training.world.captions import CaptionAttributes

_BATCH = 16


@dataclass(frozen=True)
class LatentClips:
    """appearance and motion latents (N, 16, F, H, W) float16, motion_scores (N,), N attributes.

    cover (N, F, H, W) float16: the share of a latent's pixels that show an object of the caption. cameras
    (N, F, 6): `orbit_features` of the last frame of each latent. strides (N,): latents of a longer video from
    one to the next. sources (N,): index of `transformer.SOURCES`.
    """

    appearance: Tensor
    motion: Tensor
    cover: Tensor
    cameras: Tensor
    motion_scores: Tensor
    strides: Tensor
    sources: Tensor
    attributes: list[CaptionAttributes]

    def __len__(self) -> int:
        return len(self.attributes)


def encode_shard(source: Path, target: Path, *, vae: VideoAutoencoder, device: torch.device) -> None:
    """Encode the scene shard `source` and its mirror image into `target`."""
    shard = load_shard(source)
    pixels = torch.cat([shard.pixels, shard.pixels.flip(-1)])
    pictures = torch.cat([shard.flow_pictures, mirrored_flow(shard.flow_pictures)])
    words = [*shard.attributes, *map(mirrored, shard.attributes)]
    save_shard(
        target,
        appearance=encode_pixels(pixels, vae, device).numpy(),
        motion=encode_pixels(pictures, vae, device, is_flow=True).numpy(),
        cover=latent_cover(torch.cat([shard.cast, shard.cast.flip(-1)])).half().numpy(),
        cameras=latent_cameras(shard.cameras).numpy(),
        motion_scores=shard.motion_scores.repeat(2).numpy(),
        attributes=np.array(json.dumps([asdict(row) for row in words])),
    )


def load_latents(folder: Path, *, source: str, num_latents: int | None = None) -> LatentClips:
    """Return all shards of `folder` as one; raises FileNotFoundError if there is none.

    num_latents: take that many from each longer clip, at every stride from 2 that it has room for.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"No latents in {folder}; encode scenes first.")
    return joined(
        [part for path in paths for part in _windows(_load_shard(path, SOURCES.index(source)), num_latents)]
    )


def joined(parts: Sequence[LatentClips]) -> LatentClips:
    """Return `parts`, of latents of one shape, as one."""
    names = [f.name for f in fields(LatentClips) if f.name != "attributes"]
    tensors = {name: torch.cat([getattr(part, name) for part in parts]) for name in names}
    return LatentClips(**tensors, attributes=[words for part in parts for words in part.attributes])


def _load_shard(path: Path, source: int) -> LatentClips:
    with np.load(path) as data:
        rows = json.loads(str(data["attributes"]))
        names = ("appearance", "motion", "cover", "cameras", "motion_scores")
        return LatentClips(
            **{name: torch.from_numpy(data[name]) for name in names},
            strides=torch.ones(len(rows)),
            sources=torch.full((len(rows),), source),
            attributes=[attributes_from(row) for row in rows],
        )


def _windows(clips: LatentClips, num_latents: int | None) -> list[LatentClips]:
    """Return `clips` as they are, or their first `num_latents` latents at every stride from 2."""
    frames = clips.appearance.shape[2]
    if num_latents is None:
        return [clips]
    return [
        replace(
            clips,
            appearance=clips.appearance[:, :, ::stride][:, :, :num_latents].clone(),
            motion=clips.motion[:, :, ::stride][:, :, :num_latents].clone(),
            cover=clips.cover[:, ::stride][:, :num_latents].clone(),
            cameras=clips.cameras[:, ::stride][:, :num_latents].clone(),
            strides=clips.strides * stride,
        )
        for stride in range(2, (frames - 1) // (num_latents - 1) + 1)
    ]


def encode_all(scenes: Path, latents: Path, *, vae_folder: Path, device: torch.device) -> None:
    """Encode every shard of `scenes` into `latents`; forget latents of another encoder."""
    vae = load_frozen(vae_folder, device)
    forget_others(latents, encoder_sha256(vae))
    for source in sorted(scenes.glob("*.npz")):
        target = latents / source.name
        if not target.exists():
            encode_shard(source, target, vae=vae, device=device)


def load_frozen(vae_folder: Path, device: torch.device) -> VideoAutoencoder:
    """Return the published autoencoder in `vae_folder`, in float32, for what it encodes and decodes."""
    vae = VideoAutoencoder.from_pretrained(vae_folder, use_safetensors=True).float()
    vae.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    frozen: VideoAutoencoder = vae
    return frozen


def forget_others(folder: Path, makers: str) -> None:
    """Make `folder` that of the networks with the checksum `makers`: delete shards of any others in it."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "makers.sha256"
    if not mark.exists() or mark.read_text() != makers:
        for stale in folder.glob("*.npz"):
            stale.unlink()
        mark.write_text(makers)


def encoder_sha256(vae: VideoAutoencoder) -> str:
    """Return a digest of all that decides the latents of `vae`: its encoder and their statistics."""
    digest = hashlib.sha256()
    for name, tensor in sorted(vae.state_dict().items()):
        if name.startswith((*ENCODER_PARTS, "latent_")):
            digest.update(name.encode() + tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def latent_cover(mask: Tensor) -> Tensor:
    """Return the share in [0, 1] (N, 1 + (F - 1) / 4, H / 8, W / 8) of each latent's pixels in `mask`.

    mask: (N, F, H, W) bool; the first latent holds the first frame alone, each later one four.
    """
    frames = functional.avg_pool2d(mask.float(), SPATIAL_FACTOR)
    later = frames[:, 1:].unflatten(1, (-1, FRAMES_PER_LATENT)).mean(2)
    return torch.cat([frames[:, :1], later], dim=1)


def latent_cameras(cameras: Tensor) -> Tensor:
    """Return (2 N, 1 + (F - 1) / 4, 6): `cameras` (N, F, 6) at each latent's last frame, then mirrored."""
    seen = cameras[:, ::FRAMES_PER_LATENT]
    to_the_other_side = torch.tensor([-1.0, 1, 1, 1, 1, 1])
    return torch.cat([seen, seen * to_the_other_side])


@torch.no_grad()
def encode_pixels(
    pixels: Tensor, vae: VideoAutoencoder, device: torch.device, *, is_flow: bool = False
) -> Tensor:
    """Return latents (N, 16, F', H / 8, W / 8) float16 of `pixels` (N, 3, F, H, W) uint8."""
    encoded = []
    for batch in pixels.split(_BATCH):
        with mixed_precision(device.type):
            encoded.append(vae.encode(batch.to(device).float() / 127.5 - 1, is_flow=is_flow).half().cpu())
    return torch.cat(encoded)


def mirrored_flow(pictures: Tensor) -> Tensor:
    """Return flow pictures (N, 3, F, H, W) uint8 of the mirrored scenes: flipped, with u reversed.

    With rgb = 1 - m + (u cos h + v sin h) at hues h of 0, 120 and -120 degrees (`flow_colours`), reversing u
    takes 2 u from red and gives u to green and blue.
    """
    mirrored_pictures = torch.empty_like(pictures)
    for clip, mirror in zip(
        pictures.flip(-1), mirrored_pictures, strict=True
    ):  # one at a time stays in cache
        channels = clip.float()
        u = (2 * channels[0] - channels[1] - channels[2]) / 3
        channels += torch.stack([-2 * u, u, u])
        mirror.copy_(channels.round().clamp(0, 255))
    return mirrored_pictures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", type=Path)
    parser.add_argument("latents", type=Path)
    parser.add_argument("--vae", type=Path, required=True)
    options = parser.parse_args()
    encode_all(options.scenes, options.latents, vae_folder=options.vae, device=torch.device("cpu"))


if __name__ == "__main__":
    main()
