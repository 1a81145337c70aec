"""Recipe of the refiner: straight from the degraded draft to the clip at four times the size.

FlashVideo's second stage (arXiv 2502.05179 Sec. 3.3): start = a_k * low + sqrt(1 - a_k²) * noise, where low
are latents of the enlarged draft; x = (1 - sigma) * high + sigma * start; velocity = start - high. The step k
is drawn from a wide range first and from a narrow one later; text is dropped in a tenth of the draws. In
another tenth of the clips the first frame is given at high resolution, and no loss is taken there.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backend.evaluation.metrics import psnr
from backend.models.kinora.refiner import RefinerTransformer, degraded
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.placement import mixed_precision
from backend.pipelines.detail import restored
from backend.pipelines.schedules import schedule
from backend.training.conditions import embed_captions
from backend.training.dataset import TrainingPairs
from backend.training.degradation import ENLARGEMENT
from backend.training.latents import load_frozen
from backend.training.objectives import NOTHING_HIDDEN, Drops, draw_conditions, draw_sigmas, velocity_loss
from backend.training.pairs import LatentPairs
from backend.training.publish import load_published, save_half, seal
from backend.training.world.captions import caption

Degradation = Literal["none", "pixel", "pixel_latent"]
"""What is done to drafts in training: scaled pictures alone, drafts of the autoencoder too, and noise."""

_SAMPLING = schedule(4, shift=2.5)
_DECODED = 8
_SHEET_ROWS = 6


@dataclass(frozen=True)
class RefinerDraws:
    """What a step is made of.

    counts: pairs by the name of their collection, none where 0. steps: the least and the most degradation
    step k, where latents are degraded; else k is 0, which keeps the draft. shift: of sigma, towards 1.
    """

    counts: dict[str, int]
    degradation: Degradation = "pixel_latent"
    steps: tuple[int, int] = (100, 900)
    shift: float = 1.0
    drops: Drops = field(default_factory=lambda: replace(NOTHING_HIDDEN, text=0.1, first=0.1))

    @property
    def step_range(self) -> tuple[int, int]:
        """Return the least and the most k that are drawn."""
        return self.steps if self.degradation == "pixel_latent" else (0, 0)


@dataclass(frozen=True)
class RefinerBatch:
    """Pairs of one collection: high, low and noise (B, C, F, H, W); k (B,); sigmas (B,); given (B, F)."""

    high: Tensor
    low: Tensor
    noise: Tensor
    steps: Tensor
    sigmas: Tensor
    given: Tensor
    captions: list[str]


def states(batch: RefinerBatch) -> tuple[Tensor, Tensor]:
    """Return what the network sees and the velocity it is to predict, each (B, C, F, H, W)."""
    start = degraded(batch.low, batch.noise, step=batch.steps)
    sigma = batch.sigmas.view(-1, 1, 1, 1, 1)
    noisy = (1 - sigma) * batch.high + sigma * start
    return torch.where(batch.given[:, None, :, None, None], batch.high, noisy), start - batch.high


class RefinerRecipe:
    """Trains the refiner on latent pairs kept in memory; captions are written anew for every draw."""

    def __init__(
        self,
        data: TrainingPairs,
        draws: RefinerDraws,
        *,
        family: Path,
        device: torch.device,
        compile_network: bool = True,
        is_continued: bool = False,
    ) -> None:
        """family: folder of the published autoencoder and text encoder, and where the refiner goes.

        is_continued: start from the published refiner, not from a fresh one.
        """
        refiner = (
            load_published(RefinerTransformer, family / "refiner") if is_continued else RefinerTransformer()
        )
        self.model = refiner.to(device)
        for block in refiner.blocks if compile_network else ():
            block.compile(
                dynamic=False
            )  # one by one: they share their code, so one is compiled per collection
        self._text_encoder = load_published(TextEncoder, family / "text_encoder").to(device).eval()
        self._vae = load_frozen(family / "vae", device)
        self._data, self._draws, self._device = data, draws, device
        self._names = [name for name, count in draws.counts.items() if count]
        self._measured_steps = tuple(dict.fromkeys(draws.step_range))

    def batches(self, *, start_step: int) -> Iterator[list[RefinerBatch]]:
        """Yield a batch of every collection for each step."""
        rng = np.random.default_rng(start_step)
        generator = torch.Generator().manual_seed(start_step)
        words = random.Random(start_step)
        orders = {name: _endless(self._rows(self._data.trained[name]), rng) for name in self._names}
        while True:
            yield [
                self._batch(
                    self._data.trained[name],
                    [*islice(orders[name], self._draws.counts[name])],
                    self._draws.drops,
                    generator,
                    words,
                )
                for name in self._names
            ]

    def loss(self, batch: list[RefinerBatch]) -> tuple[Tensor, dict[str, float]]:
        """Return the mean of the collections' losses, each of which counts alike."""
        losses = [self.part_loss(part) for part in batch]
        figures = {name: float(each.detach()) for name, each in zip(self._names, losses, strict=True)}
        return torch.stack(losses).mean(), figures | {"samples": sum(len(part.captions) for part in batch)}

    def part_loss(self, batch: RefinerBatch) -> Tensor:
        """Return the loss of one collection's batch; nothing is learnt on given frames."""
        seen, target = states(batch)
        free = (~batch.given).float()[:, None, :, None, None]
        weights = free.expand(-1, 1, -1, *target.shape[3:])
        return velocity_loss(self._predict(seen, batch), target.to(self._device), weights.to(self._device))

    @torch.compiler.set_stance("force_eager")
    def measure(self) -> dict[str, float]:
        """Return held-out losses at fixed noise, and PSNR in dB to the true pixels of held-out clips.

        PSNR is that of the enlarged draft, of its decoded latents, of the decoded true latents, which bound
        it, and of refined ones from the least and the most k; apart for drafts of the autoencoder and scaled
        pictures. To the last two is added what encoding loses of the draft, as `pipelines.detail` does.
        """
        measures = {
            f"held_out_{name}": float(self.part_loss(self.held_out_batch(name))) for name in self._names
        }
        measures |= self._unrefined
        for step in self._measured_steps:
            measures |= self._scores(f"refined_{step}", partial(self._refined_pixels, step=step))
        return measures

    def held_out_batch(self, name: str) -> RefinerBatch:
        """Return the held-out pairs of a collection with nothing hidden, the same every time."""
        pairs = self._data.held_out[name].latents
        generator, words = torch.Generator().manual_seed(1), random.Random(1)
        return self._batch(pairs, [*range(len(pairs))], NOTHING_HIDDEN, generator, words)

    @torch.compiler.set_stance("force_eager")
    def draw_sheet(self, path: Path) -> None:
        """Write the last frame of held-out clips: the enlarged draft, what is refined of it, the truth."""
        rows = []
        for row, pair in enumerate(self._data.held_out["clip"].pixels[:_SHEET_ROWS]):
            refined = self._refined_pixels(row, step=self._measured_steps[0])
            rows.append(torch.cat([clip[:, -1] for clip in (pair.low, refined, pair.high)], dim=-1))
        columns = [torch.cat(rows[half::2], dim=-2) for half in (0, 1)]
        Image.fromarray(torch.cat(columns, dim=-1).permute(1, 2, 0).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the refiner beside the other members and seal the family folder."""
        save_half(self.model, folder / "refiner", facts=facts)
        seal(folder)

    @torch.no_grad()
    def refined(self, pairs: LatentPairs, row: int, *, step: int) -> Tensor:
        """Return latents (1, C, F, H, W) made of the low ones of `row` in four steps without guidance."""
        batch = self._batch(
            pairs, [row], NOTHING_HIDDEN, torch.Generator().manual_seed(row), random.Random(row)
        )
        batch = replace(batch, steps=torch.tensor([step]))
        x = degraded(batch.low, batch.noise, step=batch.steps).to(self._device)
        for sigma, following in pairwise(_SAMPLING.sigmas):
            x = x + (following - sigma) * self._predict(x, replace(batch, sigmas=torch.tensor([sigma])))
        return x

    @cached_property
    def _unrefined(self) -> dict[str, float]:
        """Return the measures of held-out clips that no training changes."""
        held_out = self._data.held_out["clip"]
        low, high = held_out.latents.low.float(), held_out.latents.high.float()
        return (
            self._scores("enlarged", lambda row: held_out.pixels[row].low)
            | self._scores("decoded", lambda row: self._decode(low[row : row + 1]))
            | self._scores("possible", lambda row: self._restored(row, high[row : row + 1]))
        )

    def _scores(self, name: str, pixels_of: Callable[[int], Tensor]) -> dict[str, float]:
        """Return mean PSNR to the truth of the pixels (3, F, H, W) of held-out clips, by kind of draft."""
        scores: dict[str, list[float]] = {}
        for row, pair in enumerate(self._data.held_out["clip"].pixels[:_DECODED]):
            kind = "draft" if pair.is_draft else "scaled"
            scores.setdefault(kind, []).append(psnr(pixels_of(row).numpy(), pair.high.numpy()))
        return {f"psnr_{name}_{kind}": sum(values) / len(values) for kind, values in scores.items()}

    def _refined_pixels(self, row: int, *, step: int) -> Tensor:
        return self._restored(row, self.refined(self._data.held_out["clip"].latents, row, step=step))

    def _restored(self, row: int, latents: Tensor) -> Tensor:
        """Return pixels of `latents` with what encoding loses of the draft of `row` added again."""
        held_out = self._data.held_out["clip"]
        low = held_out.pixels[row].low
        frames, again, kept = (
            pixels.permute(1, 2, 3, 0).numpy().copy()
            for pixels in (self._decode(latents), self._again[row], low)
        )
        held_to = (low.shape[3] // ENLARGEMENT, low.shape[2] // ENLARGEMENT)
        restored(frames, again, kept, held_to=held_to)
        return torch.from_numpy(frames).permute(3, 0, 1, 2)

    @cached_property
    def _again(self) -> list[Tensor]:
        """Return the enlarged drafts of held-out clips, encoded and decoded."""
        return [self._decode(low[None]) for low in self._data.held_out["clip"].latents.low[:_DECODED].float()]

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> Tensor:
        """Return pixels (3, F, H, W) uint8 of latents (1, C, F', H', W')."""
        with mixed_precision(self._device.type):
            pixels = self._vae.decode(latents.to(self._device))[0]
        return ((pixels.float() + 1) * 127.5).round().to(torch.uint8).cpu()

    def _rows(self, pairs: LatentPairs) -> list[int]:
        """Return the rows of `pairs` to train on: without pixel degradation, those of scaled pictures."""
        keep = ~pairs.is_draft if self._draws.degradation == "none" else torch.ones_like(pairs.is_draft)
        return [int(row) for row in keep.nonzero()]

    def _batch(
        self,
        pairs: LatentPairs,
        rows: list[int],
        drops: Drops,
        generator: torch.Generator,
        words: random.Random,
    ) -> RefinerBatch:
        high, low = pairs.high[rows].float(), pairs.low[rows].float()
        draw = draw_conditions(len(rows), high.shape[2], drops=drops, generator=generator)
        least, most = self._draws.step_range
        return RefinerBatch(
            high=high,
            low=low,
            noise=torch.randn(high.shape, generator=generator),
            steps=torch.randint(least, most + 1, (len(rows),), generator=generator),
            sigmas=draw_sigmas(len(rows), shift=self._draws.shift, generator=generator),
            given=draw.given,
            captions=[
                "" if hidden else caption(pairs.attributes[row], rng=words)
                for row, hidden in zip(rows, draw.text.tolist(), strict=True)
            ],
        )

    def _predict(self, seen: Tensor, batch: RefinerBatch) -> Tensor:
        """Return the predicted velocity (B, C, F, H, W) of `seen`, on the recipe's device."""
        text, mask = embed_captions(self._text_encoder, batch.captions)
        with mixed_precision(self._device.type):
            predicted: Tensor = self.model(
                seen.to(self._device),
                batch.sigmas.to(self._device),
                text,
                mask,
                degradation=batch.steps.to(self._device),
                given=batch.given.to(self._device),
            )
        return predicted


def _endless(rows: list[int], rng: np.random.Generator) -> Iterator[int]:
    """Yield `rows` in random order, all of them before any comes again."""
    while True:
        yield from rng.permutation(rows).tolist()
