"""LoRA files on the transformers of a diffusers pipeline, by peft: beside their weights, never added in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from backend.errors import ResourceError, WeightsError
from backend.models.installed import sha256_of

_EXPERT = "transformer_2"
_PREFIX, _ORIGINAL_PREFIX, _PEFT_PREFIX = "transformer.", "diffusion_model.", "base_model.model."
_ORIGINAL = re.compile(r"(self|cross)_attn\.|\.ffn\.\d")  # parts as Wan's own code calls them
_ROUGH = (torch.float8_e4m3fn,)


class LoraRack:
    """Remembers which files the transformers wear."""

    def __init__(self, parts: Any) -> None:
        """parts: a pipeline of diffusers; of one with two experts, both wear every file."""
        self._parts = parts
        self._worn: set[str] = set()

    def wear(self, strengths: Mapping[Path, float]) -> None:
        """Put on the files of `strengths` as strongly as it says, and take all others off.

        Without any, the transformers are what they were before the first. Raises WeightsError for a file that
        is missing, is not what its name says, or cannot be worn, ResourceError where the weights are in 8-bit
        floating point, to which peft would round the files as well.
        """
        if strengths and any(each.dtype in _ROUGH for each in self._parts.transformer.parameters()):
            raise ResourceError(
                "LoRA files do not go with the memory plan blocks-fp8; set another, such as models-int8."
            )
        wanted = {_adapter(path): path for path in strengths}
        unwanted = self._worn - set(wanted)
        if unwanted and not wanted:
            self._parts.unload_lora_weights()
        elif unwanted:
            self._parts.delete_adapters(sorted(unwanted))
        self._worn -= unwanted
        for name in sorted(set(wanted) - self._worn):
            self._put_on(wanted[name], name)
            self._worn.add(name)
        if strengths:
            self._parts.set_adapters(list(wanted), list(strengths.values()))

    def _put_on(self, path: Path, name: str) -> None:
        experts = [False, True] if getattr(self._parts, _EXPERT, None) is not None else [False]
        try:
            if sha256_of(path) != path.stem:
                raise ValueError("its checksum is not its name")
            for is_second in experts:
                self._parts.load_lora_weights(
                    _factors(path),
                    adapter_name=name,
                    **({"load_into_transformer_2": True} if is_second else {}),
                )
        except (OSError, ValueError, RuntimeError, LookupError, SafetensorError) as exc:
            raise WeightsError(
                f"The LoRA {path.stem[:12]}… cannot be used ({type(exc).__name__}); choose its file again."
            ) from exc


def _factors(path: Path) -> dict[str, torch.Tensor]:
    """Return the factors in the file by names that diffusers finds: it passes over those without a prefix."""
    plain = {name.removeprefix(_PEFT_PREFIX): factor for name, factor in load_file(path).items()}
    prefix = _ORIGINAL_PREFIX if any(map(_ORIGINAL.search, plain)) else _PREFIX
    known = (_PREFIX, _ORIGINAL_PREFIX)
    return {name if name.startswith(known) else f"{prefix}{name}": factor for name, factor in plain.items()}


def _adapter(path: Path) -> str:
    """Return peft's name for the file: one that no attribute of a module has."""
    return f"lora_{path.stem}"
