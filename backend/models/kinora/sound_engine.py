"""Kinora Pocket's sound members behind the sound maker protocol: autoencoder, vocoder and transformer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.errors import WeightsError
from backend.models.engine import Conditioning, Pass
from backend.models.kinora.engine import PocketEngine, batch_of, shown_text
from backend.models.kinora.mel import log_mel
from backend.models.kinora.member import read_member
from backend.models.kinora.sound_autoencoder import MEL_FACTOR, SoundAutoencoder
from backend.models.kinora.soundtrack import SoundtrackTransformer
from backend.models.kinora.spec import POCKET_SOUND
from backend.models.kinora.vocoder import Vocoder
from backend.models.placement import Placement

_FOLDERS = ("sound_vae", "vocoder", "soundtrack")
_WINDOW_STEPS = POCKET_SOUND.window_seconds * POCKET_SOUND.steps_per_second
_OVERLAP_STEPS = POCKET_SOUND.overlap_seconds * POCKET_SOUND.steps_per_second


@dataclass(frozen=True)
class SoundNetworks:
    """The sound members, in float32."""

    vae: SoundAutoencoder
    vocoder: Vocoder
    transformer: SoundtrackTransformer


@dataclass(frozen=True)
class Seen:
    """What passes see of a clip: latents (1, 16, F', H, W) and motion features (1, F, 3072), on the CPU."""

    latents: Tensor
    motion: Tensor


def load_networks(folder: Path) -> SoundNetworks:
    """Return the sound members in `folder`, whose files were checked when the engine loaded; WeightsError."""
    missing = [name for name in _FOLDERS if not (folder / name).is_dir()]
    if missing:
        raise WeightsError(
            f"The {missing[0]} of Kinora Pocket is not installed; train it or restore its folder."
        )
    return SoundNetworks(
        vae=read_member(SoundAutoencoder, folder / "sound_vae"),
        vocoder=read_member(Vocoder, folder / "vocoder"),
        transformer=read_member(SoundtrackTransformer, folder / "soundtrack"),
    )


class PocketSoundMaker:
    """Implements the sound maker protocol; the transformer's products are in the placement's dtype."""

    def __init__(self, engine: PocketEngine, networks: SoundNetworks, placement: Placement) -> None:
        self._engine, self._networks, self._placement = engine, networks, placement
        placement.settle(networks.transformer)
        for module in (networks.vae, networks.vocoder):
            placement.settle(module, is_exact=True)

    def latent_shape(self, num_steps: int) -> tuple[int, int, int]:
        """Return (8, num_steps, 16)."""
        config = self._networks.transformer.config
        return int(config["latent_channels"]), num_steps, int(config["latent_rows"])

    def watch(self, frames: np.ndarray, motion: np.ndarray) -> Seen:
        """Return the appearance latents of `frames`, the last repeated to a whole group, and motion."""
        every, first = self._engine.spec.frame_rule
        spare = -(len(frames) - first) % every
        whole = np.concatenate([frames, np.repeat(frames[-1:], spare, axis=0)])
        latents = self._engine.encode(whole)
        appearance = latents[:, : latents.shape[1] // self._engine.spec.velocity_parts]
        return Seen(appearance, torch.from_numpy(motion).float()[None])

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (1, 8, T, 16) float32 per pass, from one batch of them unless sequential."""
        assert scale == 1  # it has one patch size
        groups = [[each] for each in passes] if self._placement.is_sequential else [list(passes)]
        return [each for group in groups for each in self._forward(latents, sigma, conditioning, group)]

    @torch.no_grad()
    def encode(self, samples: np.ndarray) -> Tensor:
        """Return latents (1, 8, N / 640, 16) of `samples` (N, channels) at 16 kHz, mixed to one."""
        mono = torch.from_numpy(samples).float().mean(1)[None].to(self._placement.device)
        return self._networks.vae.encode(log_mel(mono)).cpu()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """Return samples (640 T, 1) float32 at 16 kHz: mels of one window after another, then one sound."""
        # The autoencoder normalises over time: beyond a window it would meet levels it was not trained on.
        mels = _blended(latents.to(self._placement.device), self._networks.vae.decode)
        sound = self._networks.vocoder(mels)[0].clamp(-1, 1)
        return sound.float().cpu().numpy()[:, None]

    @torch.no_grad()
    def _forward(
        self, latents: Tensor, sigma: float, conditioning: Conditioning, passes: Sequence[Pass]
    ) -> Sequence[Tensor]:
        device, count = self._placement.device, len(passes)
        embeds, mask = batch_of([shown_text(self._engine, conditioning, each) for each in passes], copies=1)
        seen: dict[str, Any] = {}
        if isinstance(conditioning.video, Seen):
            seen = {
                "video": conditioning.video.latents.to(device).expand(count, -1, -1, -1, -1),
                "motion": conditioning.video.motion.to(device).expand(count, -1, -1),
                "has_video": torch.tensor([each.image for each in passes], device=device),
                "frame_rate": float(self._engine.spec.frame_rate),
            }
        with self._placement.autocast():
            velocity = self._networks.transformer(
                latents.to(device).expand(count, -1, -1, -1),
                torch.full((count,), sigma, device=device),
                embeds,
                mask,
                **seen,
            )
        return velocity.float().cpu().chunk(count)


def _blended(latents: Tensor, decode: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mels (1, 4 T, 64) of `latents` (1, 8, T, 16), windows faded into each other."""
    steps = latents.shape[2]
    hop = _WINDOW_STEPS - _OVERLAP_STEPS
    mels = decode(latents[:, :, :_WINDOW_STEPS])
    for start in range(hop, max(hop, steps - _OVERLAP_STEPS), hop):
        more = decode(latents[:, :, start : start + _WINDOW_STEPS])
        shared = MEL_FACTOR * _OVERLAP_STEPS
        rise = ((torch.arange(shared, device=mels.device) + 0.5) / shared).view(1, -1, 1)
        seam = mels[:, -shared:] * (1 - rise) + more[:, :shared] * rise
        mels = torch.cat([mels[:, :-shared], seam, more[:, shared:]], dim=1)
    return mels
