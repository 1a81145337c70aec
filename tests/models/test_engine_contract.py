"""What every engine promises, on the tiny engine and on all others with small random networks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.models.engine import Conditioning, Engine, Pass
from backend.pipelines.sampling import initial_noise

ENGINES = pytest.mark.parametrize("engine", ["tiny", "pocket", "wan", "ltx", "ltx2"], indirect=True)
NUM_FRAMES, HEIGHT, WIDTH = 9, 32, 48

# Batching changes the order of sums in a matrix product; in bfloat16 that is some units of 2^-8.
BATCH_TOLERANCE = 0.05


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine


def noise(engine: Engine, *, seed: int = 1) -> Tensor:
    return initial_noise(engine.latent_shape(num_frames=NUM_FRAMES, height=HEIGHT, width=WIDTH), seed=seed)


def conditioning(engine: Engine, *, negative: str = "") -> Conditioning:
    return Conditioning(engine.encode_prompt("a red ball rolls"), engine.encode_prompt(negative))


@ENGINES
def test_latents_decode_to_the_frames_their_shape_was_asked_for(engine: Engine) -> None:
    frames = engine.decode(noise(engine))
    assert (frames.shape, frames.dtype) == ((NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8)


@ENGINES
def test_a_preview_has_all_frames_at_a_smaller_size(engine: Engine) -> None:
    frames = engine.preview(noise(engine))
    assert (frames.shape, frames.dtype) == ((NUM_FRAMES, HEIGHT // 2, WIDTH // 2, 3), np.uint8)


@ENGINES
def test_frames_encode_to_latents_of_that_shape(engine: Engine) -> None:
    latents = engine.encode(np.zeros((NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8))
    assert (latents.shape, latents.dtype) == (noise(engine).shape, torch.float32)


@ENGINES
def test_every_pass_gives_a_float32_velocity_on_the_cpu(engine: Engine) -> None:
    latents = torch.cat([noise(engine, seed=1), noise(engine, seed=2)])
    passes = [Pass("prompt"), Pass("negative"), Pass("none"), Pass(motion_channels=False)]
    velocities = engine.velocities(latents, 0.7, conditioning(engine), passes)
    assert [velocity.shape for velocity in velocities] == [latents.shape] * 4
    assert {(velocity.dtype, velocity.device.type) for velocity in velocities} == {(torch.float32, "cpu")}


@ENGINES
def test_the_same_call_gives_the_same_velocities(engine: Engine) -> None:
    passes = [Pass("prompt"), Pass("negative")]
    calls = [engine.velocities(noise(engine), 0.7, conditioning(engine), passes) for _ in range(2)]
    assert all(torch.equal(first, second) for first, second in zip(*calls, strict=True))


@ENGINES
def test_passes_together_equal_passes_alone(engine: Engine) -> None:
    passes = [Pass("prompt"), Pass("negative"), Pass("none")]
    given = conditioning(engine, negative="a much longer negative prompt than the prompt itself")
    together = engine.velocities(noise(engine), 0.7, given, passes)
    alone = [engine.velocities(noise(engine), 0.7, given, [each])[0] for each in passes]
    for first, second in zip(together, alone, strict=True):
        assert torch.allclose(first, second, atol=BATCH_TOLERANCE)


@ENGINES
def test_an_empty_negative_prompt_is_no_text_at_all(engine: Engine) -> None:
    passes = [Pass("negative"), Pass("none")]
    negative, none = engine.velocities(noise(engine), 0.7, conditioning(engine), passes)
    assert torch.equal(negative, none)


@ENGINES
def test_clips_of_a_batch_do_not_see_each_other(engine: Engine) -> None:
    one, two = noise(engine, seed=1), noise(engine, seed=2)
    both = engine.velocities(torch.cat([one, two]), 0.7, conditioning(engine), [Pass()])[0]
    alone = engine.velocities(two, 0.7, conditioning(engine), [Pass()])[0]
    assert torch.allclose(both[1:], alone, atol=BATCH_TOLERANCE)
