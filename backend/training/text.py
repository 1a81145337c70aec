"""Recipe of the text encoder: name what a caption says, before any video is seen.

Linear heads on the mean word embedding name shape, colour, surface, motion and speed of each object, their
relation, place and camera. The base model then starts from embeddings in which synonyms lie together and an
attribute is a direction, instead of learning words and pictures at once. The heads are thrown away.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.models.kinora.text_encoder import TextEncoder
from backend.models.placement import mixed_precision
from backend.training.publish import load_published, save_half
from backend.training.world import words
from backend.training.world.cameras import MOVES
from backend.training.world.captions import CaptionAttributes, caption
from backend.training.world.sampler import sample_cast

_SLOTS = 2
_UNSAID = -100  # functional.cross_entropy leaves these out
_EMPTY_SHARE = 0.05
_OBJECT_TABLES = {
    "shape": tuple(words.SHAPES),
    "colour": tuple(words.COLOURS),
    "surface": tuple(words.SURFACES),
    "motion": tuple(words.MOTIONS),
    "speed": tuple(words.SPEEDS),
}
_SCENE_TABLES: dict[str, tuple[str | None, ...]] = {
    "relation": (None, *words.RELATIONS),
    "place": tuple(words.PLACES),
    "camera": MOVES,
}


class TextNamer(nn.Module):
    """The text encoder under one linear head per attribute."""

    def __init__(self, text_encoder: TextEncoder) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        sizes = {f"{name}_{slot}": len(t) for slot in range(_SLOTS) for name, t in _OBJECT_TABLES.items()}
        sizes |= {name: len(table) for name, table in _SCENE_TABLES.items()}
        width = int(text_encoder.config["width"])
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in sizes.items()})

    def forward(self, captions: list[str]) -> dict[str, Tensor]:
        """Return logits (B, classes) of every attribute."""
        embeds, mask = self.text_encoder(captions)
        weights = mask.unsqueeze(-1).to(embeds.dtype)
        pooled = (embeds * weights).sum(1) / weights.sum(1)
        return {name: head(pooled) for name, head in self.heads.items()}


class TextRecipe:
    """Trains on captions written as they are needed."""

    def __init__(self, *, device: torch.device, batch_size: int = 128, published: Path | None = None) -> None:
        """published: weights to start from; fresh ones if None."""
        encoder = TextEncoder() if published is None else load_published(TextEncoder, published)
        self.model: nn.Module = TextNamer(encoder).to(device)
        self._encoder, self._device, self._batch_size = encoder, device, batch_size
        self._held_out = _draw(1024, seed=0, empty_share=0.0)

    def batches(self, *, start_step: int) -> Iterator[tuple[list[str], dict[str, Tensor]]]:
        seed = 1 + start_step
        while True:
            yield _draw(self._batch_size, seed=seed, empty_share=_EMPTY_SHARE)
            seed += 1

    def loss(self, batch: tuple[list[str], dict[str, Tensor]]) -> tuple[Tensor, dict[str, float]]:
        captions, labels = batch
        with mixed_precision(self._device.type):
            logits = self.model(captions)
        losses = [
            functional.cross_entropy(logits[name].float(), labels[name].to(self._device)) for name in logits
        ]
        return torch.stack(losses).mean(), {"samples": len(captions)}

    def measure(self) -> dict[str, float]:
        """Return the share of held-out captions whose attribute is named right, said or not."""
        captions, labels = self._held_out
        logits = self.model(captions)
        rights = {}
        for name, values in logits.items():
            known = labels[name] != _UNSAID
            rights[f"right_{name}"] = float((values.argmax(-1).cpu() == labels[name])[known].float().mean())
        return rights

    def draw_sheet(self, path: Path) -> None:
        """Write the likenesses of the first held-out captions, white where two embeddings agree."""
        embeds, mask = self._encoder(self._held_out[0][:128])
        weights = mask.unsqueeze(-1)
        pooled = functional.normalize((embeds * weights).sum(1) / weights.sum(1), dim=1)
        likeness = (pooled @ pooled.T).clamp(0, 1) * 255
        Image.fromarray(likeness.to(torch.uint8).cpu().numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the text encoder without its heads."""
        save_half(self._encoder, folder, facts=facts)


def _draw(count: int, *, seed: int, empty_share: float) -> tuple[list[str], dict[str, Tensor]]:
    """Return captions of random scenes and the class (count,) of every attribute, some captions empty."""
    rng, wording = np.random.default_rng(seed), random.Random(seed)
    captions, rows = [], []
    for _ in range(count):
        cast, relation = sample_cast(rng)
        place = str(rng.choice(list(words.PLACES)))
        camera = "static" if rng.random() < 0.4 else str(rng.choice(MOVES[1:]))
        attributes = CaptionAttributes(cast, relation, place, camera)
        captions.append("" if rng.random() < empty_share else caption(attributes, rng=wording))
        rows.append(_classes(attributes))
    return captions, {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def _classes(attributes: CaptionAttributes) -> dict[str, int]:
    """Return the class of every attribute; those of an object that is not there are left out of the loss."""
    classes = {name: table.index(getattr(attributes, name)) for name, table in _SCENE_TABLES.items()}
    for slot in range(_SLOTS):
        is_there = slot < len(attributes.objects)
        for name, table in _OBJECT_TABLES.items():
            value = table.index(getattr(attributes.objects[slot], name)) if is_there else _UNSAID
            classes[f"{name}_{slot}"] = value
    return classes
