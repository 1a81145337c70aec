"""Pocket's sound members behind the sound maker protocol, with small random networks."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import WeightsError
from backend.media.probe import VideoFacts
from backend.models.engine import Conditioning, Pass, SoundMaker
from backend.models.kinora import engine as pocket
from backend.models.kinora.engine import PocketEngine
from backend.pipelines.sampling import initial_noise
from backend.pipelines.soundtrack import Silent, make_soundtrack
from backend.requests import SoundRequest
from tests.models.small_pocket import write_small_sound

# Batching changes the order of sums in a matrix product; in bfloat16 that is some units of 2^-8.
BATCH_TOLERANCE = 0.05
FRAMES = np.random.default_rng(0).integers(0, 256, (33, 32, 64, 3), dtype=np.uint8)
MOTION = np.random.default_rng(1).standard_normal((33, 3072)).astype(np.float32)


@pytest.fixture(scope="module")
def engine(small_weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> PocketEngine:
    weights_dir = tmp_path_factory.mktemp("sounding")
    shutil.copytree(small_weights_dir, weights_dir, dirs_exist_ok=True)
    loaded = pocket.load(weights_dir, "cpu")
    write_small_sound(weights_dir / "kinora-pocket")
    return loaded


@pytest.fixture(scope="module")
def maker(engine: PocketEngine) -> SoundMaker:
    return engine.soundtrack()


def conditioning(engine: PocketEngine, video: object | None) -> Conditioning:
    return Conditioning(engine.encode_prompt("a ball rolls"), engine.encode_prompt(""), video=video)


def test_members_are_loaded_once_and_only_where_they_are(
    engine: PocketEngine, maker: SoundMaker, pocket_engine: PocketEngine
) -> None:
    assert engine.soundtrack() is maker
    with pytest.raises(WeightsError, match="The sound_vae of Kinora Pocket is not installed"):
        pocket_engine.soundtrack()


def test_every_pass_gives_a_velocity_and_sees_only_its_own(engine: PocketEngine, maker: SoundMaker) -> None:
    noise = initial_noise(maker.latent_shape(50), seed=1)
    assert noise.shape == (1, 8, 50, 16)
    told = conditioning(engine, maker.watch(FRAMES, MOTION))
    passes = [Pass(), Pass(image=False), Pass("none", image=False)]
    together = maker.velocities(noise, 0.7, told, passes)
    assert [(each.shape, each.dtype) for each in together] == [(noise.shape, torch.float32)] * 3
    for one, each in zip(passes, together, strict=True):
        assert torch.allclose(maker.velocities(noise, 0.7, told, [one])[0], each, atol=BATCH_TOLERANCE)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    unseen = maker.velocities(noise, 0.7, replace(told, video=None), [Pass()])[0]
    assert torch.allclose(unseen, together[1], atol=BATCH_TOLERANCE)


def test_frames_are_watched_whatever_their_number(maker: SoundMaker) -> None:
    for count, latents in ((1, 1), (4, 2), (33, 9)):
        seen = maker.watch(FRAMES[:count], MOTION[:count])
        assert (seen.latents.shape[2], seen.motion.shape[1]) == (latents, count)


def test_sound_is_encoded_and_decoded_step_by_step(maker: SoundMaker) -> None:
    samples = 0.1 * np.random.default_rng(2).standard_normal((32_000, 2)).astype(np.float32)
    latents = maker.encode(samples)
    assert latents.shape == (1, 8, 50, 16)
    decoded = maker.decode(latents)
    assert (decoded.shape, decoded.dtype) == ((32_000, 1), np.float32)


@pytest.mark.parametrize("steps", [1, 50, 51, 75, 80, 130])
def test_any_number_of_steps_is_decoded(maker: SoundMaker, steps: int) -> None:
    assert maker.decode(initial_noise(maker.latent_shape(steps), seed=3)).shape == (640 * steps, 1)


def test_a_clip_of_three_seconds_gets_a_sound(engine: PocketEngine, maker: SoundMaker) -> None:
    assert maker is engine.soundtrack()
    frames = np.concatenate([FRAMES, FRAMES[:15]])
    silent = Silent(VideoFacts(48, 64, 32, 16.0, 3.0, False, "h264"), frames)
    request = SoundRequest(source="0" * 64, prompt="a ball", seed=1, num_inference_steps=2)
    made = make_soundtrack(engine, request, silent)
    assert made.samples.shape == (144_000, 1) and np.isfinite(made.samples).all()
    assert made.facts["network_passes"] == 4
