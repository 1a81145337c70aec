"""Recipe of the vocoder: make sound of true log-mels that has the spectra of the true sound.

Loss: the multi-resolution STFT distance plus L1 of normalised log-mels. There is no discriminator, unlike in
Vocos (arXiv 2306.00814 Sec. 3.4): the world's sounds are synthesised, and it would be most of the time.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from backend.evaluation.spectra import griffin_lim, spectral_distance
from backend.models.kinora.mel import HOP_LENGTH, log_mel
from backend.models.kinora.vocoder import Vocoder
from backend.models.placement import mixed_precision
from backend.training.publish import load_published, save_half
from backend.training.sounds import SOUND_KINDS, held_out_sounds, sound_batches

_TRAINED_FRAMES = 80
_MEASURED_FRAMES = 200
_HELD_OUT = 16
_SHOWN = 4


class VocoderRecipe:
    """Trains on cuts of 0.8 seconds, synthesised as it goes."""

    def __init__(
        self,
        *,
        device: torch.device,
        batch_size: int = 12,
        published: Path | None = None,
        model: Vocoder | None = None,
    ) -> None:
        """published: weights to start from; `model`, or else a fresh one of full size, if None."""
        if published is not None:
            model = load_published(Vocoder, published)
        self.model = model or Vocoder()
        nn.Module.to(self.model, device)  # torch's own, since diffusers' is not typed
        self._device, self._batch_size = device, batch_size
        samples = _MEASURED_FRAMES * HOP_LENGTH
        self._held_out = {
            kind: held_out_sounds(kind, count=_HELD_OUT, samples=samples) for kind in SOUND_KINDS
        }

    def batches(self, *, start_step: int) -> Iterator[Tensor]:
        """Yield sounds (B, 12800)."""
        yield from sound_batches(self._batch_size, samples=_TRAINED_FRAMES * HOP_LENGTH, seed=start_step)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        sounds = batch.to(self._device)
        mels = log_mel(sounds)
        with mixed_precision(self._device.type):
            made = self.model(mels)
        distance, mel_error = spectral_distance(made, sounds), (log_mel(made) - mels).abs().mean()
        figures = {"distance": float(distance.detach()), "mel_error": float(mel_error.detach())}
        return distance + mel_error, figures | {"samples": len(sounds)}

    def measure(self) -> dict[str, float]:
        """Return spectral distances to held-out sounds: the vocoder's, and Griffin-Lim's on the same mels."""
        made = {
            f"distance_{kind}": float(spectral_distance(self._made(sounds), sounds))
            for kind, sounds in self._held_out.items()
        }
        return made | self._yardstick

    def draw_sheet(self, path: Path) -> None:
        """Write log-mels of held-out sounds over those of what is made of them, low pitches at the bottom."""
        shown = torch.cat([sounds[:_SHOWN] for sounds in self._held_out.values()])
        rows = [torch.cat([*log_mel(sounds)], dim=0).T.flip(0) for sounds in (shown, self._made(shown))]
        sheet = ((torch.cat(rows) + 2.5) * 51).clamp(0, 255)
        Image.fromarray(sheet.round().to(torch.uint8).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the vocoder in bf16."""
        save_half(self.model, folder, facts=facts)

    def _made(self, sounds: Tensor) -> Tensor:
        """Return what the vocoder makes (N, S) of the mels of `sounds`."""
        with mixed_precision(self._device.type):
            made: Tensor = self.model(log_mel(sounds.to(self._device)))
        return made.cpu()

    @cached_property
    def _yardstick(self) -> dict[str, float]:
        return {
            f"griffin_lim_{kind}": float(spectral_distance(griffin_lim(log_mel(sounds)), sounds))
            for kind, sounds in self._held_out.items()
        }
