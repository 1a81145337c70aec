"""Recipe of the base model and its text encoder: text to appearance and motion latents, jointly.

VideoJAM's joint objective (arXiv 2502.02492 Eq. 6: one sigma, independent noise for both halves), STIV's
frame replacement with the loss masked on given frames (arXiv 2412.07730 Sec. 3.2), Lumina-Video's shift,
cosine term and motion score (arXiv 2502.06782). Where motion channels are hidden their velocity cannot be
known, so the motion half of the loss is left out there.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from backend.evaluation.prompts import PROMPT_CASES
from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import VideoTransformer
from backend.training.latents import LatentClips
from backend.training.objectives import Draw, Drops, draw_conditions, draw_sigmas, velocity_loss
from backend.training.publish import load_published, save_half, seal
from backend.training.world.captions import caption

_TEXT_LENGTH = 40
_HELD_OUT = 128
_MOTION_WEIGHT = 1.0
_SHEET_STEPS = 16
_SHEET_GUIDANCE = 4.0


@dataclass(frozen=True)
class BaseBatch:
    """latents (B, 32, F, H, W); motion_scores (B,); captions; what is hidden; sigmas (B,); noise."""

    latents: Tensor
    motion_scores: Tensor
    captions: list[str]
    draw: Draw
    sigmas: Tensor
    noise: Tensor


class BaseModel(nn.Module):
    """Transformer and text encoder as one module, so that one optimizer and one EMA cover both."""

    def __init__(self, published: Path | None) -> None:
        super().__init__()
        if published is None:
            self.text_encoder, self.transformer = TextEncoder(), VideoTransformer()
        else:
            self.text_encoder = load_published(TextEncoder, published / "text_encoder")
            self.transformer = load_published(VideoTransformer, published / "transformer")


class BaseRecipe:
    """Trains on latent clips kept in memory; captions are written anew for every draw."""

    def __init__(
        self,
        clips: LatentClips,
        *,
        vae_folder: Path,
        device: torch.device,
        batch_size: int = 32,
        shift: float = 2.0,
        compile_network: bool = True,
        published: Path | None = None,
    ) -> None:
        """published: folder of the weights to start from; fresh ones if None."""
        self.model: nn.Module = BaseModel(published).to(device)
        self._transformer, self._text_encoder = self.model.transformer, self.model.text_encoder
        self._run = torch.compile(self._transformer) if compile_network else self._transformer
        self._clips, self._vae_folder, self._device = clips, vae_folder, device
        self._batch_size, self._shift, self._drops = batch_size, shift, Drops()

    def batches(self, *, start_step: int) -> Iterator[BaseBatch]:
        rng = np.random.default_rng(start_step)
        generator = torch.Generator().manual_seed(start_step)
        words = random.Random(start_step)
        while True:
            order = rng.permutation(len(self._clips) - _HELD_OUT) + _HELD_OUT
            for start in range(0, len(order) - self._batch_size + 1, self._batch_size):
                rows = order[start : start + self._batch_size].tolist()
                yield self._batch(rows, self._drops, generator, words)

    def loss(self, batch: BaseBatch) -> tuple[Tensor, dict[str, float]]:
        half = batch.latents.shape[1] // 2
        predicted, target = self._predict(batch)
        free = (~batch.draw.given).float()[:, None, :, None, None].to(self._device)
        shown = (~batch.draw.motion_channels).float().to(self._device)
        appearance = velocity_loss(predicted[:, :half], target[:, :half], free)
        motion = velocity_loss(
            predicted[:, half:], target[:, half:], shown.view(-1, 1, 1, 1, 1).expand_as(free)
        )
        loss = appearance + _MOTION_WEIGHT * motion
        figures = {"appearance": float(appearance.detach()), "motion": float(motion.detach())}
        return loss, figures | {"samples": len(batch.captions)}

    def measure(self) -> dict[str, float]:
        """Return the loss on held-out clips at fixed noise, nothing hidden."""
        generator, words = torch.Generator().manual_seed(1), random.Random(1)
        total: dict[str, list[float]] = {}
        for start in range(0, _HELD_OUT, 32):
            batch = self._batch(list(range(start, start + 32)), Drops(0, 0, 0, 0, 0, 0), generator, words)
            _, figures = self.loss(batch)
            for key in ("appearance", "motion"):
                total.setdefault(f"held_out_{key}", []).append(figures[key])
        return {key: sum(values) / len(values) for key, values in total.items()}

    def draw_sheet(self, path: Path) -> None:
        """Write five frames and the last motion picture of a clip for each of ten prompts."""
        prompts = [case.prompt for case in PROMPT_CASES[::2]]
        vae = (
            VideoAutoencoder.from_pretrained(self._vae_folder, use_safetensors=True).float().to(self._device)
        )
        latents = self._sample(prompts)
        half = latents.shape[1] // 2
        pixels = vae.decode(latents[:, :half])
        flow = vae.decode(latents[:, half:], is_flow=True)
        chosen = np.linspace(0, pixels.shape[2] - 1, 5).round().astype(int)
        rows = [
            torch.cat([pixels[i, :, f] for f in chosen] + [flow[i, :, pixels.shape[2] // 2]], dim=-1)
            for i in range(len(prompts))
        ]
        columns = [torch.cat(rows[k : k + 5], dim=-2) for k in (0, 5)]
        sheet = ((torch.cat(columns, dim=-1) + 1) * 127.5).clamp(0, 255).to(torch.uint8)
        Image.fromarray(sheet.permute(1, 2, 0).cpu().numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save both networks beside the autoencoder and seal the family folder."""
        save_half(self._transformer, folder / "transformer", facts=facts)
        save_half(self._text_encoder, folder / "text_encoder", facts=facts)
        seal(folder)

    def _batch(
        self, rows: list[int], drops: Drops, generator: torch.Generator, words: random.Random
    ) -> BaseBatch:
        latents = torch.cat([self._clips.appearance[rows], self._clips.motion[rows]], dim=1).float()
        draw = draw_conditions(len(rows), latents.shape[2], drops=drops, generator=generator)
        captions = [
            "" if hidden else caption(self._clips.attributes[row], rng=words)
            for row, hidden in zip(rows, draw.text.tolist(), strict=True)
        ]
        scores = torch.where(draw.motion_score, -1.0, self._clips.motion_scores[rows])
        noise = torch.randn(latents.shape, generator=generator)
        sigmas = draw_sigmas(len(rows), shift=self._shift, generator=generator)
        return BaseBatch(latents, scores, captions, draw, sigmas, noise)

    def _predict(self, batch: BaseBatch) -> tuple[Tensor, Tensor]:
        """Return predicted and true velocities (B, 32, F, H, W) of a noised batch."""
        data, noise = batch.latents.to(self._device), batch.noise.to(self._device)
        sigma = batch.sigmas.to(self._device).view(-1, 1, 1, 1, 1)
        noisy = (1 - sigma) * data + sigma * noise
        half = data.shape[1] // 2
        given = batch.draw.given.to(self._device)
        appearance = torch.where(given[:, None, :, None, None], data[:, :half], noisy[:, :half])
        shown = (~batch.draw.motion_channels).float().view(-1, 1, 1, 1, 1).to(self._device)
        hidden_states = torch.cat([appearance, noisy[:, half:] * shown], dim=1)
        with torch.autocast(self._device.type, torch.bfloat16):
            text, mask = _padded(*self._text_encoder(batch.captions))
            network = self._run if torch.is_grad_enabled() else self._transformer
            predicted = network(
                hidden_states,
                batch.sigmas.to(self._device),
                text,
                mask,
                motion_score=batch.motion_scores.to(self._device),
                given=given,
            )
        return predicted, noise - data

    def _sample(self, prompts: list[str]) -> Tensor:
        """Return latents of `prompts` by plain Euler steps with classifier-free guidance."""
        shape = (len(prompts), 2 * self._clips.appearance.shape[1], *self._clips.appearance.shape[2:])
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self._device)
        sigmas = torch.linspace(1, 0, _SHEET_STEPS + 1)
        sigmas = 3 * sigmas / (1 + 2 * sigmas)
        with torch.autocast(self._device.type, torch.bfloat16):
            text, mask = _padded(*self._text_encoder([*prompts, *[""] * len(prompts)]))
            for now, following in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
                both = torch.cat([x, x])
                sigma = torch.full((len(both),), now, device=self._device)
                positive, null = self._transformer(both, sigma, text, mask).chunk(2)
                x = x + (following - now) * (null + _SHEET_GUIDANCE * (positive - null))
        return x


def _padded(text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return text and mask at one fixed length, so that the compiled network sees one shape."""
    length = max(_TEXT_LENGTH, -(-text.shape[1] // 8) * 8)
    missing = length - text.shape[1]
    return nn.functional.pad(text, (0, 0, 0, missing)), nn.functional.pad(mask, (0, missing))
