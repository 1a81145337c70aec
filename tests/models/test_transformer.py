"""The transformer on small random weights: scales, padding, given frames, and its linear guess."""

from typing import Any

import pytest
import torch
from torch import Tensor

from backend.models.kinora.local_head import LocalBlock
from backend.models.kinora.patches import PATCH_SIZES
from backend.models.kinora.transformer import Told, VideoTransformer, Window
from tests.models.small_pocket import SMALL_TRANSFORMER

SCALES = pytest.mark.parametrize("scale", [1, 2, 3])


def network(*, is_fresh: bool = False) -> VideoTransformer:
    torch.manual_seed(0)
    made = VideoTransformer(**SMALL_TRANSFORMER)
    for parameter in made.parameters() if not is_fresh else ():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim < 4 else 0.05)
    return made.eval()


def latents(*, frames: int = 5, height: int = 8, width: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(2, 32, frames, height, width, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def run(made: VideoTransformer, x: Tensor, *, sigma: float = 0.7, **conditions: Any) -> Tensor:
    text = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(9))
    velocity: Tensor = made(
        x, torch.full((2,), sigma), text, torch.ones(2, 3, dtype=torch.bool), **conditions
    )
    return velocity


@SCALES
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_velocities_have_the_shape_of_the_latents(scale: int, frames: int) -> None:
    x = latents(frames=frames)
    assert run(network(), x, scale=scale).shape == x.shape


@SCALES
def test_tokens_are_as_many_as_the_patch_says(scale: int) -> None:
    made, seen = network(), []
    made.blocks[0].register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[1]))
    run(made, latents(frames=4), scale=scale)
    frames, rows, columns = PATCH_SIZES[scale - 1]
    assert seen == [4 // frames * (8 // rows) * (12 // columns)]


def test_only_embedders_and_final_layers_belong_to_a_scale() -> None:
    names = {name.split(".")[0] for name, _ in network().named_parameters()}
    assert names >= {"scales", "blocks", "place", "time_mlp", "motion_mlp", "text_pool", "final_scale"}
    assert names >= {"stride_mlp", "camera_mlp", "source", "local", "to_modulation"}
    own = {name.split(".")[2] for name, _ in network().named_parameters() if name.startswith("scales")}
    assert own == {"embed", "given", "final"}


@pytest.mark.parametrize("finer", [1, 2])
def test_a_scale_that_starts_from_a_coarser_one_sees_an_enlargement_alike(finer: int) -> None:
    """A picture and its enlargement to the coarser patch give the same tokens and mean velocities."""
    scales = network().scales
    fine, coarse = scales[finer - 1], scales[finer]
    fine.start_from(coarse)
    x = latents(frames=2)
    factors = [other // own for own, other in zip(fine.patch_size, coarse.patch_size, strict=True)]
    enlarged = x
    for axis, factor in enumerate(factors):
        enlarged = enlarged.repeat_interleave(factor, dim=axis + 2)
    tokens = fine.to_tokens(x, torch.ones(x.shape[0], x.shape[2]))
    given = torch.ones(x.shape[0], enlarged.shape[2])
    assert torch.allclose(tokens, coarse.to_tokens(enlarged, given), atol=1e-4)
    shrunk = torch.nn.functional.avg_pool3d(coarse.from_tokens(tokens, enlarged.shape), factors)
    assert torch.allclose(fine.from_tokens(tokens, x.shape), shrunk, atol=1e-4)


@SCALES
@pytest.mark.parametrize("sigma", [0.02, 0.5, 0.98])
def test_a_fresh_network_is_the_best_linear_guess(scale: int, sigma: float) -> None:
    """Least squares of noise - data on the state, over independent draws of unit variance (to 0.03)."""
    data, noise = latents(frames=16, seed=1), latents(frames=16, seed=2)
    state = (1 - sigma) * data + sigma * noise
    slope = ((noise - data) * state).sum() / state.square().sum()
    guess = run(network(is_fresh=True), state, sigma=sigma, scale=scale)
    assert torch.allclose(guess, guess.flatten()[0] / state.flatten()[0] * state, atol=1e-5)
    assert float(guess.flatten()[0] / state.flatten()[0]) == pytest.approx(float(slope), abs=0.03)


@pytest.mark.parametrize("scale", [2, 3])
def test_the_copy_that_pads_an_odd_clip_is_not_returned(scale: int) -> None:
    x = latents(frames=5)
    padded = torch.cat([x, x[:, :, -1:]], dim=2)
    assert torch.allclose(
        run(network(), x, scale=scale), run(network(), padded, scale=scale)[:, :, :5], atol=1e-5
    )


@SCALES
@pytest.mark.parametrize("frame", [0, 1, 4])
def test_a_given_frame_is_marked(scale: int, frame: int) -> None:
    given = torch.zeros(2, 5, dtype=torch.bool)
    unmarked = run(network(), latents(), scale=scale, given=given)
    assert torch.equal(unmarked, run(network(), latents(), scale=scale))
    given[:, frame] = True
    assert not torch.equal(unmarked, run(network(), latents(), scale=scale, given=given))


@SCALES
def test_a_window_over_the_whole_picture_is_no_window(scale: int) -> None:
    whole = Window(torch.zeros(2, 2, dtype=torch.long), (8, 12))
    assert torch.equal(
        run(network(), latents(), scale=scale, window=whole), run(network(), latents(), scale=scale)
    )


def test_tokens_of_a_window_have_the_places_they_have_in_the_whole() -> None:
    made = network()
    window = Window(torch.tensor([[2, 4], [0, 6]]), (8, 12))
    whole = made._grid(torch.Size((2, 32, 3, 8, 12)), (1, 2, 2), None, torch.device("cpu"))
    cut = made._grid(torch.Size((2, 32, 3, 4, 6)), (1, 2, 2), window, torch.device("cpu"))
    for axis in range(3):
        places = whole[axis].view(3, 4, 6)
        assert torch.allclose(cut[axis][0].view(3, 2, 3), places[:, 1:3, 2:5])
        assert torch.allclose(cut[axis].expand(2, -1)[1].view(3, 2, 3), places[:, 0:2, 3:6])


def camera(*, is_said: bool = True) -> Tensor:
    """Return the features of a camera that circles by a quarter turn over five latents."""
    azimuth = torch.linspace(0, 1.57, 5)
    zero, one = torch.zeros(5), torch.ones(5)
    rows = torch.stack([azimuth.sin(), azimuth.cos(), zero, one, zero, one], -1)
    return rows.expand(2, -1, -1) * is_said


UNSAID = {
    "motion_score": torch.tensor([-1.0, -1.0]),
    "stride": torch.zeros(2),
    "source": torch.tensor([-1, -1]),
    "camera": camera(is_said=False),
}
SAID = {
    "motion_score": torch.tensor([-1.0, 4.0]),
    "stride": torch.tensor([0.0, 3.0]),
    "source": torch.tensor([-1, 2]),
    "camera": camera() * torch.tensor([0.0, 1.0]).view(2, 1, 1),
}


@SCALES
@pytest.mark.parametrize("name", SAID)
def test_what_is_not_said_changes_nothing(scale: int, name: str) -> None:
    plain = run(network(), latents(), scale=scale)
    assert torch.allclose(
        run(network(), latents(), scale=scale, told=Told(**{name: UNSAID[name]})), plain, atol=1e-5
    )
    said = run(network(), latents(), scale=scale, told=Told(**{name: SAID[name]}))
    assert torch.allclose(said[0], plain[0], atol=1e-5)
    assert not torch.allclose(said[1], plain[1], atol=1e-3)


def test_a_camera_speaks_to_the_frames_it_belongs_to() -> None:
    """Without attention and mixes over time, what is said of the last frame reaches that frame alone."""
    made = network()
    for block in made.blocks:
        block.to_out.weight.data.zero_()
    for block in made.local.blocks:
        block.over_time.weight.data.zero_()
    first, second = camera(), camera()
    second[:, -1, 4] = 0.5  # another distance
    changed = (
        (run(made, latents(), told=Told(camera=first)) != run(made, latents(), told=Told(camera=second)))
        .flatten(3)
        .any(3)
        .any(1)
    )
    assert changed.tolist() == [[False, False, False, False, True]] * 2


@SCALES
@torch.no_grad()
def test_conditions_that_start_at_zero_leave_a_network_as_it_is(scale: int) -> None:
    """Adding given-frame marks and every other condition to a network that knows none changes nothing."""
    made, fresh = network(), network(is_fresh=True)
    for scale_parts in made.scales:
        scale_parts.given.zero_()
    for part in ("motion_mlp", "stride_mlp", "camera_mlp", "source", "gates"):
        getattr(made, part).load_state_dict(getattr(fresh, part).state_dict())
    plain = run(made, latents(), scale=scale)
    given = torch.tensor([[True, False, False, False, True]] * 2)
    asked = run(made, latents(), scale=scale, given=given, told=Told(**SAID))
    assert torch.allclose(asked, plain, atol=1e-5)  # groups along time are summed in another order


@torch.no_grad()
def test_a_fresh_local_head_leaves_velocities_as_they_are() -> None:
    made, fresh = network(), network(is_fresh=True)
    before = run(made, latents())
    made.local.load_state_dict(fresh.local.state_dict())
    added = before - run(made, latents())
    assert added.abs().max() > 1e-3
    made.local.known.weight.mul_(2)
    assert torch.equal(before - run(made, latents()), added)


@torch.no_grad()
def test_a_local_head_looks_over_the_edges_of_patches() -> None:
    """Without attention, a change in one patch reaches its neighbours alone, in space and in time."""
    made = network()
    for block in made.blocks:
        block.to_out.weight.data.zero_()
    changed = latents()
    changed[:, :, 2, 4:6, 4:6] += 1
    moved = (run(made, latents()) != run(made, changed)).any(1)[0]
    assert moved[2, 3, 3] and moved[2, 6, 6] and not moved[2, :, 11].any()
    assert moved[1, 4, 4] and moved[3, 4, 4] and not moved[[0, 4]].any()


@torch.no_grad()
def test_a_fresh_local_block_leaves_everything_as_it_is() -> None:
    x = torch.randn(2 * 3, 8, 4, 4)
    assert torch.equal(LocalBlock(8)(x, 3), x)


@torch.no_grad()
def test_a_local_block_does_not_mix_clips() -> None:
    made = LocalBlock(8)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.randn(2 * 3, 8, 4, 4)
    changed = x.clone()
    changed[3] += 1
    moved = (made(x, 3) != made(changed, 3)).flatten(1).any(1)
    assert moved.tolist() == [False, False, False, True, True, False]


@SCALES
@torch.no_grad()
def test_motion_channels_with_zero_rows_leave_appearance_as_it_is(scale: int) -> None:
    """VideoJAM's conversion: zero rows for the new inputs, whatever motion they then hold."""
    made = network()
    patch = made.scales[scale - 1]
    size = patch.embed.in_features // 32
    patch.embed.weight.view(32, 32, size)[:, 16:] = 0  # values are ordered channel first
    made.local.look[0].weight[:, made.local.local_width + 16 :] = 0
    other = torch.cat([latents()[:, :16], latents(seed=5)[:, 16:]], dim=1)
    first, second = (run(made, x, scale=scale)[:, :16] for x in (latents(), other))
    assert torch.equal(first, second)


@SCALES
def test_given_frames_alone_open_the_gate(scale: int) -> None:
    made, x = network(), latents()
    none = torch.zeros(2, 5, dtype=torch.bool)
    assert torch.equal(run(made, x, scale=scale), run(made, x, scale=scale, given=none))
    given = none.clone()
    given[0, 0] = True
    closed = network()
    for gate in closed.gates:
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.zeros_(gate.bias)
    mixed, alone = (run(each, x, scale=scale, given=given) for each in (made, closed))
    assert torch.equal(mixed[1], alone[1])
    assert torch.equal(mixed[0, 16:], alone[0, 16:])
    assert (mixed[0, :16] - alone[0, :16]).abs().max() > 1e-3
