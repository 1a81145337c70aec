"""LTX's latent upsampler: the detail of a draft begins with what diffusers' own pipeline makes of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTXLatentUpsamplePipeline
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplePipeline, LTX2LatentUpsamplerModel

from backend.errors import WeightsError
from backend.models import registry
from backend.models.abilities import UpsamplingEngine
from backend.models.adding import install_folder
from backend.pipelines.detail import Draft, make_detail
from backend.requests import DetailRequest
from tests.models.tiny_open import add_upsampler, write_ltx, write_ltx2

# The upsampler computes in bfloat16 on both sides where the processor does; all around it in float32.
TOLERANCE = 1e-5
SIDE = 64


@pytest.fixture(scope="module", params=["ltx", "ltx2"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> UpsamplingEngine:
    models_dir = tmp_path_factory.mktemp("models")
    write, kind = {
        "ltx": (write_ltx, LTXLatentUpsamplerModel),
        "ltx2": (write_ltx2, LTX2LatentUpsamplerModel),
    }[request.param]
    install_folder(
        add_upsampler(write(models_dir / "source"), kind),
        name=request.param,
        models_dir=models_dir,
        short_side=SIDE,
    )
    engine = registry.load_engine(request.param, weights_dir=models_dir, device="cpu", models_dir=models_dir)
    assert isinstance(engine, UpsamplingEngine)
    return engine


def draft() -> Draft:
    pixels = np.random.default_rng(1).integers(0, 255, (9, SIDE, SIDE, 3), np.uint8)
    return Draft(pixels, frame_rate=25)


def theirs(engine: Any, latents: torch.Tensor) -> torch.Tensor:
    """Return the picture's latents from diffusers' pipeline, scaled as ours are."""
    vae, size = engine._parts.vae, {"height": 2 * SIDE, "width": 2 * SIDE}
    if engine.spec.own_sound_rate == 0:
        pipeline = LTXLatentUpsamplePipeline(vae, engine.upsampler)
        result: torch.Tensor = pipeline(latents=latents, output_type="latent", **size).frames
        return result
    pipeline = LTX2LatentUpsamplePipeline(vae, engine.upsampler)
    picture = engine._latents.picture(latents)
    plain = pipeline(latents=picture, latents_normalized=True, output_type="latent", **size).frames
    return engine._parts._normalize_latents(plain.float(), vae.latents_mean, vae.latents_std)


def test_latents_are_enlarged_as_diffusers_enlarges_them(engine: UpsamplingEngine) -> None:
    latents = engine.encode(draft().frames)
    expected = theirs(engine, latents)
    made = engine.upsample(latents)[:, :, : expected.shape[2]]
    assert made.shape[3:] == (2 * latents.shape[3], 2 * latents.shape[4])
    assert torch.allclose(made, expected.float(), atol=TOLERANCE, rtol=TOLERANCE)


def test_a_draft_gets_its_detail_from_upsampled_latents(engine: Any) -> None:
    asked = DetailRequest(source="0" * 64, engine=engine.spec.name, seed=1, box=(0, 0, 0.25, 0.25))
    sizes: list[torch.Size] = []
    handle = engine.upsampler.register_forward_hook(lambda _, given, __: sizes.append(given[0].shape))
    clip = make_detail(engine, asked, draft())
    handle.remove()
    assert clip.frames.shape == (9, 128, 128, 3)
    assert [tuple(size[3:]) for size in sizes] == [(64 // 16, 64 // 16)]


def test_an_upsampler_of_another_class_is_refused(tmp_path: Path) -> None:
    folder = add_upsampler(write_ltx(tmp_path / "ltx"), LTXLatentUpsamplerModel)
    path = folder / "latent_upsampler" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "Other"}))
    with pytest.raises(WeightsError, match="a part latent_upsampler of Other, which Kinora does not run"):
        install_folder(folder, name="ltx", models_dir=tmp_path / "models")


def test_an_upsampler_of_time_is_not_one_of_size(tmp_path: Path) -> None:
    folder = add_upsampler(write_ltx(tmp_path / "ltx"), LTXLatentUpsamplerModel)
    path = folder / "latent_upsampler" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "temporal_upsample": True}))
    install_folder(folder, name="ltx", models_dir=tmp_path / "models")
    spec = registry.spec("ltx", models_dir=tmp_path / "models")
    assert spec.detail is not None and not spec.detail.has_upsampler
