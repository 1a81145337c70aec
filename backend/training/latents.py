"""Scenes as latents: the frozen autoencoder's view of a scene cache, encoded once and kept in memory.

    python -m backend.training.latents SCENES LATENTS --vae FOLDER      encodes every shard not there yet

A latent shard holds each scene and its mirror image: appearance and motion latents (N, 16, F, H, W) float16,
motion scores and attributes. Shards belong to one autoencoder: a folder carries its checksum.
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

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.training.flow_colours import flow_to_rgb, rgb_to_flow
from backend.training.scenes import attributes_from, load_shard, mirrored
from backend.training.world.captions import CaptionAttributes

_BATCH = 16


@dataclass(frozen=True)
class LatentClips:
    """appearance and motion latents (N, 16, F, H, W) float16, motion_scores (N,), N attributes."""

    appearance: Tensor
    motion: Tensor
    motion_scores: Tensor
    attributes: list[CaptionAttributes]

    def __len__(self) -> int:
        return len(self.attributes)


def encode_shard(source: Path, target: Path, *, vae: VideoAutoencoder, device: torch.device) -> None:
    """Encode the scene shard `source` and its mirror image into `target`."""
    shard = load_shard(source)
    pixels = torch.cat([shard.pixels, shard.pixels.flip(-1)])
    pictures = torch.cat([shard.flow_pictures, _mirror_flow(shard.flow_pictures)])
    words = [*shard.attributes, *map(mirrored, shard.attributes)]
    partial = target.with_suffix(f".{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez(
            file,
            appearance=_encode(pixels, vae, device, is_flow=False),
            motion=_encode(pictures, vae, device, is_flow=True),
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
        torch.from_numpy(np.concatenate([s["motion_scores"] for s in shards])),
        [attributes_from(row) for s in shards for row in json.loads(str(s["attributes"]))],
    )


def encode_all(scenes: Path, latents: Path, *, vae_folder: Path, device: torch.device) -> None:
    """Encode every shard of `scenes` into `latents`; forget latents of another autoencoder."""
    latents.mkdir(parents=True, exist_ok=True)
    weights = vae_folder / "diffusion_pytorch_model.safetensors"
    checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
    mark = latents / "autoencoder.sha256"
    if not mark.exists() or mark.read_text() != checksum:
        for stale in latents.glob("*.npz"):
            stale.unlink()
        mark.write_text(checksum)
    vae = VideoAutoencoder.from_pretrained(vae_folder, use_safetensors=True).float()
    vae.to(device, memory_format=torch.channels_last).eval()
    for source in sorted(scenes.glob("*.npz")):
        target = latents / source.name
        if not target.exists():
            encode_shard(source, target, vae=vae, device=device)


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


def _mirror_flow(pictures: Tensor) -> Tensor:
    """Return flow pictures (N, 3, F, H, W) uint8 of the mirrored scenes: flipped, with u reversed."""
    flipped = []
    for clip in pictures.flip(-1):
        flow = rgb_to_flow(clip.transpose(0, 1).float() / 127.5 - 1)
        flow[:, 0] = -flow[:, 0]
        rgb = flow_to_rgb(flow)[:-1]
        flipped.append(((rgb + 1) * 127.5).round().to(torch.uint8).transpose(0, 1))
    return torch.stack(flipped)


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
