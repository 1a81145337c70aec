"""Recipe of the verifier: name shape, colour, surface, motion, place and camera of rendered scenes.

Scenes with one object, their mirror images, and both in a little noise and other light, since generated clips
are not as clean as rendered ones. It never sees a generated clip.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.evaluation.verifier import Verifier, seen
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
_HELD_OUT_SHARE = 0.08
_NOISE = 0.06
_LIGHT = 0.12


def classes_of(attributes: CaptionAttributes) -> dict[str, str]:
    """Return the class of every attribute of a scene with one object."""
    (subject,) = attributes.objects
    own = {name: getattr(subject, name) for name in ("shape", "colour", "surface", "motion")}
    return own | {"place": attributes.place, "camera": attributes.camera}


class VerifierRecipe:
    """Trains on scene shards, which are looked at once and kept in memory."""

    def __init__(
        self, *, scenes: Path, device: torch.device, batch_size: int = 64, published: Path | None = None
    ) -> None:
        """scenes: folder of scene shards; published: weights to start from, fresh ones if None.

        Raises FileNotFoundError where there are no scenes.
        """
        model = Verifier(ATTRIBUTES) if published is None else load_published(Verifier, published)
        self.model: nn.Module = model.to(device)
        self._verifier, self._device, self._batch_size = model, device, batch_size
        self._clips, self._labels = _load(scenes)
        self._num_held_out = int(_HELD_OUT_SHARE * len(self._clips)) // 2 * 2

    def batches(self, *, start_step: int) -> Iterator[Tensor]:
        """Yield rows of clips; a clip and its mirror image are neighbours, and held out together."""
        rng = np.random.default_rng(start_step)
        while True:
            order = rng.permutation(len(self._clips) - self._num_held_out) + self._num_held_out
            for start in range(0, len(order) - self._batch_size + 1, self._batch_size):
                yield torch.from_numpy(order[start : start + self._batch_size])

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        clips = self._clips[batch].float()
        light = 1 + _LIGHT * (2 * torch.rand(len(batch), 3, 1, 1, 1) - 1)
        pixels = clips[:, :3] * light + _NOISE * torch.randn_like(clips[:, :3])
        clips = torch.cat([pixels, clips[:, 3:]], dim=1)
        with torch.autocast(self._device.type, torch.bfloat16):
            logits = self.model(clips.to(self._device))
        losses = [
            functional.cross_entropy(values.float(), self._labels[name][batch].to(self._device))
            for name, values in logits.items()
        ]
        return torch.stack(losses).mean(), {"samples": len(batch)}

    def measure(self) -> dict[str, float]:
        """Return the share of held-out scenes whose attribute is named right."""
        logits = self.model(self._clips[: self._num_held_out].float().to(self._device))
        rights = {
            f"right_{name}": float(
                (values.argmax(-1).cpu() == self._labels[name][: self._num_held_out]).float().mean()
            )
            for name, values in logits.items()
        }
        return rights | {"right_mean": sum(rights.values()) / len(rights)}

    def draw_sheet(self, path: Path) -> None:
        """Write the first, middle and last frame of held-out scenes as the verifier sees them."""
        shown = self._clips[:12, :3, [0, 8, 16]].float()
        sheet = torch.cat([torch.cat(list(row.unbind(1)), dim=-1) for row in shown], dim=-2)
        picture = ((sheet + 1) * 127.5).clamp(0, 255).to(torch.uint8)
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        save_half(self._verifier, folder, facts=facts)


def _load(scenes: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Return clips (N, 5, 17, 64, 64) float16 as the verifier sees them, and each attribute's class (N,)."""
    clips, rows = [], []
    for path in sorted(scenes.glob("*.npz")):
        shard = load_shard(path)
        for pixels, attributes in zip(shard.pixels, shard.attributes, strict=True):
            if len(attributes.objects) > 1:
                continue
            frames = pixels.permute(1, 2, 3, 0).numpy()
            for shown, words_of in ((frames, attributes), (frames[:, :, ::-1], mirrored(attributes))):
                clips.append(seen(np.ascontiguousarray(shown)).half())
                rows.append(classes_of(words_of))
    if not clips:
        raise FileNotFoundError(f"No scenes in {scenes}; train the base model first, which renders them.")
    labels = {
        name: torch.tensor([classes.index(row[name]) for row in rows]) for name, classes in ATTRIBUTES.items()
    }
    return torch.stack(clips), labels
