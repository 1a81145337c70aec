"""Putting a model's parts on the device by a named plan (`memory_plans`), with diffusers' own offloading."""

import functools
from typing import Any

import psutil
import torch

from backend.models.installed import Installed
from backend.models.int8_linear import store_in_int8
from backend.models.memory_plans import TRANSFORMERS, chosen
from backend.models.placement import Placement


def settle(parts: Any, placement: Placement, installed: Installed) -> str:
    """Place a diffusers pipeline's `parts` by the model's plan and return how, for a clip's facts.

    Those of `EXACT_PLANS` give the same numbers, so "auto" may choose among them by what is free.
    """
    plan = installed.memory_plan
    if plan == "auto":
        free_bytes = _free_bytes(placement.device)
        plan = chosen(installed.facts["parameters"], free_bytes=free_bytes)
    if plan == "whole":
        parts.to(placement.device)
        return f"{placement}, {plan}"
    for name in TRANSFORMERS:
        network = getattr(parts, name, None)
        if network is not None and plan == "blocks-fp8":
            network.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=placement.dtype)
        if network is not None and plan == "models-int8":
            store_in_int8(network)
    if plan in ("models", "models-int8"):
        # Kept with its device, since diffusers calls it again, without one, when a LoRA is put on.
        parts.enable_model_cpu_offload = functools.partial(
            parts.enable_model_cpu_offload, device=placement.device
        )
        parts.enable_model_cpu_offload()
    else:
        parts.enable_group_offload(placement.device, offload_type="block_level", num_blocks_per_group=1)
    parts.vae.enable_slicing()
    parts.vae.enable_tiling()
    return f"{placement}, {plan}"


def _free_bytes(device: torch.device) -> int:
    """Return the free memory of `device`; on a CPU that of the whole machine, where offloading saves none."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().total)
