"""Recipe of the video autoencoder: reconstruct scenes, flow pictures and textures through 16 channels.

Loss: L1 + 4 MSE + 0.5 L1 of spatial gradients + 3e-5 KL to a unit Gaussian per latent value. Where the
latents are kept only the decoder learns, from posterior means, which is what it will be given, and mostly
from the MSE: 0.25 L1 + 20 MSE + 0.25 L1 of gradients.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from backend.models.kinora.autoencoder import ENCODER_PARTS, VideoAutoencoder
from backend.models.placement import mixed_precision
from backend.training import clips
from backend.training.publish import load_published, save_half
from backend.training.scenes import load_shard

_KL_WEIGHT = 3e-5
_HELD_OUT_SEED = 7
_CLIP_LENGTHS = (9, 17, 33)


class AutoencoderRecipe:
    """Trains on cached clips, mirrored, turned in time and with colours permuted at random."""

    def __init__(
        self,
        *,
        cache: Path,
        device: torch.device,
        batch_size: int = 4,
        published: Path | None = None,
        keep_latents: bool = False,
        scenes: Path | None = None,
    ) -> None:
        """published: weights to start from. keep_latents: train the decoder only.

        scenes: folder of scene shards, whose long clips are mixed in where there are any.
        """
        self.model = VideoAutoencoder() if published is None else load_published(VideoAutoencoder, published)
        # torch's stubs do not know memory_format
        nn.Module.to(self.model, device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name in ENCODER_PARTS if keep_latents else ():
            getattr(self.model, name).requires_grad_(False)
        self._cache, self._device, self._batch_size = cache, device, batch_size
        self._scenes = [] if scenes is None else sorted(scenes.glob("*.npz"))
        self._keep_latents = keep_latents
        self._held_out = clips.held_out(cache, seed=_HELD_OUT_SEED)

    def batches(self, *, start_step: int) -> Iterator[Tensor]:
        """Yield (B, 3, F, 128, 128) uint8 from four random shards at a time, as many as are there by now.

        F is 9 for whole batches, 17 or 33 for as many clips as cost about the same: the causal mixes must see
        long pasts, or later frames of a long clip come out worse.
        """
        rng = np.random.default_rng(start_step)
        while True:
            shards = sorted(p for p in self._cache.glob("*.npy") if int(p.stem) >= clips.FIRST_TRAINING_SEED)
            chosen = rng.choice(len(shards), size=min(4, len(shards)), replace=False)
            pool = np.concatenate([np.load(shards[i]) for i in chosen])
            long = self._long_clips(rng)
            order = rng.permutation(len(pool))
            for number, start in enumerate(range(0, len(pool) - self._batch_size + 1, self._batch_size)):
                if number < len(long):
                    yield _augmented(long[number : number + 1], rng)
                batch = torch.from_numpy(pool[order[start : start + self._batch_size]])
                num_frames = int(rng.choice(_CLIP_LENGTHS))
                count = max(1, self._batch_size * clips.NUM_FRAMES // num_frames)
                yield _augmented(clips.lengthened(batch[:count], num_frames=num_frames), rng)

    def _long_clips(self, rng: np.random.Generator) -> Tensor:
        """Return the clips (64, 3, 33, 128, 128) uint8 of a random scene shard, or none."""
        if not self._scenes:
            return torch.empty(0)
        return load_shard(self._scenes[rng.integers(len(self._scenes))]).pixels

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        pixels = _to_float(batch.to(self._device))
        with mixed_precision(self._device.type):
            mean, log_variance = self.model.moments(pixels)
            spread = 0.0 if self._keep_latents else (0.5 * log_variance).exp()
            decoded = self.model.decode_unnormalised(mean + torch.randn_like(mean) * spread)
        error = decoded - pixels
        absolute, square = error.abs().mean(), error.square().mean()
        across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        if self._keep_latents:
            loss = 0.25 * absolute + 20 * square + 0.25 * (across + down)
        else:
            loss = absolute + 4 * square + 0.5 * (across + down) + _KL_WEIGHT * divergence
        figures = {"psnr": _decibel(float(square.detach())), "kl": float(divergence.detach())}
        return loss, figures | {"samples": len(batch)}

    def measure(self) -> dict[str, float]:
        """Return mean PSNR in dB on held-out scenes, flow pictures, textures and photographs."""
        scores = {name: self._psnr(pixels).mean().item() for name, pixels in self._held_out.items()}
        photographs = photograph_stills()
        if photographs:
            values = [self._psnr(still).item() for still in photographs.values()]
            scores["photographs"] = sum(values) / len(values)
        return {f"psnr_{name}": value for name, value in scores.items()}

    def draw_sheet(self, path: Path) -> None:
        """Write originals over reconstructions, last frame of held-out scenes and textures."""
        shown = [clip for clips_of_kind in self._held_out.values() for clip in clips_of_kind[:6]]
        above = [_to_float(clip[:, -1]) for clip in shown]
        below = [self._decode(clip[None])[0, :, -1].cpu() for clip in shown]
        sheet = torch.cat([torch.cat(above, dim=-1), torch.cat(below, dim=-1)], dim=-2)
        picture = ((sheet.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the autoencoder in bf16 with the latent statistics of held-out scenes and flow pictures."""
        for row, kind in enumerate(() if self._keep_latents else ("scenes", "flow")):
            moments = [
                self.model.moments(_to_float(c[None]).to(self._device))[0] for c in self._held_out[kind]
            ]
            latents = torch.cat(moments)
            self.model.latent_mean[row] = latents.mean(dim=(0, 2, 3, 4))
            self.model.latent_std[row] = latents.std(dim=(0, 2, 3, 4))
        save_half(self.model, folder, facts=facts)

    def _decode(self, pixels: Tensor) -> Tensor:
        with mixed_precision(self._device.type):
            mean, _ = self.model.moments(_to_float(pixels).to(self._device))
            return self.model.decode_unnormalised(mean).clamp(-1, 1)

    def _psnr(self, pixels: Tensor) -> Tensor:
        """Return the PSNR in dB of each clip of `pixels` (B, 3, F, H, W) uint8."""
        errors = [(self._decode(clip[None]).cpu() - _to_float(clip[None])).square().mean() for clip in pixels]
        return 10 * torch.log10(4 / torch.stack(errors))


def photograph_stills() -> dict[str, Tensor]:
    """Return scikit-image's colour photographs, each (1, 3, 1, 128, 128) uint8; none without scikit-image."""
    try:
        from skimage import data
    except ImportError:
        return {}
    stills = {}
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        picture = Image.fromarray(getattr(data, name)())
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        small = picture.crop((left, top, left + side, top + side)).resize(
            (128, 128), Image.Resampling.LANCZOS
        )
        stills[name] = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None, :, None]
    return stills


def _augmented(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """Return `batch` (B, 3, F, H, W) mirrored, run backwards and with channels permuted, each at random."""
    if rng.random() < 0.5:
        batch = batch.flip(-1)
    if rng.random() < 0.3:
        batch = batch.flip(-2)
    if rng.random() < 0.3:
        batch = batch.transpose(-1, -2)
    if rng.random() < 0.5:
        batch = batch.flip(2)
    if rng.random() < 0.3:
        batch = batch[:, torch.from_numpy(rng.permutation(3))]
    return batch


def _to_float(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1


def _decibel(mean_square: float) -> float:
    return float(10 * np.log10(4 / max(mean_square, 1e-12)))
