"""What a benchmark ran on: without it no figure means anything."""

import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil
import torch

_BUSY_SHARE = 0.5  # load per core above which absolute times are not judged
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PACKAGES = ("torch", "diffusers", "numpy")


@dataclass(frozen=True)
class Machine:
    """processor: its name. capabilities: instruction sets that torch uses. threads: those of torch.

    load: mean number of running processes in the last minute, before the benchmark began. memory_bytes: all.
    """

    processor: str
    capabilities: tuple[str, ...]
    cores: int
    threads: int
    load: float
    memory_bytes: int
    versions: dict[str, str]

    @property
    def is_noisy(self) -> bool:
        """Return whether other work shares the cores: ratios hold then, absolute times do not."""
        return self.load > _BUSY_SHARE * self.cores

    def __str__(self) -> str:
        share = f"{self.threads} thread{'s' if self.threads > 1 else ''} on {self.cores} cores"
        noise = ", noisy: ratios hold, absolute times do not" if self.is_noisy else ""
        return f"{self.processor}, {share}, load {self.load:.1f} before it began{noise}"


def this_machine() -> Machine:
    """Return what this process runs on, as it is now."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return Machine(
        processor=_processor(),
        capabilities=tuple(name for name, is_used in torch.cpu.get_capabilities().items() if is_used),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        load=round(psutil.getloadavg()[0], 2),
        memory_bytes=psutil.virtual_memory().total,
        versions={"python": platform.python_version()} | packages,
    )


def peak_memory_bytes() -> int:
    """Return the most memory that this process has held since `forget_peak_memory`, or ever."""
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def forget_peak_memory() -> None:
    """Let the peak begin anew at what is held now, where the system can: on Linux."""
    with suppress(OSError):
        if _CLEAR.exists():
            _CLEAR.write_text("5", encoding="utf-8")


def _processor() -> str:
    """Return the name of the processor as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
