"""Recipe of the base model: text to appearance and motion latents, jointly, at several patch sizes.

VideoJAM's joint objective (arXiv 2502.02492 Eq. 6: one sigma, independent noise for both halves), STIV's
frame replacement with the loss masked on given frames (arXiv 2412.07730 Sec. 3.2), Lumina-Video's scales in
every step, each with its own sigmas (arXiv 2502.06782 Alg. 1), its cosine term and its motion score. Where
motion channels are hidden their velocity cannot be known, so the motion half of the loss is left out there.
The cast fills a sixteenth of the picture and is most of what a prompt is about: its latents weigh more in the
loss, as do channels that show more (`visibility`). Pictures are mixed in at the finest scale alone, so that
they do not teach that things stand still (Lumina-Video, Sec. 3.3).
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from backend.evaluation.prompts import PROMPT_CASES
from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.patches import PATCH_SIZES, PatchScale
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import Told, VideoTransformer, Window
from backend.models.placement import mixed_precision
from backend.training.conditions import embed_captions
from backend.training.dataset import TrainingLatents
from backend.training.latents import LatentClips, load_frozen
from backend.training.objectives import (
    NOTHING_HIDDEN,
    Draw,
    Drops,
    draw_conditions,
    draw_logit_normal,
    velocity_loss,
)
from backend.training.publish import load_published, save_half, seal
from backend.training.visibility import channel_weights
from backend.training.world.captions import caption

SIGMAS = {1: (0.6, 1.2), 2: (2.4, 1.2), 3: (4.5, 1.5)}
"""Mean and deviation of the logits of the sigmas drawn at each scale (SD3, arXiv 2403.03206 Eq. 19).

