"""Engines as the page reads them: what Create and Detail offer for each."""

from typing import Any

from backend.api import Api, EngineSpec
from backend.requests import DetailRequest

_DETAIL_FIELDS = (
    "target_size",
    "degradation_step",
    "num_inference_steps",
    "guidance_scale",
    "timestep_shift",
)


def engine_views(api: Api) -> list[dict[str, Any]]:
    """Return each engine's name and what follows from its settings, whose change the page sees by this."""
    plans = api.models.plans()
    return [_engine_view(spec, plan=plans.get(spec.name)) for spec in api.engines()]


def _engine_view(spec: EngineSpec, *, plan: str | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "sizes": {ratio: list(size) for ratio, size in spec.sizes.items()},
        "memory_plan": plan,
        "detail": _detail_view(spec),
    }


def _detail_view(spec: EngineSpec) -> dict[str, Any] | None:
    """Return what the page offers for detail, or None where the engine adds none."""
    detail = spec.detail
    if detail is None:
        return None
    defaults = {name: DetailRequest.model_fields[name].default for name in _DETAIL_FIELDS}
    return {
        "safe": {field: list(limits) for field, limits in detail.safe_ranges.items()},
        "defaults": {**defaults, "degradation_step": detail.degradation_step},
        "leastSimilarity": detail.least_similarity,
    }
