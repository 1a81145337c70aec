"""Reading one member of the family from its folder."""

from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from diffusers.models.modeling_utils import ModelMixin

from backend.errors import WeightsError

Member = TypeVar("Member", bound=ModelMixin)


def read_member(member: type[Member], folder: Path) -> Member:
    """Return the network in `folder`, in float32.

    WeightsError where its weights are not all that this version of Kinora needs: diffusers only warns of
    that, and the network would be a part of what it was trained to be.
    """
    options: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32}
    found: dict[str, Any]
    network, found = cast(Any, member).from_pretrained(folder, output_loading_info=True, **options)
    if found["missing_keys"]:
        raise WeightsError(
            f"The {folder.name} in {folder.parent} is of another version of Kinora; "
            "get the weights of this version again."
        )
    loaded: Member = network
    return loaded
