"""Scenes as latents: the frozen autoencoder's view of a scene cache, encoded once and kept in memory.

    python -m backend.training.latents SCENES LATENTS --vae FOLDER      encodes every shard not there yet

A latent shard holds each scene and its mirror image: appearance and motion latents (N, 16, F, H, W) float16,
how much of each latent the cast covers, motion scores and attributes. Shards belong to one encoder: a
folder carries the checksum of its weights.
"""

import argparse
import hashlib
import json
import os
from dataclasses import asdict, dataclass
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
from backend.training.scenes import attributes_from, load_shard, mirrored
from backend.training.world.captions import CaptionAttributes

_BATCH = 16


@dataclass(frozen=True)
class LatentClips:
    """appearance and motion latents (N, 16, F, H, W) float16, motion_scores (N,), N attributes.

    cover (N, F, H, W) float16: the share of a latent's pixels that show an object of the caption.
    """

    appearance: Tensor
    motion: Tensor
    cover: Tensor
    motion_scores: Tensor
    attributes: list[CaptionAttributes]

    def __len__(self) -> int:
        return len(self.attributes)


def encode_shard(source: Path, target: Path, *, vae: VideoAutoencoder, device: torch.device) -> None:
    """Encode the scene shard `source` and its mirror image into `target`."""
    shard = load_shard(source)
    pixels = torch.cat([shard.pixels, shard.pixels.flip(-1)])
    pictures = torch.cat([shard.flow_pictures, mirrored_flow(shard.flow_pictures)])
    words = [*shard.attributes, *map(mirrored, shard.attributes)]
    partial = target.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(
            file,
            appearance=_encode(pixels, vae, device, is_flow=False),
            motion=_encode(pictures, vae, device, is_flow=True),
            cover=latent_cover(torch.cat([shard.cast, shard.cast.flip(-1)])).half().numpy(),
            motion_scores=shard.motion_scores.repeat(2).numpy(),
            attributes=np.array(json.dumps([asdict(row) for row in words])),
        )
    partial.replace(target)


def load_latents(folder: Path) -> LatentClips:
    """Return all shards of `folder` as one; raises FileNotFoundError if there is none."""
    shards = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    if not shards:
        raise FileNotFoundError(f"No latents in {folder}; encode scenes first.")
    return LatentClips(
        torch.from_numpy(np.concatenate([s["appearance"] for s in shards])),
        torch.from_numpy(np.concatenate([s["motion"] for s in shards])),
        torch.from_numpy(np.concatenate([s["cover"] for s in shards])),
        torch.from_numpy(np.concatenate([s["motion_scores"] for s in shards])),
        [attributes_from(row) for s in shards for row in json.loads(str(s["attributes"]))],
    )


def encode_all(scenes: Path, latents: Path, *, vae_folder: Path, device: torch.device) -> None:
    """Encode every shard of `scenes` into `latents`; forget latents of another encoder."""
    latents.mkdir(parents=True, exist_ok=True)
    vae = VideoAutoencoder.from_pretrained(vae_folder, use_safetensors=True).float()
    vae.to(device, memory_format=torch.channels_last).eval()
    checksum, mark = encoder_sha256(vae), latents / "encoder.sha256"
    if not mark.exists() or mark.read_text() != checksum:
        for stale in latents.glob("*.npz"):
            stale.unlink()
        mark.write_text(checksum)
    for source in sorted(scenes.glob("*.npz")):
        target = latents / source.name
        if not target.exists():
            encode_shard(source, target, vae=vae, device=device)


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


@torch.no_grad()
def _encode(
    pixels: Tensor, vae: VideoAutoencoder, device: torch.device, *, is_flow: bool
) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    encoded = []
    for batch in pixels.split(_BATCH):
        with torch.autocast(device.type, torch.bfloat16):
            encoded.append(vae.encode(batch.to(device).float() / 127.5 - 1, is_flow=is_flow).half().cpu())
    array: np.ndarray[tuple[int, ...], np.dtype[np.float16]] = torch.cat(encoded).numpy()
    return array


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
