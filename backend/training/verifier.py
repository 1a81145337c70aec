"""Recipe of the verifier: name shape, colour, surface, motion, place and camera of rendered scenes.

Scenes with one object, their mirror images, and both in a little noise, blur and other light, since generated
clips are not as clean as rendered ones. It never sees a generated clip.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.evaluation.verifier import LOOKS, Verifier, looked_at, seen
from backend.models.placement import mixed_precision
from backend.training.publish import load_published, save_half
from backend.training.scenes import load_shard, mirrored
from backend.training.world import words
from backend.training.world.cameras import MOVES
from backend.training.world.captions import CaptionAttributes

ATTRIBUTES: dict[str, list[str]] = {
    "shape": list(words.SHAPES),
    "colour": list(words.COLOURS),
    "surface": list(words.SURFACES),
    "motion": list(words.MOTIONS),
    "place": list(words.PLACES),
    "camera": list(MOVES),
}
_HELD_OUT_SHARE = 0.06
_STEPS = 63
_NOISE = 0.06
_LIGHT = 0.06
_BLURRED_SHARE = 0.3
_SHIFT = 6  # pixels that a clip may be moved by, to any side; pictures by twice as many


def classes_of(attributes: CaptionAttributes) -> dict[str, str]:
    """Return the class of every attribute of a scene with one object."""
    (subject,) = attributes.objects
    own = {name: getattr(subject, name) for name in ("shape", "colour", "surface", "motion")}
    return own | {"place": attributes.place, "camera": attributes.camera}


@dataclass(frozen=True)
class Examples:
    """Inputs (N, ...) and the class (N,) of every attribute; a scene and its mirror image are neighbours.

    inputs: int8, in steps of 1 / 63, since tens of thousands of clips are kept in memory.
    """

    inputs: Tensor
    labels: dict[str, Tensor]

    def floats(self, rows: Tensor) -> Tensor:
        """Return the inputs at `rows`, float32 in [-2, 2]."""
        return self.inputs[rows].float() / _STEPS

    def split(self) -> "tuple[Examples, Examples]":
        """Return the first few, held out, and all others."""
        count = int(_HELD_OUT_SHARE * len(self.inputs)) // 2 * 2
        return tuple(  # type: ignore[return-value]
            Examples(self.inputs[rows], {name: values[rows] for name, values in self.labels.items()})
            for rows in (slice(count), slice(count, None))
        )


class VerifierRecipe:
    """Trains on pictures and clips of scene shards, which are looked at once and kept in memory."""

    def __init__(
        self,
        *,
        pictures: Path,
        clips: Sequence[Path],
        device: torch.device,
        batch_size: int = 64,
        published: Path | None = None,
    ) -> None:
        """pictures, clips: folders of scene shards; published: weights to start from, fresh ones if None.

        Raises FileNotFoundError where there are no scenes.
        """
        model = Verifier(ATTRIBUTES) if published is None else load_published(Verifier, published)
        self.model: nn.Module = model.to(device)
        self._verifier, self._device, self._batch_size = model, device, batch_size
        self._held_pictures, self._pictures = _load([pictures], _picture).split()
        self._held_clips, self._clips = _load(clips, seen).split()

    def batches(self, *, start_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield rows of pictures and rows of clips."""
        generator = torch.Generator().manual_seed(start_step)
        sizes = (len(self._pictures.inputs), len(self._clips.inputs))
        while True:
            pictures, clips = (torch.randint(n, (self._batch_size,), generator=generator) for n in sizes)
            yield pictures, clips[: self._batch_size // 2]

    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        pictures = _disturbed(self._pictures.floats(batch[0]), shift=2 * _SHIFT)
        clips = self._clips.floats(batch[1])
        pixels, flow = clips[:, :3].flatten(1, 2), clips[:, 3:].flatten(1, 2)
        moved = _disturbed(torch.cat([pixels, flow], dim=1), shift=_SHIFT, noisy=pixels.shape[1])
        with mixed_precision(self._device.type):
            logits = self.model(pictures.to(self._device), moved.unflatten(1, (5, -1)).to(self._device))
        losses = {
            name: functional.cross_entropy(values.float(), self._label(name, batch))
            for name, values in logits.items()
        }
        figures = {name: float(value.detach()) for name, value in losses.items()}
        return torch.stack([*losses.values()]).mean(), figures | {"samples": len(batch[0])}

    def _label(self, name: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        examples, rows = (self._pictures, batch[0]) if name in LOOKS else (self._clips, batch[1])
        return examples.labels[name][rows].to(self._device)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Return the share of held-out scenes whose attribute is named right."""
        self._verifier.eval()
        rights: dict[str, list[Tensor]] = {name: [] for name in ATTRIBUTES}
        for held, is_picture in ((self._held_pictures, True), (self._held_clips, False)):
            for rows in torch.arange(len(held.inputs)).split(256):
                inputs = held.floats(rows).to(self._device)
                logits = self.model(*((inputs, None) if is_picture else (None, inputs)))
                for name, values in logits.items():
                    rights[name].append(values.argmax(-1).cpu() == held.labels[name][rows])
        self._verifier.train()
        shares = {f"right_{name}": float(torch.cat(right).float().mean()) for name, right in rights.items()}
        return shares | {"right_mean": sum(shares.values()) / len(shares)}

    def draw_sheet(self, path: Path) -> None:
        """Write held-out pictures as the verifier sees them in training."""
        shown = _disturbed(self._held_pictures.floats(torch.arange(24)), shift=2 * _SHIFT)
        sheet = torch.cat([torch.cat(list(row), dim=-1) for row in shown.split(6)], dim=-2)
        picture = ((sheet + 1) * 127.5).clamp(0, 255).to(torch.uint8)
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        save_half(self._verifier, folder, facts=facts)


def _disturbed(channels: Tensor, *, shift: int, noisy: int = 3) -> Tensor:
    """Return `channels` (B, C, H, W), each moved a little; the first `noisy` in noise and other light."""
    count, _, height, width = channels.shape
    padded = functional.pad(channels, (shift,) * 4, mode="replicate")
    corners = torch.randint(2 * shift + 1, (count, 2)).tolist()
    moved = torch.stack(
        [p[:, y : y + height, x : x + width] for p, (y, x) in zip(padded, corners, strict=True)]
    )
    light = 1 + _LIGHT * (2 * torch.rand(count, 3, 1, 1) - 1).repeat_interleave(noisy // 3, 1)
    strength = _NOISE * torch.rand(count, 1, 1, 1)
    pixels = moved[:, :noisy] * light
    blurred = functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False)
    pixels = torch.where(torch.rand(count, 1, 1, 1) < _BLURRED_SHARE, blurred, pixels)
    return torch.cat([pixels + strength * torch.randn_like(pixels), moved[:, noisy:]], dim=1)


def _picture(frames: np.ndarray) -> Tensor:
    """Return the middle one of `frames` (T, H, W, 3) uint8 as (3, H, W)."""
    return looked_at(frames[len(frames) // 2][None])[0]


def _load(folders: Sequence[Path], look: Callable[[np.ndarray], Tensor]) -> Examples:
    """Return what `look` makes of every scene with one object in `folders`, and of its mirror image."""
    inputs, rows = [], []
    for path in sorted(path for folder in folders for path in folder.glob("*.npz")):
        shard = load_shard(path)
        for pixels, attributes in zip(shard.pixels, shard.attributes, strict=True):
            if len(attributes.objects) > 1:
                continue
            frames = pixels.permute(1, 2, 3, 0).numpy()
            for shown, words_of in ((frames, attributes), (frames[:, :, ::-1], mirrored(attributes))):
                inputs.append((look(np.ascontiguousarray(shown)) * _STEPS).round().to(torch.int8))
                rows.append(classes_of(words_of))
    if not inputs:
        raise FileNotFoundError(f"No scenes in {folders[0]}; train the base model first, which renders them.")
    labels = {
        name: torch.tensor([classes.index(row[name]) for row in rows]) for name, classes in ATTRIBUTES.items()
    }
    return Examples(torch.stack(inputs), labels)
