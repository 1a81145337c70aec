"""Recipe of the sound autoencoder: reconstruct log-mels of scenes and of sounds like uploaded ones.

Loss: L1 + MSE of normalised log-mels + 0.5 L1 of their differences along time and frequency + 1e-3 KL to a
unit Gaussian per latent value.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from backend.models.kinora.mel import DECIBELS, HOP_LENGTH, log_mel
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.placement import mixed_precision
from backend.training.publish import load_published, save_half
from backend.training.sounds import SOUND_KINDS, held_out_sounds, sound_batches

_MEL_FRAMES = 200
_KL_WEIGHT = 1e-3
_HELD_OUT = 32
_SHOWN = 4


class SoundAutoencoderRecipe:
    """Trains on cuts of two seconds, synthesised as it goes."""

    def __init__(
        self,
        *,
        device: torch.device,
        batch_size: int = 8,
        published: Path | None = None,
        model: SoundAutoencoder | None = None,
    ) -> None:
        """published: weights to start from; `model`, or else a fresh one of full size, if None."""
        if published is not None:
            model = load_published(SoundAutoencoder, published)
        self.model = model or SoundAutoencoder()
        nn.Module.to(self.model, device)  # torch's own, since diffusers' is not typed
        self._device, self._batch_size = device, batch_size
        samples = _MEL_FRAMES * HOP_LENGTH
        self._held_out = {
            kind: log_mel(held_out_sounds(kind, count=_HELD_OUT, samples=samples)) for kind in SOUND_KINDS
        }

    def batches(self, *, start_step: int) -> Iterator[Tensor]:
        """Yield normalised log-mels (B, 200, 64)."""
        samples = _MEL_FRAMES * HOP_LENGTH
        for sounds in sound_batches(self._batch_size, samples=samples, seed=start_step):
            yield log_mel(sounds)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        mels = batch.to(self._device)
        with mixed_precision(self._device.type):
            mean, log_variance = self.model.moments(mels)
            decoded = self.model.decode_unnormalised(
                mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            )
        error = decoded - mels
        absolute, square = error.abs().mean(), error.square().mean()
        changes = error.diff(dim=1).abs().mean() + error.diff(dim=2).abs().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        loss = absolute + square + 0.5 * changes + _KL_WEIGHT * divergence
        figures = {"error_db": DECIBELS * float(absolute.detach()), "kl": float(divergence.detach())}
        return loss, figures | {"samples": len(mels)}

    def measure(self) -> dict[str, float]:
        """Return the mean absolute error in dB of mels after encoding and decoding, by kind of sound."""
        return {
            f"mel_error_db_{kind}": DECIBELS * float((self._round_trip(mels).cpu() - mels).abs().mean())
            for kind, mels in self._held_out.items()
        }

    def draw_sheet(self, path: Path) -> None:
        """Write held-out mels over what is left of them, low pitches at the bottom."""
        shown = torch.cat([mels[:_SHOWN] for mels in self._held_out.values()])
        pictures = torch.cat([shown, self._round_trip(shown).cpu()], dim=2)  # (N, T, 128)
        row = torch.cat([*pictures.unflatten(2, (2, -1)).flip(3).flatten(2)], dim=0).T
        sheet = ((row + 2.5) * 51).clamp(0, 255)
        Image.fromarray(sheet.round().to(torch.uint8).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the autoencoder in bf16 with the latent statistics of held-out scenes."""
        mean, _ = self.model.moments(self._held_out["scenes"].to(self._device))
        self.model.latent_mean.copy_(mean.mean(dim=(0, 2, 3)))
        self.model.latent_std.copy_(mean.std(dim=(0, 2, 3)))
        save_half(self.model, folder, facts=facts)

    def _round_trip(self, mels: Tensor) -> Tensor:
        """Return mels (N, T, 64) as they are decoded from their posterior means."""
        with mixed_precision(self._device.type):
            mean, _ = self.model.moments(mels.to(self._device))
            return self.model.decode_unnormalised(mean)
