"""Captions as the text that a diffusion member is trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from backend.models.kinora.text_encoder import TextEncoder
from backend.models.placement import mixed_precision

_LENGTH = 40
_LENGTH_STEP = 8


@torch.no_grad()
def embed_captions(encoder: TextEncoder, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return text (B, L, D) and mask (B, L) at one length L, so that a compiled network sees one shape.

    L is 40, and more, a multiple of 8, where a caption is longer.
    """
    with mixed_precision(encoder.device.type):
        text, mask = encoder(captions)
    length = max(_LENGTH, -(-text.shape[1] // _LENGTH_STEP) * _LENGTH_STEP)
    missing = length - text.shape[1]
    return functional.pad(text, (0, 0, 0, missing)), functional.pad(mask, (0, missing))
