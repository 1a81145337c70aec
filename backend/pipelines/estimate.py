"""What a clip will take, told before it is begun: memory, time and disk. Torch-free, for the page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backend.media.disk import CLIP_BYTES_PER_PIXEL, readable_bytes
from backend.models.engine import EngineSpec, Speed
from backend.models.memory_plans import BYTES_PER_PARAMETER, EXACT_PLANS, PLANS, chosen, needed_bytes
from backend.models.work_memory import of_family
from backend.pipelines.plan import predicted_pixels, predicted_seconds
from backend.requests import ClipRequest, Request


@dataclass(frozen=True)
class Machine:
    """Where clips are made.

    device: as an engine states it ("cuda, bfloat16, models"). memory_bytes: that it has in all. Both are
    empty until an engine was loaded. free_disk_bytes: for clips.
    """

    device: str
    memory_bytes: int
    free_disk_bytes: int

    @property
    def is_cpu(self) -> bool:
        return not self.device.startswith(("cuda", "mps"))

    @property
    def value_bytes(self) -> int:
        """Bytes of one value of the networks."""
        return 4 if "float32" in self.device else BYTES_PER_PARAMETER


@dataclass(frozen=True)
class Weights:
    """The weights of a model.

    parameters: of each component. memory_plan: a name of `PLANS`. family: of an open model, else empty.
    """

    parameters: Mapping[str, int]
    memory_plan: str = "whole"
    family: str = ""


@dataclass(frozen=True)
class Estimate:
    """Of one clip. seconds: None until the engine has been measured on this machine.

    memory_bytes: at the peak, on the device. disk_bytes: of all variations. num_frames, width, height: of the
    clip. warnings: one sentence for each thing there is too little of, with what to change.
    """

    num_frames: int
    width: int
    height: int
    seconds: float | None
    memory_bytes: int
    disk_bytes: int
    warnings: tuple[str, ...] = ()


def disk_bytes(request: Request, spec: EngineSpec, *, variations: int = 1) -> int:
    """Return about the most that the clips of `request` take on the disk."""
    return round(CLIP_BYTES_PER_PIXEL * predicted_pixels(request, spec) * variations)


def estimate(
    request: ClipRequest,
    spec: EngineSpec,
    *,
    weights: Weights,
    machine: Machine,
    speed: Speed | None,
    variations: int = 1,
) -> Estimate:
    """Return what `request` will take on `machine`; seconds are of one clip, once its turn comes."""
    width, height = spec.sizes[request.aspect_ratio]
    memory = memory_bytes(request, spec, weights, machine)
    disk = disk_bytes(request, spec, variations=variations)
    found = [_memory_warning(request, spec, weights, machine), _disk_warning(disk, machine)]
    return Estimate(
        num_frames=spec.num_frames(request.duration_seconds),
        width=width,
        height=height,
        seconds=None if speed is None else predicted_seconds(request, spec, speed),
        memory_bytes=memory,
        disk_bytes=disk,
        warnings=tuple(warning for warning in found if warning),
    )


def memory_bytes(request: ClipRequest, spec: EngineSpec, weights: Weights, machine: Machine) -> int:
    """Return about how much memory of the device `request` takes at its peak: weights and work.

    A CPU holds all weights whatever the plan is. The work is that of one block of the network on all tokens,
    1 / `pair_share` values each (its projections and its hidden layer), or of decoding, whichever is more.
    """
    width, height = spec.sizes[request.aspect_ratio]
    extent = {"num_frames": spec.num_frames(request.duration_seconds), "width": width, "height": height}
    cost, work, plan = spec.pass_cost, of_family(weights.family), _plan(weights, machine)
    sampling = work.sampling_bytes(
        tokens=cost.tokens(**extent, scale=min(cost.token_sizes)),
        values=1 / cost.pair_share if cost.pair_share else 0.0,
        value_bytes=machine.value_bytes,
    )
    decoding = work.decoding_bytes(**extent, is_tiled=plan != "whole")
    return _weight_bytes(weights, plan, machine) + round(max(sampling, decoding))


def _plan(weights: Weights, machine: Machine) -> str:
    """Return the plan that the engine will use."""
    if weights.memory_plan != "auto":
        return weights.memory_plan
    if not machine.memory_bytes:
        return "whole"
    return chosen(weights.parameters, free_bytes=machine.memory_bytes)


def _weight_bytes(weights: Weights, plan: str, machine: Machine) -> int:
    needed = needed_bytes(weights.parameters, "whole" if machine.is_cpu else plan)
    return needed * machine.value_bytes // BYTES_PER_PARAMETER


def _memory_warning(request: ClipRequest, spec: EngineSpec, weights: Weights, machine: Machine) -> str:
    """Return what to change where the memory does not suffice, or the empty string."""
    needed = memory_bytes(request, spec, weights, machine)
    if not machine.memory_bytes or needed <= machine.memory_bytes:
        return ""
    device = "this machine" if machine.is_cpu else "the graphics card"
    told = (
        f"This needs about {readable_bytes(needed)} of memory and {device} has "
        f"{readable_bytes(machine.memory_bytes)}: "
    )
    plan = _fitting_plan(request, spec, weights, machine)
    if plan is not None:
        return f"{told}set the memory plan of {spec.title} to '{plan}' on the Models page."
    seconds = _fitting_seconds(request, spec, weights, machine)
    if seconds is not None:
        return f"{told}ask for at most {seconds:.1f} s."
    return f"{told}choose a smaller model."


def _fitting_plan(request: ClipRequest, spec: EngineSpec, weights: Weights, machine: Machine) -> str | None:
    """Return the fastest plan that `request` fits with, of those smaller than the present one."""
    if not weights.family:
        return None  # our own engines have no plans
    present = PLANS.index(_plan(weights, machine))
    smaller = [*(plan for plan in EXACT_PLANS if PLANS.index(plan) > present), *PLANS[present + 1 :]]
    fits = (
        plan
        for plan in smaller
        if memory_bytes(request, spec, replace(weights, memory_plan=plan), machine) <= machine.memory_bytes
    )
    return next(fits, None)


def _fitting_seconds(
    request: ClipRequest, spec: EngineSpec, weights: Weights, machine: Machine
) -> float | None:
    """Return the longest duration that fits, in steps of the engine's frames."""
    every, first = spec.frame_rule
    for groups in range((spec.num_frames(request.duration_seconds) - first) // every - 1, 0, -1):
        seconds = (groups * every + first) / spec.frame_rate
        if seconds < spec.duration_range[0]:
            return None
        shorter = request.model_copy(update={"duration_seconds": seconds})
        if memory_bytes(shorter, spec, weights, machine) <= machine.memory_bytes:
            return seconds
    return None


def _disk_warning(needed: int, machine: Machine) -> str:
    if needed <= machine.free_disk_bytes:
        return ""
    free = readable_bytes(machine.free_disk_bytes)
    return (
        f"This needs about {readable_bytes(needed)} of disk and {free} are free; free some space, or make it "
        "shorter."
    )
