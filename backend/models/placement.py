"""Where an engine runs and how precisely: decided once, when it loads, and recorded in a clip's facts."""

from dataclasses import dataclass

import psutil
import torch

from backend.errors import ResourceError

DEVICES = ("auto", "cpu", "cuda", "mps")
SMALL_MEMORY_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Placement:
    """device and dtype of the networks' arithmetic; is_sequential: one pass at a time, to save memory."""

    device: torch.device
    dtype: torch.dtype
    is_sequential: bool

    def __str__(self) -> str:
        return f"{self.device.type}, {str(self.dtype).removeprefix('torch.')}"

    def autocast(self) -> torch.autocast:
        """Return the context in which networks kept in float32 compute in `dtype`."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16, cache_enabled=False
        )

    def settle(self, module: torch.nn.Module, *, is_exact: bool = False) -> None:
        """Move `module` to the device for good, with its products in `dtype` unless `is_exact`.

        Autocast would round the weights of every product anew at every pass, to the same values.
        """
        module.to(self.device).eval()
        for layer in () if is_exact else module.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                layer.to(self.dtype)


def place(device: str) -> Placement:
    """Return the placement on `device`; "auto" is CUDA, then MPS, then the CPU.

    It depends on the machine alone, never on what is free at the moment, so that the same seed gives the same
    result tomorrow. Raises ResourceError for a device that is not one of DEVICES or that is not there.
    """
    found = torch.device(_available(device))
    return Placement(found, native_dtype(found.type), is_sequential=_memory_bytes(found) < SMALL_MEMORY_BYTES)


def _available(device: str) -> str:
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device not in DEVICES:
        raise ResourceError(f"Device must be one of {', '.join(DEVICES)}; you gave '{device[:40]}'.")
    if device == "auto":
        return next(name for name, is_present in present.items() if is_present)
    if not present[device]:
        there = ", ".join(name for name, is_present in present.items() if is_present)
        raise ResourceError(
            f"Device {device} was asked for, but torch finds only: {there}; use one of these."
        )
    return device


def native_dtype(device: str) -> torch.dtype:
    """Return bfloat16 where the hardware multiplies it natively, which is faster, else float32.

    Processors that only emulate bfloat16 (AVX2) take fifty times as long for its products.
    """
    if device == "cuda":
        is_native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        is_native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    else:
        is_native = False
    return torch.bfloat16 if is_native else torch.float32


def mixed_precision(device: str) -> torch.autocast:
    """Return the context in which networks kept in float32 compute in the native dtype of `device`."""
    return torch.autocast(device, torch.bfloat16, enabled=native_dtype(device) is torch.bfloat16)


def memory_bytes(device: str) -> int:
    """Return how much memory the device has in all; `device` as an engine states it ("cuda, bfloat16")."""
    return _memory_bytes(torch.device(device.partition(",")[0]))


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)
