"""Recipe of the base model: text to appearance and motion latents, jointly, at several patch sizes.

VideoJAM's joint objective (arXiv 2502.02492 Eq. 6: one sigma, independent noise for both halves), STIV's
frame replacement with the loss masked on given frames (arXiv 2412.07730 Sec. 3.2), Lumina-Video's scales in
every step with a shift each (arXiv 2502.06782 Alg. 1), cosine term and motion score. Where motion channels
are hidden their velocity cannot be known, so the motion half of the loss is left out there. The cast fills a
sixteenth of the picture and is most of what a prompt is about: its latents weigh more in the loss.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.evaluation.prompts import PROMPT_CASES
from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import PatchScale, VideoTransformer, Window
from backend.training.latents import LatentClips
from backend.training.objectives import (
    NOTHING_HIDDEN,
    Draw,
    Drops,
    draw_conditions,
    draw_sigmas,
    velocity_loss,
)
from backend.training.publish import load_published, save_half, seal
from backend.training.world.captions import caption

SHIFTS = {1: 0.8, 2: 2.5, 3: 6.0}
"""Shift of the sigmas drawn at each scale: the coarser the patch, the earlier in sampling it is used.

Lumina-Video takes 2, 4 and 8; a few thousand clips at the finest scale go further where it is used, late.
"""
_TEXT_LENGTH = 40
_HELD_OUT = 128
_MEASURED = 64
_MOTION_WEIGHT = 1.0
_CAST_WEIGHT = 6.0
_FIRST_WEIGHT = 4.0  # the first latent is a whole frame: its errors show as much as those of four
_CUT_STEP = 2  # latents; cuts begin where patches of whole pictures do
_SHEET_STEPS = 24
_SHEET_GUIDANCE = 4.0
_SHEET_SCALES = ((0.85, 3), (0.6, 2), (0.0, 1))  # scale down to which sigma


@dataclass(frozen=True)
class BaseBatch:
    """Clips of one scale: latents (B, 32, F, H, W); weights (B, 1, F, H, W) of the loss; motion_scores (B,);
    captions; what is hidden; sigmas (B,); noise; where they were cut out, None if they are whole."""

    scale: int
    latents: Tensor
    weights: Tensor
    motion_scores: Tensor
    captions: list[str]
    draw: Draw
    sigmas: Tensor
    noise: Tensor
    window: Window | None


def cut_out(batch: BaseBatch, generator: torch.Generator) -> BaseBatch:
    """Return `batch` cut to half its height and width, each clip around a random part of its cast."""
    height, width = batch.latents.shape[3:]
    size = (height // 2, width // 2)
    cast = (batch.weights[:, :, 1:] - 1).mean(dim=(1, 2))  # (B, H, W); groups have no other weight
    shares = functional.avg_pool2d(cast.unsqueeze(1), size, stride=_CUT_STEP)[:, 0]
    chances = shares.flatten(1) + 1e-4
    picked = torch.multinomial(chances / chances.sum(1, keepdim=True), 1, generator=generator)[:, 0]
    corners = torch.stack([picked // shares.shape[2], picked % shares.shape[2]], dim=1) * _CUT_STEP

    def cut(values: Tensor) -> Tensor:
        rows = zip(values, corners.tolist(), strict=True)
        return torch.stack([v[..., top : top + size[0], left : left + size[1]] for v, (top, left) in rows])

    return replace(
        batch,
        latents=cut(batch.latents),
        weights=cut(batch.weights),
        noise=cut(batch.noise),
        window=Window(corners, (height, width)),
    )


def start_untrained_scales(transformer: VideoTransformer) -> None:
    """Let every scale that was never trained start from the next coarser one, if that was."""
    scales = [each for each in transformer.scales if isinstance(each, PatchScale)]
    for finer, coarser in zip(scales[-2::-1], scales[:0:-1], strict=True):
        if not finer.final.weight.any() and coarser.final.weight.any():
            finer.start_from(coarser)


class BaseRecipe:
    """Trains the transformer on latent clips kept in memory; captions are written anew for every draw."""

    def __init__(
        self,
        clips: LatentClips,
        *,
        family: Path,
        device: torch.device,
        batch_sizes: Sequence[int] = (4, 8, 48),
        crop_sizes: Sequence[int] = (0, 0),
        compile_network: bool = True,
        is_continued: bool = False,
    ) -> None:
        """family: folder of the published autoencoder and text encoder, and where the transformer goes.

        batch_sizes: clips a step at scales 1, 2 and 3; none where 0. crop_sizes: more clips a step at scales
        1 and 2, cut around their cast, where detail is hard and costs a quarter. is_continued: start from
        the published transformer, not from a fresh one.
        """
        transformer = (
            load_published(VideoTransformer, family / "transformer") if is_continued else VideoTransformer()
        )
        self.model = transformer.to(device)
        start_untrained_scales(transformer)
        for block in transformer.blocks if compile_network else ():
            block.compile(dynamic=False)  # one by one: they share their code, so one is compiled per scale
        self._text_encoder = load_published(TextEncoder, family / "text_encoder").to(device).eval()
        self._clips, self._family, self._device, self._drops = clips, family, device, Drops()
        self._batch_sizes = {scale: size for scale, size in enumerate(batch_sizes, start=1) if size}
        self._parts = [(scale, size, False) for scale, size in self._batch_sizes.items()]
        self._parts += [(scale, size, True) for scale, size in enumerate(crop_sizes, start=1) if size]

    def batches(self, *, start_step: int) -> Iterator[list[BaseBatch]]:
        """Yield the parts of each step, of different clips."""
        rng = np.random.default_rng(start_step)
        generator = torch.Generator().manual_seed(start_step)
        words = random.Random(start_step)
        size = sum(count for _, count, _ in self._parts)
        while True:
            order = rng.permutation(len(self._clips) - _HELD_OUT) + _HELD_OUT
            for start in range(0, len(order) - size + 1, size):
                rows, parts = order[start : start + size].tolist(), []
                for scale, count, is_cut in self._parts:
                    part = self._batch(rows[:count], scale, self._drops, generator, words)
                    parts.append(cut_out(part, generator) if is_cut else part)
                    rows = rows[count:]
                yield parts

    def loss(self, batch: list[BaseBatch]) -> tuple[Tensor, dict[str, float]]:
        """Return the mean of the scales' losses, each of which counts alike."""
        losses, figures = [], {}
        for part in batch:
            appearance, motion = self._losses(part)
            losses.append(appearance + _MOTION_WEIGHT * motion)
            name = f"{part.scale}" if part.window is None else f"{part.scale}_cut"
            figures[f"appearance_{name}"] = float(appearance.detach())
            figures[f"motion_{name}"] = float(motion.detach())
        return torch.stack(losses).mean(), figures | {"samples": sum(len(part.captions) for part in batch)}

    def _losses(self, batch: BaseBatch) -> tuple[Tensor, Tensor]:
        """Return the losses of the appearance half and of the motion half."""
        half = batch.latents.shape[1] // 2
        predicted, target = self._predict(batch)
        weights = batch.weights.to(self._device)
        free = (~batch.draw.given).float()[:, None, :, None, None].to(self._device)
        shown = (~batch.draw.motion_channels).float().view(-1, 1, 1, 1, 1).to(self._device)
        appearance = velocity_loss(predicted[:, :half], target[:, :half], weights * free)
        return appearance, velocity_loss(predicted[:, half:], target[:, half:], weights * shown)

    @torch.compiler.set_stance("force_eager")
    def measure(self) -> dict[str, float]:
        """Return the losses at every scale on held-out clips at fixed noise, nothing hidden."""
        measures = {}
        for scale in self._batch_sizes:
            generator, words = torch.Generator().manual_seed(1), random.Random(1)
            totals = [0.0, 0.0]
            for start in range(0, _MEASURED, 16):
                rows = list(range(start, start + 16))
                batch = self._batch(rows, scale, NOTHING_HIDDEN, generator, words)
                totals = [t + float(loss) for t, loss in zip(totals, self._losses(batch), strict=True)]
            for name, total in zip(("appearance", "motion"), totals, strict=True):
                measures[f"held_out_{name}_{scale}"] = total * 16 / _MEASURED
        return measures

    @torch.compiler.set_stance("force_eager")
    def draw_sheet(self, path: Path) -> None:
        """Write five frames and the middle motion picture of a clip for each of ten prompts."""
        prompts = [case.prompt for case in PROMPT_CASES[::2]]
        vae = VideoAutoencoder.from_pretrained(self._family / "vae", use_safetensors=True)
        vae = vae.float().to(self._device)
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
        """Save the transformer beside the other members and seal the family folder."""
        save_half(self.model, folder / "transformer", facts=facts)
        seal(folder)

    def _batch(
        self, rows: list[int], scale: int, drops: Drops, generator: torch.Generator, words: random.Random
    ) -> BaseBatch:
        latents = torch.cat([self._clips.appearance[rows], self._clips.motion[rows]], dim=1).float()
        draw = draw_conditions(len(rows), latents.shape[2], drops=drops, generator=generator)
        captions = [
            "" if hidden else caption(self._clips.attributes[row], rng=words)
            for row, hidden in zip(rows, draw.text.tolist(), strict=True)
        ]
        weights = 1 + _CAST_WEIGHT * self._clips.cover[rows].float().unsqueeze(1)
        weights[:, :, 0] *= _FIRST_WEIGHT
        return BaseBatch(
            scale=scale,
            latents=latents,
            weights=weights,
            motion_scores=torch.where(draw.motion_score, -1.0, self._clips.motion_scores[rows]),
            captions=captions,
            draw=draw,
            sigmas=draw_sigmas(len(rows), shift=SHIFTS[scale], generator=generator),
            noise=torch.randn(latents.shape, generator=generator),
            window=None,
        )

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
        text, mask = self._embed(batch.captions)
        with torch.autocast(self._device.type, torch.bfloat16):
            predicted = self.model(
                hidden_states,
                batch.sigmas.to(self._device),
                text,
                mask,
                scale=batch.scale,
                motion_score=batch.motion_scores.to(self._device),
                given=given,
                window=batch.window,
            )
        return predicted, noise - data

    def _sample(self, prompts: list[str]) -> Tensor:
        """Return latents of `prompts` by plain Euler steps with classifier-free guidance."""
        shape = (len(prompts), 2 * self._clips.appearance.shape[1], *self._clips.appearance.shape[2:])
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self._device)
        sigmas = torch.linspace(1, 0, _SHEET_STEPS + 1)
        sigmas = 4 * sigmas / (1 + 3 * sigmas)
        text, mask = self._embed([*prompts, *[""] * len(prompts)])
        with torch.autocast(self._device.type, torch.bfloat16):
            for now, following in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
                both = torch.cat([x, x])
                sigma = torch.full((len(both),), now, device=self._device)
                positive, null = self.model(both, sigma, text, mask, scale=self._scale_at(now)).chunk(2)
                x = x + (following - now) * (null + _SHEET_GUIDANCE * (positive - null))
        return x

    def _scale_at(self, sigma: float) -> int:
        """Return the scale to sample with at `sigma`: the planned one, or the finest coarser one trained."""
        planned = next(scale for least, scale in _SHEET_SCALES if sigma >= least)
        return min((s for s in self._batch_sizes if s >= planned), default=max(self._batch_sizes))

    @torch.no_grad()
    def _embed(self, captions: list[str]) -> tuple[Tensor, Tensor]:
        """Return text and mask at one fixed length, so that the compiled network sees one shape."""
        with torch.autocast(self._device.type, torch.bfloat16):
            text, mask = self._text_encoder(captions)
        length = max(_TEXT_LENGTH, -(-text.shape[1] // 8) * 8)
        missing = length - text.shape[1]
        return nn.functional.pad(text, (0, 0, 0, missing)), nn.functional.pad(mask, (0, missing))
