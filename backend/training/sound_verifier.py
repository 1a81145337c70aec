"""Recipe of the sound verifier: name place, voices and blows of true soundtracks.

Scenes and dubbed scenes, at any loudness and with a little noise, blur and tilt in their mels, since what is
made is not as clean as what is synthesised. It never hears a made sound.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.evaluation.onsets import NO_ONSETS, agreement
from backend.evaluation.sound_verifier import SoundVerifier, blow_targets, read_sounds
from backend.models.kinora.mel import NUM_MELS
from backend.models.placement import mixed_precision
from backend.training.publish import load_published, save_half
from backend.training.sounding import HeardSounds
from backend.training.world.dubbing import Heard
from backend.training.world.places import PLACES
from backend.training.world.voices import VOICES

_HELD_OUT = 256  # the first shard: scenes and mirror images, then their dubs
_BLOW_WEIGHT = 8.0  # of frames with a blow, which are one in a hundred
_QUIETEST = -0.5  # of normalised log-mels: a quarter of the amplitude
_NOISE, _TILT = 0.15, 0.2
_BLURRED_SHARE = 0.3
_SHOWN = 8


class SoundVerifierRecipe:
    """Trains on sound shards kept in memory."""

    def __init__(
        self,
        sounds: HeardSounds,
        *,
        device: torch.device,
        batch_size: int = 32,
        published: Path | None = None,
        model: SoundVerifier | None = None,
    ) -> None:
        """published: weights to start from; `model`, or else a fresh one of full size, if None."""
        if published is not None:
            model = load_published(SoundVerifier, published)
        self._verifier = model or SoundVerifier(list(PLACES), list(VOICES))
        self.model: nn.Module = self._verifier
        nn.Module.to(self.model, device)  # torch's own, since diffusers' is not typed
        self._sounds, self._device, self._batch_size = sounds, device, batch_size

    def batches(self, *, start_step: int) -> Iterator[tuple[Tensor, list[Heard]]]:
        """Yield disturbed mels (B, T, 64) of training sounds and what is heard in them."""
        generator = torch.Generator().manual_seed(start_step)
        count = len(self._sounds.heard) - _HELD_OUT
        while True:
            rows = (torch.randint(count, (self._batch_size,), generator=generator) + _HELD_OUT).tolist()
            mels = disturbed(self._sounds.mels[rows].float(), generator)
            yield mels, [self._sounds.heard[row] for row in rows]

    def loss(self, batch: tuple[Tensor, list[Heard]]) -> tuple[Tensor, dict[str, float]]:
        mels, heard = batch
        with mixed_precision(self._device.type):
            places, voices, blows = self.model(mels.to(self._device))
        names = torch.tensor([list(PLACES).index(each.place) for each in heard], device=self._device)
        said = torch.tensor(
            [[float(v in each.voices) for v in VOICES] for each in heard], device=self._device
        )
        struck = blow_targets(heard, mels.shape[1]).to(self._device)
        weight = torch.tensor(_BLOW_WEIGHT, device=self._device)
        losses = {
            "place": functional.cross_entropy(places.float(), names),
            "voices": functional.binary_cross_entropy_with_logits(voices.float(), said),
            "blows": functional.binary_cross_entropy_with_logits(blows, struck, pos_weight=weight),
        }
        figures = {name: float(value.detach()) for name, value in losses.items()}
        return losses["place"] + 4 * losses["voices"] + 4 * losses["blows"], figures | {"samples": len(heard)}

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Return how often place and voices are right on held-out sounds, and the F1 of blows."""
        held = range(min(_HELD_OUT, len(self._sounds.heard)))
        true = [self._sounds.heard[row] for row in held]
        parts = self._sounds.mels[: len(held)].float().split(64)
        read = [each for part in parts for each in read_sounds(self._verifier, part.to(self._device))]
        pairs = list(zip(read, true, strict=True))
        return {
            "right_place": sum(r.place == t.place for r, t in pairs) / len(pairs),
            "right_voices": sum(set(r.voices) == set(t.voices) for r, t in pairs) / len(pairs),
            "blow_f1": sum((agreement(r.blows, t.blows) for r, t in pairs), NO_ONSETS).f1,
        }

    def draw_sheet(self, path: Path) -> None:
        """Write held-out mels as the verifier hears them in training, low pitches at the bottom."""
        shown = disturbed(self._sounds.mels[:_SHOWN].float(), torch.Generator().manual_seed(0))
        sheet = ((torch.cat([*shown], dim=0).T.flip(0) + 2.5) * 51).clamp(0, 255)
        Image.fromarray(sheet.round().to(torch.uint8).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the verifier in bf16."""
        save_half(self._verifier, folder, facts=facts)


def disturbed(mels: Tensor, generator: torch.Generator) -> Tensor:
    """Return `mels` (B, T, 64) quieter, with noise and a tilt of their spectrum, some of them blurred."""
    count = len(mels)
    quieter = _QUIETEST * torch.rand(count, 1, 1, generator=generator)
    tilts = _TILT * (2 * torch.rand(count, 1, 1, generator=generator) - 1)
    slopes = tilts * torch.linspace(-1, 1, NUM_MELS)
    noise = (
        _NOISE * torch.rand(count, 1, 1, generator=generator) * torch.randn(mels.shape, generator=generator)
    )
    blurred = functional.avg_pool2d(mels.unsqueeze(1), 3, 1, padding=1, count_include_pad=False)[:, 0]
    is_blurred = torch.rand(count, 1, 1, generator=generator) < _BLURRED_SHARE
    return torch.where(is_blurred, blurred, mels) + quieter + slopes + noise
