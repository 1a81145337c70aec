"""The soundtrack transformer on small random weights: its clock, what it is told, and its linear guess."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.models.kinora.soundtrack import STEP_SECONDS, SoundtrackTransformer

STEPS, FRAMES = 25, 17


def network(*, is_fresh: bool = False) -> SoundtrackTransformer:
    torch.manual_seed(0)
    made = SoundtrackTransformer(
        motion_features=12,
        width=32,
        num_layers=2,
        num_heads=2,
        mlp_width=48,
        text_width=16,
        condition_width=16,
    )
    for parameter in made.parameters() if not is_fresh else ():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval().requires_grad_(False)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def clip(*, seed: int = 3) -> dict[str, Tensor]:
    """Return latents and motion features of 17 frames."""
    return {"video": random(2, 16, 5, 8, 12, seed=seed), "motion": random(2, FRAMES, 12, seed=seed + 1)}


def run(
    made: SoundtrackTransformer,
    x: Tensor | None = None,
    *,
    sigma: float = 0.7,
    text: int = 9,
    **conditions: Any,
) -> Tensor:
    latents = random(2, 8, STEPS, 16) if x is None else x
    words, mask = random(2, 3, 16, seed=text), torch.ones(2, 3, dtype=torch.bool)
    velocity: Tensor = made(latents, torch.full((2,), sigma), words, mask, **conditions)
    return velocity


@pytest.mark.parametrize("steps", [1, 25, 52])
def test_velocities_have_the_shape_of_the_latents(steps: int) -> None:
    x = random(2, 8, steps, 16)
    assert run(network(), x, **clip()).shape == x.shape


def test_a_step_is_40_ms_and_tokens_are_four_a_step() -> None:
    made, seen = network(), []
    made.blocks[0].register_forward_hook(
        lambda _, inputs, __: seen.append((inputs[0].shape, inputs[1].shape))
    )
    run(made, **clip())
    assert pytest.approx(0.04) == STEP_SECONDS
    assert seen == [((2, 4 * STEPS, 32), (2, STEPS, 16))]


def test_keys_and_values_are_video_and_then_text() -> None:
    made, seen = network(), []
    made.blocks[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[2]))
    run(made, **clip())
    assert seen[0].shape == (2, 5 * 2 * 3 + 3, 16)
    assert torch.equal(seen[0][:, -3:], random(2, 3, 16, seed=9))


@pytest.mark.parametrize("sigma", [0.02, 0.5, 0.98])
def test_a_fresh_network_is_the_best_linear_guess(sigma: float) -> None:
    """Least squares of noise - data on the state, over independent draws of unit variance (to 0.03)."""
    data, noise = random(2, 8, 50, 16, seed=1), random(2, 8, 50, 16, seed=2)
    state = (1 - sigma) * data + sigma * noise
    slope = ((noise - data) * state).sum() / state.square().sum()
    guess = run(network(is_fresh=True), state, sigma=sigma, **clip())
    assert float((guess / state).median()) == pytest.approx(float(slope), abs=0.03)
    assert torch.allclose(guess, (guess / state).median() * state, atol=1e-5)


@pytest.mark.parametrize("shift", [1, 4])
def test_shifting_the_motion_shifts_the_modulation(shift: int) -> None:
    """At 25 frames a second a frame is a step; the convolution reaches two frames past what was cut off."""
    made, motion = network(), random(1, 40, 12)
    before = made.motion_condition(motion, 40, frame_rate=25)
    after = made.motion_condition(motion.roll(shift, dims=1), 40, frame_rate=25)
    assert torch.allclose(after[:, shift + 2 : -2], before[:, 2 : -2 - shift], atol=1e-5)
    assert not torch.allclose(after[:, 2:-2], before[:, 2:-2], atol=1e-2)


def test_sixteen_frames_are_twenty_five_steps() -> None:
    made, motion = network(), random(1, 48, 12)
    before = made.motion_condition(motion, 75, frame_rate=16)
    after = made.motion_condition(motion.roll(16, dims=1), 75, frame_rate=16)
    assert torch.allclose(after[:, 29:71], before[:, 4:46], atol=1e-5)


def test_frames_are_sampled_as_nearest_exact() -> None:
    made, motion = network(), random(1, 32, 12)
    features = functional.silu(made.motion_mix(motion.transpose(1, 2)))
    expected = made.motion_out(functional.interpolate(features, 50, mode="nearest-exact").transpose(1, 2))
    assert torch.allclose(made.motion_condition(motion, 50, frame_rate=16), expected, atol=1e-5)


def test_sound_past_the_last_frame_takes_the_last_frame() -> None:
    made, motion = network(), random(1, 8, 12)
    condition = made.motion_condition(motion, 25, frame_rate=16)
    assert torch.equal(condition[:, 13:], condition[:, 12:13].expand(-1, 12, -1))


def test_motion_speaks_to_the_moment_it_belongs_to() -> None:
    """Without attention, a change in one frame reaches the steps within two frames of it alone."""
    made, first = network(), clip()
    made.video_pool.weight.zero_()
    for block in made.blocks:
        block.to_out.weight.zero_()
    second = first | {"motion": first["motion"].clone()}
    second["motion"][:, 8] += 1
    is_changed = (run(made, **first) != run(made, **second)).any(3).any(1)[0]
    times = (torch.arange(STEPS) + 0.5) * STEP_SECONDS * 16
    assert is_changed.tolist() == ((times >= 6) & (times < 11)).tolist()


@torch.no_grad()
def test_conditions_that_start_at_zero_leave_a_network_as_it_is() -> None:
    """Motion and pooled video added to a network that knows none change nothing."""
    made, fresh = network(), network(is_fresh=True)
    for part in ("motion_out", "video_pool"):
        getattr(made, part).load_state_dict(getattr(fresh, part).state_dict())
    hidden = torch.zeros(2, dtype=torch.bool)
    assert torch.allclose(run(made, **(clip() | {"has_video": hidden})), run(made), atol=1e-5)
    assert torch.allclose(run(made, motion=clip()["motion"]), run(made), atol=1e-5)


def test_a_row_that_is_not_to_see_its_clip_does_not() -> None:
    made = network()
    plain, seen = run(made), run(made, **clip())
    mixed = run(made, **clip(), has_video=torch.tensor([False, True]))
    assert torch.allclose(mixed[0], plain[0], atol=1e-5)
    assert torch.allclose(mixed[1], seen[1], atol=1e-5)
    assert not torch.allclose(seen, plain, atol=1e-3)


@pytest.mark.parametrize("name", ["video", "motion"])
def test_each_part_of_a_clip_is_felt(name: str) -> None:
    made = network()
    other = clip() | {name: clip(seed=20)[name]}
    assert not torch.allclose(run(made, **clip()), run(made, **other), atol=1e-3)


def test_text_is_felt_with_and_without_a_clip() -> None:
    made = network()
    for seen in ({}, clip()):
        assert not torch.allclose(run(made, **seen), run(made, text=10, **seen), atol=1e-3)


def test_words_that_are_not_there_are_not_read() -> None:
    made, x, sigma = network(), random(2, 8, STEPS, 16), torch.full((2,), 0.5)
    words = random(2, 5, 16)
    mask = torch.arange(5).expand(2, -1) < 3
    short = made(x, sigma, words[:, :3], mask[:, :3], **clip())
    assert torch.allclose(made(x, sigma, words, mask, **clip()), short, atol=1e-5)


def test_a_network_of_full_size_fits_into_9_mb() -> None:
    assert 2 * sum(p.numel() for p in SoundtrackTransformer().parameters()) < 8.2e6
