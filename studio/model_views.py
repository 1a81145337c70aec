"""Models as their page reads them: in words what each can do, and in numbers what it needs."""

from typing import Any

from backend.api import Api, Arrival, EngineSpec, Model

_PLANS = {
    "auto": "Auto: the fastest that fits",
    "whole": "Whole: all of it on the device, the fastest",
    "models": "Models: one part at a time",
    "models-int8": "Models in 8-bit whole numbers: smaller, and a little less exact",
    "blocks": "Blocks: one block of a part at a time, slow",
    "blocks-fp8": "Blocks in 8 bits: the smallest, and a little less exact",
}


def models_view(api: Api) -> dict[str, Any]:
    """Return every model that is there and every one on its way."""
    return {
        "models": [model_view(model) for model in api.models.all()],
        "arrivals": [arrival_view(arrival) for arrival in api.models.arrivals()],
    }


def model_view(model: Model) -> dict[str, Any]:
    """Return one model."""
    spec = model.spec
    return {
        "name": spec.name,
        "title": spec.title,
        "abilities": abilities(spec),
        "lengths": _lengths(spec),
        "sizes": _sizes(spec),
        "licence": spec.licence,
        "source": model.source,
        "revision": model.revision,
        "folder": model.folder,
        "size_bytes": model.size_bytes,
        "room_bytes": model.room_bytes,
        "memory": [{"plan": plan, "bytes": needed} for plan, needed in model.memory_bytes.items()],
        "memory_plan": model.memory_plan,
        "plans": plans_view(model) if model.is_added else [],
        "short_side": model.short_side,
        "side_step": model.side_step,
        "caches": caches_view(model) if model.is_added else [],
        "block_cache": model.block_cache,
        "takes_loras": model.is_added and "loras" in spec.capabilities,
        "takes_upsampler": model.is_added and model.takes_upsampler,
        "upsampler": model.upsampler,
        "problems": list(model.problems),
        "is_added": model.is_added,
    }


def plans_view(model: Model) -> list[dict[str, Any]]:
    """Return the memory plans to choose from, with what the weights take under each."""
    names = ["auto", *model.memory_bytes]
    return [
        {"name": name, "title": _PLANS.get(name, name), "bytes": model.memory_bytes.get(name)}
        for name in names
    ]


def caches_view(model: Model) -> list[dict[str, Any]]:
    """Return the thresholds of the block cache to choose from, with what each was measured to cost."""
    if model.block_cache is None:
        return []
    titles = {0.0: "Off: every block runs at every step"}
    for threshold, cost in model.cache_costs.items():
        titles[threshold] = (
            "not measured; trained weights begin about here"
            if cost is None
            else f"{cost.block_share:.0%} of the blocks run, {cost.psnr:g} dB PSNR"
        )
    titles.setdefault(model.block_cache, "your own, not measured")
    return [
        {"threshold": threshold, "title": f"{threshold:g}: {title}" if threshold else title}
        for threshold, title in sorted(titles.items())
    ]


def arrival_view(arrival: Arrival) -> dict[str, Any]:
    """Return where a model on its way stands."""
    ticket = arrival.ticket
    return {
        "name": ticket.name,
        "source": ticket.source,
        "revision": ticket.revision,
        "total_bytes": ticket.total_bytes,
        "phase": arrival.phase,
        "done_bytes": arrival.done_bytes,
        "remaining_seconds": arrival.remaining_seconds,
        "problem": arrival.problem,
        "is_download": ticket.is_download,
    }


def abilities(spec: EngineSpec) -> list[str]:
    """Return in a few words each what a model can do."""
    takes = set(spec.pictures.accepted) if "given_frames" in spec.capabilities else set()
    needs = set(spec.pictures.needed)
    found = {
        "Text to video": not needs,
        "Start image": "image" in takes - needs,
        "Needs a start image": "image" in needs,
        "End image": "last_image" in takes - needs,
        "Images at frames": "given_frames" in takes,
        "Needs an end image": "last_image" in needs,
        "Amount of motion": "motion_score" in spec.capabilities,
        "Motion guidance": "motion_guidance" in spec.capabilities,
        "Camera": "camera" in spec.capabilities,
        "Detail": spec.detail is not None,
        "Sound": spec.sound is not None,
        "Clips with their own sound": spec.own_sound_rate > 0,
        "LoRA files": "loras" in spec.capabilities,
    }
    return [ability for ability, is_there in found.items() if is_there]


def _lengths(spec: EngineSpec) -> str:
    shortest, longest = spec.duration_range
    return f"{shortest:.1f} to {longest:.1f} s at {spec.frame_rate} frames per second"


def _sizes(spec: EngineSpec) -> str:
    return ", ".join(f"{ratio} {width} x {height}" for ratio, (width, height) in spec.sizes.items())
