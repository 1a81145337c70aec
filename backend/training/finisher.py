"""Recipe of the finisher: decoded details, guided by the enlarged draft, come closer to the true pictures.

The finisher is ours (see `models.kinora.finisher`), and so is its recipe: cut-outs of single frames, turned
and mirrored, against Charbonnier's loss, the root of the squared error plus a small constant (Lai et al.
2017, arXiv 1704.03915), of the pixels, and against their local statistics. Where drafts are far from the
truth, which is at edges, half of its looks are drawn to. Drafts that the base model made have no true
pixels: scaled down, and in colour, they are held to the draft, and the statistics of a whole cut-out to those
of the scene they were to show.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from backend.evaluation.metrics import psnr
from backend.models.kinora.finisher import FOLDED, Finisher
from backend.models.placement import mixed_precision
from backend.training.finishing import DRAFTED, MADE, Triples
from backend.training.local_statistics import distance_loss, statistics_loss, whitening
from backend.training.publish import load_published, save_half, seal

_EPSILON = 1e-3  # of pixels in [-1, 1]: an eighth of a level
_SHEET_ROWS = 6
_PLAIN_SHARE, _CANDIDATES = 0.5, 3
_COLOUR_WEIGHT = 0.5
_PIXEL_HOLD, _AROUND = 0.3, 16  # pixels a side of the surroundings of a draft's pixel
_DISTANCE_WEIGHT = 0.1  # of a squared distance, beside mean differences


@dataclass(frozen=True)
class FinisherBatch:
    """Cut-outs of details, of enlarged drafts and of true pictures, (B, 3, S, S) in [-1, 1].

    has_truth (B,): False where a draft was made of words, and the true picture is of the same scene alone.
    """

    made: Tensor
    low: Tensor
    true: Tensor
    has_truth: Tensor


def charbonnier(error: Tensor) -> Tensor:
    """Return the mean of sqrt(error² + epsilon²)."""
    return (error.square() + _EPSILON**2).sqrt().mean()


def pixel_loss(pixels: Tensor, low: Tensor, true: Tensor, has_truth: Tensor) -> Tensor:
    """Return `charbonnier` of `pixels` (B, 3, S, S) and, by a part, of their colours apart from brightness.

    Against the truth or, where there is none, the enlarged draft `low`: in brightness, scaled down, to its
    pixels and more to their surroundings, since waves and grain that a draft has lost are to come back.
    """
    is_aligned = has_truth.view(-1, 1, 1, 1)
    error = pixels - torch.where(is_aligned, true, low)
    held = _PIXEL_HOLD * _means(error, FOLDED) + (1 - _PIXEL_HOLD) * _means(error, _AROUND)
    colours = error - error.mean(1, keepdim=True)
    return charbonnier(torch.where(is_aligned, error, held)) + _COLOUR_WEIGHT * charbonnier(colours)


def _means(values: Tensor, side: int) -> Tensor:
    """Return `values` (B, C, S, S), in every square of `side` pixels their mean."""
    return functional.avg_pool2d(values, side).repeat_interleave(side, 2).repeat_interleave(side, 3)


@dataclass(frozen=True)
class Look:
    """A cut-out (S, S, 3) of a detail, of its enlarged draft and of the true picture."""

    parts: tuple[np.ndarray, np.ndarray, np.ndarray]
    has_truth: bool

    @property
    def error(self) -> float:
        """Return by how much the draft is off."""
        _, low, true = self.parts
        return float(np.abs(low - true).mean()) if self.has_truth else 0.0

    def turned(self, down: int, across: int, *, is_transposed: bool) -> "Look":
        """Return the cut-out flipped where a step is -1, and with rows for columns."""
        flipped = [each[::down, ::across] for each in self.parts]
        made, low, true = (each.swapaxes(0, 1) if is_transposed else each for each in flipped)
        return Look((made, low, true), self.has_truth)


class FinisherRecipe:
    """Trains the finisher on triples kept in memory."""

    def __init__(
        self,
        trained: Triples,
        held_out: Triples,
        *,
        device: torch.device,
        batch_size: int,
        cut_side: int = 96,
        statistics_weight: float = 0.25,
        published: Path | None = None,
    ) -> None:
        """cut_side: pixels of a cut-out, a multiple of 32.

        statistics_weight: how much `statistics_loss` counts beside the loss of the pixels. published: folder
        of the finisher to train further, if not a fresh one.
        """
        finisher = Finisher() if published is None else load_published(Finisher, published)
        self.model = finisher.to(device)
        self._trained, self._held_out, self._device = trained, held_out, device
        self._batch_size, self._cut_side, self._weight = batch_size, cut_side, statistics_weight
        self._whitening = whitening(_pixels(trained.true[:, -1])).to(device)

    def batches(self, *, start_step: int) -> Iterator[FinisherBatch]:
        """Yield batches of random cut-outs."""
        rng = np.random.default_rng(start_step)
        while True:
            looks = [self._cut_out(rng) for _ in range(self._batch_size)]
            parts = zip(*(look.parts for look in looks), strict=True)
            made, low, true = (_pixels(np.stack(each)) for each in parts)
            yield FinisherBatch(made, low, true, torch.tensor([look.has_truth for look in looks]))

    def loss(self, batch: FinisherBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of the pixels and, by its weight, that of their local statistics."""
        made, low, true = (each.to(self._device) for each in (batch.made, batch.low, batch.true))
        has_truth = batch.has_truth.to(self._device)
        with mixed_precision(self._device.type):
            finished = self.model(made, low)
        pixels = pixel_loss(finished, low, true, has_truth)
        statistics = self._statistics(finished, true, has_truth)
        before = pixel_loss(made, low, true, has_truth)
        figures = {"pixels": float(pixels.detach()), "statistics": float(statistics.detach())}
        figures |= {"before": float(before), "samples": len(made)}
        return pixels + self._weight * statistics, figures

    def _statistics(self, pixels: Tensor, true: Tensor, has_truth: Tensor) -> Tensor:
        """Return how far the statistics of `pixels` are off, patch by patch only where there is a truth."""
        losses = [pixels.new_zeros(())]
        if has_truth.any():
            losses.append(has_truth.sum() * statistics_loss(pixels[has_truth], true[has_truth]))
        if not has_truth.all():
            whole = distance_loss(pixels[~has_truth], true[~has_truth], self._whitening)
            losses.append((~has_truth).sum() * _DISTANCE_WEIGHT * whole)
        return torch.stack(losses).sum() / len(pixels)

    def measure(self) -> dict[str, float]:
        """Return mean PSNR in dB to held-out true pictures of drafts, of details and of finished ones."""
        held_out = self._held_out
        scores: dict[str, list[float]] = {"low": [], "made": [], "finished": []}
        for made, low, true in zip(held_out.made, held_out.low, held_out.true, strict=True):
            clips = {"low": low, "made": made, "finished": self.finished(made, low)}
            for name, clip in clips.items():
                scores[name].append(psnr(clip, true))
        return {f"psnr_{name}": float(np.mean(values)) for name, values in scores.items()}

    def draw_sheet(self, path: Path) -> None:
        """Write the last frame of held-out cut-outs: enlarged draft, detail, finished detail, truth."""
        held_out, rows = self._held_out, []
        for row in range(min(_SHEET_ROWS, len(held_out))):
            made, low, true = (clips[row][-1:] for clips in (held_out.made, held_out.low, held_out.true))
            rows.append(np.concatenate([low, made, self.finished(made, low), true], axis=2)[0])
        Image.fromarray(np.concatenate(rows)).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the finisher beside the other members and seal the family folder."""
        save_half(self.model, folder / "finisher", facts=facts)
        seal(folder)

    @torch.no_grad()
    def finished(self, made: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return `made` (T, H, W, 3) uint8 finished with the enlarged draft `low`."""
        pairs = (_pixels(np.stack(pair)).to(self._device) for pair in zip(made, low, strict=True))
        frames = torch.cat([self.model(made[None], low[None]) for made, low in pairs])
        levels = ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(0, 2, 3, 1).cpu().numpy()

    def _cut_out(self, rng: np.random.Generator) -> Look:
        """Return a cut-out of a place where its draft is off, or of any, turned and mirrored at random."""
        row = int(rng.integers(len(self._trained)))
        count = 1 if rng.random() < _PLAIN_SHARE else _CANDIDATES
        look = max((self._place(row, rng) for _ in range(count)), key=lambda each: each.error)
        down, across = rng.choice((1, -1)), rng.choice((1, -1))
        return look.turned(down, across, is_transposed=rng.random() < 0.5)

    def _place(self, row: int, rng: np.random.Generator) -> Look:
        """Return a cut-out of any place of the detail `row`, of its draft and of its truth."""
        data = self._trained
        frame = rng.integers(data.true.shape[1])
        top, left = FOLDED * rng.integers(
            [(side - self._cut_side) // FOLDED + 1 for side in data.true.shape[2:4]]
        )
        rows, columns = slice(top, top + self._cut_side), slice(left, left + self._cut_side)
        made, low, true = (
            clips[row, frame, rows, columns].astype(np.float32) for clips in (data.made, data.low, data.true)
        )
        if data.kinds[row] == DRAFTED:  # nothing tells how far a draft's colours are off
            true = true + (low - true).mean((0, 1))
        return Look((made, low, true), bool(data.kinds[row] != MADE))


def _pixels(frames: np.ndarray) -> Tensor:
    """Return pixels (N, 3, H, W) in [-1, 1] of `frames` (N, H, W, 3) of 0 to 255."""
    return torch.from_numpy(frames.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