Lumina-Video shifts uniform draws, more at coarser patches; these lie around where the presets of `spec` use
each scale: the coarsest nearly at noise, the next down to 0.67 (Balanced), and the finest below that.
"""
_HELD_OUT = 128
_FITTED = 256
_SHAPES = 32  # of batches: more than parts, scales and shapes of clips make; beyond it nothing is compiled
_SEEN = 16  # clips whose channels are weighed
_MEASURED = 64
_MOTION_WEIGHT = 1.0
_CAST_WEIGHT = 4.0
_FIRST_WEIGHT = 4.0  # the first latent is a whole frame: its errors show as much as those of four
_SHAPED_SHARE = 0.3  # of the batches of whole clips; few, since the square teaches what moves, and cheaper
_CUT_STEP = 2  # latents; cuts begin where patches of whole pictures do
_CUT_LATENTS = 5  # along time: the beginning of a clip is a clip
_SHEET_STEPS = 24
_SHEET_GUIDANCE = 4.0
_SHEET_SCALES = ((0.85, 3), (0.6, 2), (0.0, 1))  # scale down to which sigma


@dataclass(frozen=True)
class BaseBatch:
    """Clips of one scale: latents (B, 32, F, H, W); weights (B, 1, F, H, W) of the loss; what the network is
    told besides captions; captions; what is hidden; sigmas (B,); noise; where they were cut out, None if they
    are whole."""

    scale: int
    latents: Tensor
    weights: Tensor
    told: Told
    captions: list[str]
    draw: Draw
    sigmas: Tensor
    noise: Tensor
    window: Window | None

    @property
    def num_tokens(self) -> int:
        """Return how many tokens the network makes of all clips together."""
        count, _, *sizes = self.latents.shape
        patches = zip(sizes, PATCH_SIZES[self.scale - 1], strict=True)
        return count * math.prod(math.ceil(size / patch) for size, patch in patches)


@dataclass(frozen=True)
class Part:
    """`count` clips at one scale, of which each step has one batch; pictures are of no clip."""

    scale: int
    count: int
    is_cut: bool = False
    is_picture: bool = False

    @property
    def name(self) -> str:
        return f"{self.scale}" + "_cut" * self.is_cut + "_picture" * self.is_picture


def parts_of(
    batch_sizes: Sequence[int], crop_sizes: Sequence[int], picture_sizes: Sequence[int]
) -> tuple[Part, ...]:
    """Return the parts of a step: whole clips at scales 1, 2 and 3, clips cut around their cast, pictures.

    crop_sizes: at scales 1 and 2, where detail is hard and costs a quarter. picture_sizes: whole ones and
    ones that are cut too. What is 0 is left out.
    """
    whole = [Part(scale, size) for scale, size in enumerate(batch_sizes, start=1)]
    cuts = [Part(scale, size, is_cut=True) for scale, size in enumerate(crop_sizes, start=1)]
    pictures = [Part(1, size, is_cut=bool(cut), is_picture=True) for cut, size in enumerate(picture_sizes)]
    parts = (*whole, *cuts, *pictures)
    return tuple(part for part in parts if part.count)


def cut_out(batch: BaseBatch, generator: torch.Generator) -> BaseBatch:
    """Return the beginning of `batch`, cut to half its height and width around random parts of its cast."""
    batch = _beginning(batch, _CUT_LATENTS)
    height, width = batch.latents.shape[3:]
    size = (height // 2, width // 2)
    cast = batch.weights.mean(dim=(1, 2))
    cast = cast - cast.amin(dim=(1, 2), keepdim=True)  # (B, H, W)
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


def _beginning(batch: BaseBatch, num_latents: int) -> BaseBatch:
    """Return the first `num_latents` latent frames of `batch`."""
    camera = batch.told.camera
    return replace(
        batch,
        latents=batch.latents[:, :, :num_latents],
        weights=batch.weights[:, :, :num_latents],
        noise=batch.noise[:, :, :num_latents],
        told=replace(batch.told, camera=None if camera is None else camera[:, :num_latents]),
        draw=replace(batch.draw, given=batch.draw.given[:, :num_latents]),
    )


def start_untrained_scales(transformer: VideoTransformer) -> None:
    """Let every scale that was never trained start from the next coarser one, if that was."""
    scales = [each for each in transformer.scales if isinstance(each, PatchScale)]
    for finer, coarser in zip(scales[-2::-1], scales[:0:-1], strict=True):
        if not finer.final.weight.any() and coarser.final.weight.any():
            finer.start_from(coarser)


class BaseRecipe:
    """Trains the transformer on latent clips kept in memory; captions are written anew for every draw."""

    sigmas: ClassVar[dict[int, tuple[float, float]]] = SIGMAS

    def __init__(
        self,
        data: TrainingLatents,
        *,
        family: Path,
        device: torch.device,
        parts: Sequence[Part],
        drops: Drops | None = None,
        compile_network: bool = True,
        is_continued: bool = False,
    ) -> None:
        """family: folder of the published autoencoder and text encoder, and where the transformer goes.

        parts: what each step has a batch of. drops: how often what is hidden. is_continued: start from the
        published transformer, not from a fresh one.
        """
        transformer = (
            load_published(VideoTransformer, family / "transformer") if is_continued else VideoTransformer()
        )
        self.model = transformer.to(device)
        start_untrained_scales(transformer)
        if not is_continued:
            transformer.guess.fit(data.clips.appearance[_HELD_OUT : _HELD_OUT + _FITTED])
        torch._dynamo.config.recompile_limit = _SHAPES
        for block in transformer.blocks if compile_network else ():
            block.compile(dynamic=False)  # one by one: they share their code, so one is compiled per shape
        self._text_encoder = load_published(TextEncoder, family / "text_encoder").to(device).eval()
        self._data, self._family, self._device, self._drops = data, family, device, drops or Drops()
        vae, some = load_frozen(family / "vae", device), slice(_HELD_OUT, _HELD_OUT + _SEEN)
        self._channels = [
            channel_weights(vae, latents[some], is_flow=is_flow).to(device).view(1, -1, 1, 1, 1)
            for is_flow, latents in ((False, data.clips.appearance), (True, data.clips.motion))
        ]
        self._parts = parts
        self._scales = sorted({part.scale for part in parts if not (part.is_cut or part.is_picture)})

    def batches(self, *, start_step: int) -> Iterator[list[BaseBatch]]:
        """Yield the parts of each step, of different clips."""
        rng = np.random.default_rng(start_step)
        generator = torch.Generator().manual_seed(start_step)
        words = random.Random(start_step)
        size = sum(part.count for part in self._parts if not part.is_picture)
        while True:
            order = rng.permutation(len(self._data.clips) - _HELD_OUT) + _HELD_OUT
            for start in range(0, len(order) - size + 1, size):
                rows = iter(order[start : start + size].tolist())
                yield [self._part(part, rows, rng, generator, words) for part in self._parts]

    def _part(
        self,
        part: Part,
        clip_rows: Iterator[int],
        rng: np.random.Generator,
        generator: torch.Generator,
        words: random.Random,
    ) -> BaseBatch:
        """Return the batch of `part`: of the next `clip_rows`, or of pictures or shaped clips at random."""
        if part.is_picture:
            pictures = self._data.pictures
            rows = rng.integers(len(pictures), size=part.count).tolist()
            drops = replace(self._drops, motion_channels=1.0)
            batch = self._batch(pictures, rows, 1, drops, generator, words)
        elif self._data.shaped and not part.is_cut and rng.random() < _SHAPED_SHARE:
            shaped = self._data.shaped[rng.integers(len(self._data.shaped))]
            rows = rng.integers(len(shaped), size=part.count).tolist()
            batch = self._batch(shaped, rows, part.scale, self._drops, generator, words)
        else:
            rows = list(islice(clip_rows, part.count))
            batch = self._batch(self._data.clips, rows, part.scale, self._drops, generator, words)
        return cut_out(batch, generator) if part.is_cut else batch

    def loss(self, batch: list[BaseBatch]) -> tuple[Tensor, dict[str, float]]:
        """Return the mean of the parts' losses, each of which counts as the tokens that it is made of."""
        losses, figures = [], {}
        for part, given in zip(self._parts, batch, strict=True):
            appearance, motion = self.losses(given)
            losses.append(given.num_tokens * (appearance + _MOTION_WEIGHT * motion))
            figures[f"appearance_{part.name}"] = float(appearance.detach())
            if not part.is_picture:
                figures[f"motion_{part.name}"] = float(motion.detach())
        loss = torch.stack(losses).sum() / sum(given.num_tokens for given in batch)
        return loss, figures | {"samples": sum(part.count for part in self._parts)}

    def losses(self, batch: BaseBatch) -> tuple[Tensor, Tensor]:
        """Return the losses of the appearance half and of the motion half."""
        half = batch.latents.shape[1] // 2
        predicted, target = self._predict(batch)
        weights = batch.weights.to(self._device)
        free = (~batch.draw.given).float()[:, None, :, None, None].to(self._device)
        shown = (~batch.draw.motion_channels).float().view(-1, 1, 1, 1, 1).to(self._device)
        of_appearance, of_motion = self._channels
        appearance = velocity_loss(predicted[:, :half], target[:, :half], weights * free * of_appearance)
        motion = velocity_loss(predicted[:, half:], target[:, half:], weights * shown * of_motion)
        return appearance, motion

    @torch.compiler.set_stance("force_eager")
    def measure(self) -> dict[str, float]:
        """Return the losses at every scale on held-out clips at fixed noise, nothing hidden."""
        measures = {}
        for scale in self._scales:
            pairs = [self.losses(batch) for batch in self.held_out_batches(scale)]
            for name, values in zip(("appearance", "motion"), zip(*pairs, strict=True), strict=True):
                measures[f"held_out_{name}_{scale}"] = float(torch.stack(values).mean())
        return measures

    def held_out_batches(self, scale: int) -> Iterator[BaseBatch]:
        """Yield held-out clips with nothing hidden, the same every time."""
        generator, words = torch.Generator().manual_seed(1), random.Random(1)
        drops = replace(NOTHING_HIDDEN, motion_channels=float(self._drops.motion_channels == 1))
        for start in range(0, _MEASURED, 16):
            rows = list(range(start, start + 16))
            yield self._batch(self._data.clips, rows, scale, drops, generator, words)

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
        self,
        clips: LatentClips,
        rows: list[int],
        scale: int,
        drops: Drops,
        generator: torch.Generator,
        words: random.Random,
    ) -> BaseBatch:
        latents = torch.cat([clips.appearance[rows], clips.motion[rows]], dim=1).float()
        draw = draw_conditions(len(rows), latents.shape[2], drops=drops, generator=generator)
        captions = [
            "" if hidden else caption(clips.attributes[row], rng=words)
            for row, hidden in zip(rows, draw.text.tolist(), strict=True)
        ]
        weights = 1 + _CAST_WEIGHT * clips.cover[rows].float().unsqueeze(1)
        weights[:, :, 0] *= _FIRST_WEIGHT
        return BaseBatch(
            scale=scale,
            latents=latents,
            weights=weights,
            told=_told(clips, rows, draw),
            captions=captions,
            draw=draw,
            sigmas=draw_logit_normal(len(rows), *self.sigmas[scale], generator=generator),
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
        text, mask = embed_captions(self._text_encoder, batch.captions)
        with mixed_precision(self._device.type):
            predicted = self.model(
                hidden_states,
                batch.sigmas.to(self._device),
                text,
                mask,
                scale=batch.scale,
                told=batch.told.to(self._device),
                given=given,
                window=batch.window,
            )
        return predicted, noise - data

    def _sample(self, prompts: list[str]) -> Tensor:
        """Return latents of `prompts` by plain Euler steps with classifier-free guidance."""
        clips = self._data.clips.appearance
        shape = (len(prompts), 2 * clips.shape[1], *clips.shape[2:])
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self._device)
        sigmas = torch.linspace(1, 0, _SHEET_STEPS + 1)
        sigmas = 4 * sigmas / (1 + 3 * sigmas)
        text, mask = embed_captions(self._text_encoder, [*prompts, *[""] * len(prompts)])
        with mixed_precision(self._device.type):
            for now, following in zip(sigmas[:-1].tolist(), sigmas[1:].tolist(), strict=True):
                both = torch.cat([x, x])
                sigma = torch.full((len(both),), now, device=self._device)
                positive, null = self.model(both, sigma, text, mask, scale=self._scale_at(now)).chunk(2)
                x = x + (following - now) * (null + _SHEET_GUIDANCE * (positive - null))
        return x

    def _scale_at(self, sigma: float) -> int:
        """Return the scale to sample with at `sigma`: the planned one, or the finest coarser one trained."""
        planned = next(scale for least, scale in _SHEET_SCALES if sigma >= least)
        return min((s for s in self._scales if s >= planned), default=self._scales[-1])


def _told(clips: LatentClips, rows: list[int], draw: Draw) -> Told:
    """Return what the network is told of `rows`, less what `draw` hides."""
    return Told(
        motion_score=torch.where(draw.motion_score, -1.0, clips.motion_scores[rows]),
        stride=torch.where(draw.stride, 0.0, clips.strides[rows]),
        source=torch.where(draw.source, -1, clips.sources[rows]),
        camera=clips.cameras[rows] * (~draw.camera).float().view(-1, 1, 1),
    )
