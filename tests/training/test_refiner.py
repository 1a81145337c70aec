"""The refiner's recipe on random latents: where its path starts, what a step holds, what is learnt."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.refiner import degraded, kept_share
from backend.models.kinora.text_encoder import TextEncoder
from backend.training.__main__ import main
from backend.training.dataset import TrainingPairs
from backend.training.pairs import HeldOutPairs, LatentPairs, PixelPair
from backend.training.refiner import RefinerBatch, RefinerDraws, RefinerRecipe, states
from backend.training.world.captions import CaptionAttributes
from backend.training.world.scene import ObjectWords

COUNT, FRAMES, SIDE = 12, 2, 4
BALL = CaptionAttributes((ObjectWords("ball", "red", "plain", "still", "medium"),), None, "sea", "static")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def latent_pairs(frames: int, *, count: int = COUNT, seed: int = 0) -> LatentPairs:
    """Return pairs of which every second one comes from the autoencoder."""
    shape = (count, 16, frames, SIDE, SIDE)
    is_draft = torch.arange(count) % 2 == 1
    return LatentPairs(
        random(*shape, seed=seed).half(), random(*shape, seed=9).half(), is_draft, [BALL] * count
    )


def held_out(frames: int) -> HeldOutPairs:
    latents = latent_pairs(frames, count=2, seed=5)
    size = (3, 4 * (frames - 1) + 1, 8 * SIDE, 8 * SIDE)
    dark, grey = torch.zeros(size, dtype=torch.uint8), torch.full(size, 128, dtype=torch.uint8)
    return HeldOutPairs([PixelPair(grey, dark, is_draft, BALL) for is_draft in (False, True)], latents)


DATA = TrainingPairs(
    {"clip": latent_pairs(FRAMES), "picture": latent_pairs(1)},
    {"clip": held_out(FRAMES), "picture": held_out(1)},
)
COUNTS = {"clip": 2, "long": 0, "picture": 3}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    TextEncoder(num_layers=1, num_buckets=64).save_pretrained(folder / "text_encoder")
    small = VideoAutoencoder(
        quarter_width=8, eighth_width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=4
    )
    small.save_pretrained(folder / "vae")
    return folder


def recipe_of(family: Path, **options: Any) -> RefinerRecipe:
    draws = RefinerDraws(COUNTS, **options)
    return RefinerRecipe(DATA, draws, family=family, device=torch.device("cpu"), compile_network=False)


@pytest.fixture(scope="module")
def recipe(family: Path) -> RefinerRecipe:
    return recipe_of(family)


def batch(*, sigma: float, step: int, given: bool = False) -> RefinerBatch:
    high, low, noise = (random(1, 16, FRAMES, SIDE, SIDE, seed=seed) for seed in range(3))
    first = torch.tensor([[given, False]])
    return RefinerBatch(high, low, noise, torch.tensor([step]), torch.tensor([sigma]), first, ["a red ball"])


def test_the_start_keeps_what_flashvideo_keeps_of_the_draft() -> None:
    steps = torch.tensor([600, 650, 675, 700, 750, 900])
    expected = torch.tensor([0.357, 0.294, 0.264, 0.235, 0.181, 0.054])
    assert (kept_share(steps) - expected).abs().max() < 1e-3
    ones, noise = torch.ones(6, 1, 1, 1, 1), torch.zeros(6, 1, 1, 1, 1)
    assert torch.equal(degraded(ones, noise, step=steps).flatten(), kept_share(steps))
    assert torch.allclose(degraded(noise, ones, step=steps).flatten(), (1 - kept_share(steps) ** 2).sqrt())


def test_the_path_is_straight_from_the_start_to_the_truth() -> None:
    made = batch(sigma=1.0, step=675)
    kept = float(kept_share(675))
    start = kept * made.low + math.sqrt(1 - kept**2) * made.noise
    for sigma in (0.0, 0.3, 1.0):
        seen, velocity = states(batch(sigma=sigma, step=675))
        assert torch.allclose(seen, (1 - sigma) * made.high + sigma * start, atol=1e-6)
        assert torch.allclose(velocity, start - made.high, atol=1e-6)


def test_a_given_frame_is_clean_and_nothing_is_learnt_there(recipe: RefinerRecipe) -> None:
    made = batch(sigma=0.7, step=500, given=True)
    assert torch.equal(states(made)[0][:, :, 0], made.high[:, :, 0])
    low = made.low.clone().requires_grad_()
    recipe.part_loss(replace(made, low=low)).backward()
    assert low.grad is not None
    assert not low.grad[:, :, 0].any()
    assert low.grad[:, :, 1].all()
    recipe.model.zero_grad()


def test_a_step_has_every_collection(recipe: RefinerRecipe) -> None:
    parts = next(recipe.batches(start_step=0))
    assert [tuple(part.high.shape[:3]) for part in parts] == [(2, 16, FRAMES), (3, 16, 1)]
    assert [len(part.captions) for part in parts] == [2, 3]


def test_a_step_gives_a_loss_with_a_figure_for_each_collection(recipe: RefinerRecipe) -> None:
    loss, figures = recipe.loss(next(recipe.batches(start_step=0)))
    loss.backward()
    assert set(figures) == {"clip", "picture", "samples"}
    assert figures["samples"] == 5
    assert math.isfinite(loss.item())
    assert recipe.model.patch.final.weight.grad.any()
    recipe.model.zero_grad()


def test_pairs_stay_together_and_all_come_before_any_comes_again(recipe: RefinerRecipe) -> None:
    pairs, batches = DATA.trained["clip"], recipe.batches(start_step=1)
    rows = []
    for _ in range(COUNT // 2):
        part = next(batches)[0]
        for high, low in zip(part.high, part.low, strict=True):
            (row,) = (row for row in range(COUNT) if torch.equal(pairs.high[row].float(), high))
            assert torch.equal(pairs.low[row].float(), low)
            rows.append(row)
    assert sorted(rows) == [*range(COUNT)]


def test_text_and_first_frames_are_drawn_in_a_tenth(recipe: RefinerRecipe) -> None:
    batches = recipe.batches(start_step=2)
    clips, pictures = zip(*(next(batches) for _ in range(500)), strict=True)
    hidden = [caption == "" for part in clips for caption in part.captions]
    given = torch.cat([part.given for part in clips])
    assert 0.06 < sum(hidden) / len(hidden) < 0.14  # four deviations of 1,000 draws
    assert 0.06 < given[:, 0].float().mean() < 0.14
    assert not given[:, 1].any()
    assert not any(part.given.any() for part in pictures)


@pytest.mark.parametrize(
    ("degradation", "least", "most", "kinds"),
    [("none", 0, 0, {False}), ("pixel", 0, 0, {False, True}), ("pixel_latent", 600, 900, {False, True})],
)
def test_an_ablation_leaves_degradation_out(
    family: Path, degradation: str, least: int, most: int, kinds: set[bool]
) -> None:
    batches = recipe_of(family, degradation=degradation, steps=(600, 900)).batches(start_step=0)
    pairs, parts = DATA.trained["clip"], [next(batches)[0] for _ in range(30)]
    steps = torch.cat([part.steps for part in parts])
    assert steps.min() >= least and steps.max() <= most
    assert (len(steps.unique()) > 1) == (most > 0)
    rows = [
        row
        for part in parts
        for high in part.high
        for row in range(COUNT)
        if torch.equal(pairs.high[row].float(), high)
    ]
    assert {bool(pairs.is_draft[row]) for row in rows} == kinds


def test_held_out_measures_tell_drafts_from_scaled_pictures(recipe: RefinerRecipe) -> None:
    with torch.no_grad():
        measures = recipe.measure()
    whats = ("enlarged", "decoded", "possible", "refined_100", "refined_900")
    assert set(measures) == {f"psnr_{what}_{kind}" for what in whats for kind in ("draft", "scaled")} | {
        "held_out_clip",
        "held_out_picture",
    }
    assert measures["psnr_enlarged_draft"] == pytest.approx(20 * math.log10(255 / 128))
    with torch.no_grad():
        assert recipe.measure() == measures


def test_sheet_shows_draft_refined_and_truth(recipe: RefinerRecipe, tmp_path: Path) -> None:
    recipe.draw_sheet(tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (2 * 3 * 8 * SIDE, 8 * SIDE)


def test_the_published_refiner_is_trained_further(recipe: RefinerRecipe, family: Path) -> None:
    with torch.no_grad():
        recipe.model.patch.final.bias.fill_(0.5)
    recipe.publish(family, facts={"steps": 1})
    draws = RefinerDraws(COUNTS)
    device = torch.device("cpu")
    continued = RefinerRecipe(
        DATA, draws, family=family, device=device, compile_network=False, is_continued=True
    )
    assert (continued.model.patch.final.bias == 0.5).all()
    assert "refiner/config.json" in (family / "checksums.json").read_text()


@pytest.mark.parametrize("steps", [("900", "100"), ("0", "1000"), ("-1", "5")])
def test_impossible_degradation_steps_are_refused(
    steps: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["refiner", "--degradation", *steps])
    assert "from 0 to 999" in capsys.readouterr().err
