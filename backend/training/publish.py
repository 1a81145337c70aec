"""Writes trained members into the weights folder: bf16 safetensors, training facts, checksums, vocabulary."""

import copy
import json
from pathlib import Path
from typing import Any, TypeVar

from diffusers.models.modeling_utils import ModelMixin

from backend.models.weights import write_checksums
from backend.training.world.captions import vocabulary

MAX_SHARD = "14MB"


Member = TypeVar("Member", bound=ModelMixin)


def load_published(member: type[Member], folder: Path) -> Member:
    """Return the published `member` in `folder`, in float32 and ready to be trained further."""
    model: Member = member.from_pretrained(folder, use_safetensors=True).float()
    return model.train()


def save_half(model: ModelMixin, folder: Path, *, facts: dict[str, Any]) -> None:
    """Save `model` in bf16 to `folder` with `training.json`, the facts of its training."""
    half = copy.deepcopy(model).bfloat16()
    half.save_pretrained(folder, max_shard_size=MAX_SHARD)
    _forget_origin(folder / "config.json")
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in facts.items()}
    (folder / "training.json").write_text(json.dumps(rounded, indent=1) + "\n")


def seal(family: Path) -> None:
    """Write `vocabulary.json` and the checksums of every member into the folder `family`."""
    (family / "vocabulary.json").write_text(json.dumps(vocabulary(), indent=1) + "\n")
    write_checksums(family)


def _forget_origin(path: Path) -> None:
    """Take the folder that a network was read from out of its configuration: it is of this machine alone."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
