"""The finisher's recipe on small networks and random triples: cut-outs stay together, and it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.models.kinora.finisher import Finisher
from backend.training.finisher import FinisherRecipe, pixel_loss
from backend.training.finishing import DRAFTED, MADE, SCALED, Triples
from backend.training.optimizers import build_optimizers
from backend.training.publish import load_published

SIDE, COUNT, CUT = 64, 4, 32


def triples(*, tint: int = 0) -> Triples:
    """Return truths of noise that `made` shows too dark and `low` too soft; drafts lie `tint` off."""
    rng = np.random.default_rng(0)
    true = rng.integers(60, 200, (COUNT, 2, SIDE, SIDE, 3), np.uint8)
    low = np.broadcast_to(true.mean((2, 3), keepdims=True).astype(np.uint8), true.shape) + np.uint8(tint)
    return Triples(true - np.uint8(40), low, true, np.array([SCALED, DRAFTED] * (COUNT // 2)))


@pytest.fixture
def recipe(tmp_path: Path) -> FinisherRecipe:
    return recipe_of(tmp_path, triples())


def recipe_of(folder: Path, data: Triples, **options: float) -> FinisherRecipe:
    torch.manual_seed(0)
    Finisher(width=16, num_blocks=1).save_pretrained(folder / "small")
    device, published = torch.device("cpu"), folder / "small"
    return FinisherRecipe(
        data, data, device=device, batch_size=4, cut_side=CUT, published=published, **options
    )


def test_cut_outs_show_one_place_of_all_three(recipe: FinisherRecipe) -> None:
    batches = recipe.batches(start_step=0)
    for _ in range(10):
        batch = next(batches)
        assert batch.made.shape == batch.low.shape == batch.true.shape == (4, 3, CUT, CUT)
        levels = (batch.true - batch.made) * 127.5
        assert torch.allclose(levels, levels.mean((1, 2, 3), keepdim=True), atol=14)
        assert torch.allclose(levels.std((2, 3)), torch.zeros(4, 3), atol=1e-3)


def test_cut_outs_are_turned_and_mirrored(recipe: FinisherRecipe) -> None:
    truths = torch.cat([next(batch).true for batch in [recipe.batches(start_step=s) for s in range(8)]])
    down = torch.linspace(-1, 1, CUT)[None, None, :, None]
    assert ((truths * down).mean((1, 2, 3)) > 0).any() and ((truths * down).mean((1, 2, 3)) < 0).any()


def test_the_colours_of_a_draft_are_no_fault(tmp_path: Path) -> None:
    data = triples(tint=20)
    drafted = Triples(data.made, data.low, data.true, np.full(COUNT, DRAFTED))
    batch = next(recipe_of(tmp_path, drafted).batches(start_step=0))
    assert torch.allclose(batch.true.mean((2, 3)), batch.low.mean((2, 3)), atol=1e-4)


def test_made_drafts_are_held_to_themselves_scaled_down(tmp_path: Path) -> None:
    data = triples()
    made = Triples(data.low, data.low, data.true, np.full(COUNT, MADE))
    batch = next(recipe_of(tmp_path, made).batches(start_step=0))
    assert not batch.has_truth.any()
    texture = 0.1 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(CUT // 2, CUT // 2)
    coloured = texture * torch.tensor([1.0, -1.0, 0.0]).view(3, 1, 1)
    for change, least, most in ((texture, 0, 0.002), (0.1, 0.09, 0.11), (coloured, 0.02, 0.05)):
        loss = float(pixel_loss(batch.low + change, batch.low, batch.true, batch.has_truth))
        assert least <= loss <= most
    assert float(pixel_loss(batch.true, batch.low, batch.true, ~batch.has_truth)) < 0.002


def test_statistics_of_made_drafts_are_those_of_the_whole(tmp_path: Path) -> None:
    data, losses = triples(), []
    for detail in (data.true[::-1].copy(), data.low):
        recipe = recipe_of(tmp_path, Triples(detail, data.low, data.true, np.full(COUNT, MADE)))
        losses.append(recipe.loss(next(recipe.batches(start_step=0)))[1]["statistics"])
    other_place, smooth = losses
    assert other_place < 0.1 * smooth


def test_a_step_gives_a_loss_with_its_figures(recipe: FinisherRecipe) -> None:
    loss, figures = recipe.loss(next(recipe.batches(start_step=0)))
    loss.backward()
    assert set(figures) == {"pixels", "statistics", "before", "samples"}
    assert figures["pixels"] == pytest.approx(figures["before"])
    assert recipe.model.to_pixels.weight.grad.any()


def test_it_learns_what_is_missing(recipe: FinisherRecipe) -> None:
    optimizers, batches = build_optimizers(recipe.model, learning_rate=1e-2), recipe.batches(start_step=0)
    before = recipe.measure()
    for _ in range(60):
        loss, figures = recipe.loss(next(batches))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
    assert figures["pixels"] < 0.5 * figures["before"]
    after = recipe.measure()
    assert before["psnr_finished"] == pytest.approx(before["psnr_made"], abs=1e-6)
    assert after["psnr_finished"] > after["psnr_made"] + 3


def test_the_weight_of_statistics_adds_its_loss(tmp_path: Path) -> None:
    plain, weighed = (recipe_of(tmp_path, triples(), statistics_weight=w) for w in (0.0, 0.5))
    batch = next(plain.batches(start_step=0))
    (loss, figures), (more, _) = plain.loss(batch), weighed.loss(batch)
    assert float(more.detach()) == pytest.approx(float(loss.detach()) + 0.5 * figures["statistics"], rel=1e-5)


def test_sheet_shows_draft_detail_finished_and_truth(recipe: FinisherRecipe, tmp_path: Path) -> None:
    recipe.draw_sheet(tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (4 * SIDE, COUNT * SIDE)


def test_the_published_finisher_is_trained_further(recipe: FinisherRecipe, tmp_path: Path) -> None:
    with torch.no_grad():
        recipe.model.to_pixels.bias.fill_(0.5)
    recipe.publish(tmp_path, facts={"steps": 1})
    assert (load_published(Finisher, tmp_path / "finisher").to_pixels.bias == 0.5).all()
    assert "finisher/config.json" in (tmp_path / "checksums.json").read_text()
