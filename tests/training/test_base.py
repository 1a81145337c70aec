"""The base recipe on random latents: what a step is made of, and what its loss looks at."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import Told, VideoTransformer
from backend.training.base import BaseBatch, BaseRecipe, cut_out, parts_of, start_untrained_scales
from backend.training.dataset import TrainingLatents
from backend.training.latents import LatentClips
from backend.training.objectives import NOTHING_HIDDEN, draw_conditions
from backend.training.world.captions import CaptionAttributes
from backend.training.world.scene import ObjectWords

COUNT, FRAMES, SIDE = 140, 3, 8
BALL = CaptionAttributes((ObjectWords("ball", "red", "plain", "still", "medium"),), None, "sea", "static")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latent_clips(frames: int, *, width: int = SIDE) -> LatentClips:
    shape = (COUNT, 16, frames, SIDE, width)
    return LatentClips(
        appearance=random(*shape).half(),
        motion=random(*shape, seed=1).half(),
        cover=torch.zeros(COUNT, frames, SIDE, width).half(),
        cameras=random(COUNT, frames, 6, seed=2),
        motion_scores=torch.ones(COUNT),
        strides=torch.full((COUNT,), 2.0),
        sources=torch.full((COUNT,), 3),
        attributes=[BALL] * COUNT,
    )


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> BaseRecipe:
    family = tmp_path_factory.mktemp("family")
    TextEncoder(num_layers=1, num_buckets=64).save_pretrained(family / "text_encoder")
    small = VideoAutoencoder(quarter_width=8, eighth_width=8, decoder_blocks=(1, 1), head_width=4)
    small.save_pretrained(family / "vae")
    return made(family)


def made(family: Path, *shaped: LatentClips) -> BaseRecipe:
    return BaseRecipe(
        TrainingLatents(latent_clips(FRAMES), latent_clips(1), shaped),
        family=family,
        device=torch.device("cpu"),
        parts=parts_of((1, 2, 3), (2, 1), (4, 3)),
        compile_network=False,
    )


def test_a_step_has_every_scale_and_the_cuts(recipe: BaseRecipe) -> None:
    parts = next(recipe.batches(start_step=0))
    assert [(part.scale, len(part.captions), part.window is not None) for part in parts] == [
        (1, 1, False),
        (2, 2, False),
        (3, 3, False),
        (1, 2, True),
        (2, 1, True),
        (1, 4, False),
        (1, 3, True),
    ]
    half = SIDE // 2
    assert [part.latents.shape[3] for part in parts] == [SIDE, SIDE, SIDE, half, half, SIDE, half]
    assert [part.latents.shape[2] for part in parts] == [FRAMES] * 5 + [1] * 2


def test_a_step_gives_a_loss_with_a_figure_for_each_part(recipe: BaseRecipe) -> None:
    loss, figures = recipe.loss(next(recipe.batches(start_step=0)))
    loss.backward()
    names = {
        f"{half}_{part}" for half in ("appearance", "motion") for part in ("1", "2", "3", "1_cut", "2_cut")
    }
    pictures = {"appearance_1_picture", "appearance_1_cut_picture"}
    assert set(figures) == names | pictures | {"samples"}
    assert math.isfinite(loss.item())
    assert all(scale.final.weight.grad is not None for scale in recipe.model.scales)


def test_some_whole_clips_and_no_cuts_are_of_other_shapes(recipe: BaseRecipe) -> None:
    batches = made(recipe._family, latent_clips(FRAMES, width=2 * SIDE)).batches(start_step=0)
    parts = [part for _ in range(20) for part in next(batches)]
    widths = [part.latents.shape[4] for part in parts if part.window is None and part.latents.shape[2] > 1]
    assert 0.1 < widths.count(2 * SIDE) / len(widths) < 0.5
    assert {part.latents.shape[4] for part in parts if part.window is not None} == {SIDE // 2}


def test_a_part_counts_as_its_tokens(recipe: BaseRecipe) -> None:
    parts = next(recipe.batches(start_step=0))
    assert [part.num_tokens for part in parts] == [48, 2 * 32, 3 * 8, 2 * 12, 1 * 8, 4 * 16, 3 * 4]
    each = [sum(recipe.losses(part)[: 1 if part.latents.shape[2] == 1 else 2]) for part in parts]
    whole = sum(part.num_tokens * float(loss.detach()) for part, loss in zip(parts, each, strict=True))
    total = sum(part.num_tokens for part in parts)
    assert float(recipe.loss(parts)[0].detach()) == pytest.approx(whole / total, rel=1e-4)


def test_held_out_clips_are_never_trained_on(recipe: BaseRecipe) -> None:
    """128 of 140 are held out, so every step draws from the same twelve."""
    trained = recipe._data.clips.appearance[128:].float()
    for part in next(recipe.batches(start_step=1)):
        if part.window is None and part.latents.shape[2] == FRAMES:
            for clip in part.latents[:, :16]:
                assert any(torch.equal(clip, other) for other in trained)


def test_the_network_is_told_what_is_not_hidden(recipe: BaseRecipe) -> None:
    told, hidden = [], []
    batches = recipe.batches(start_step=2)
    for _ in range(40):
        for part in next(batches):
            told.append(part.told)
            hidden.append(part.draw)
    for name, unsaid, said in (("stride", 0, 2), ("source", -1, 3), ("motion_score", -1, 1)):
        values = torch.cat([getattr(each, name) for each in told])
        is_hidden = torch.cat([getattr(draw, name) for draw in hidden])
        assert (values[is_hidden] == unsaid).all() and (values[~is_hidden] == said).all()
        assert is_hidden.any() and not is_hidden.all()
    for each, draw in zip(told, hidden, strict=True):
        assert each.camera is not None and (each.camera[draw.camera] == 0).all()


def test_pictures_never_show_their_motion_channels(recipe: BaseRecipe) -> None:
    for part in next(recipe.batches(start_step=3))[-2:]:
        assert part.draw.motion_channels.all()


def batch(weights: Tensor) -> BaseBatch:
    count = len(weights)
    drawn = draw_conditions(count, FRAMES, drops=NOTHING_HIDDEN, generator=torch.Generator())
    places = torch.arange(SIDE * SIDE).view(1, 1, 1, SIDE, SIDE).float().expand(count, 32, FRAMES, -1, -1)
    return BaseBatch(
        1, places, weights, Told(), [""] * count, drawn, torch.zeros(count), places.clone(), None
    )


def test_a_cut_holds_its_cast_and_knows_its_corner() -> None:
    weights = torch.ones(2, 1, FRAMES, SIDE, SIDE)
    weights[0, ..., 6:, :2] = 7
    weights[1, ..., :2, 6:] = 7
    cut = cut_out(batch(weights), torch.Generator().manual_seed(0))
    assert cut.window is not None and cut.window.whole == (SIDE, SIDE)
    assert cut.weights.flatten(1).amax(1).tolist() == [7, 7]
    top, left = cut.window.corners.unbind(1)
    assert torch.equal(cut.latents[:, 0, 0, 0, 0], (top * SIDE + left).float())
    assert torch.equal(cut.noise, cut.latents)
    assert not (cut.window.corners % 2).any()


def test_a_cut_is_the_beginning_of_its_clip(recipe: BaseRecipe) -> None:
    frames = 9
    drawn = draw_conditions(2, frames, drops=NOTHING_HIDDEN, generator=torch.Generator())
    latents, camera = random(2, 32, frames, SIDE, SIDE), random(2, frames, 6)
    weights, told = torch.ones(2, 1, frames, SIDE, SIDE), Told(camera=camera)
    whole = BaseBatch(1, latents, weights, told, ["", ""], drawn, torch.zeros(2), latents.clone(), None)
    cut = cut_out(whole, torch.Generator().manual_seed(0))
    assert cut.latents.shape == cut.noise.shape == (2, 32, 5, SIDE // 2, SIDE // 2)
    assert cut.draw.given.shape == (2, 5)
    assert cut.told.camera is not None and torch.equal(cut.told.camera, camera[:, :5])
    assert torch.isfinite(torch.stack(recipe.losses(cut))).all()


def test_untrained_scales_start_from_the_next_coarser_one() -> None:
    made = VideoTransformer(
        width=32, num_layers=1, num_heads=2, mlp_width=48, text_width=16, condition_width=16
    )
    start_untrained_scales(made)
    assert not any(scale.final.weight.any() for scale in made.scales)
    torch.nn.init.normal_(made.scales[2].final.weight)
    start_untrained_scales(made)
    assert all(scale.final.weight.any() for scale in made.scales)
    kept = made.scales[0].final.weight.clone()
    torch.nn.init.normal_(made.scales[1].final.weight)
    start_untrained_scales(made)
    assert torch.equal(made.scales[0].final.weight, kept)
