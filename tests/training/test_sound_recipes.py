"""The recipes of sound autoencoder and vocoder: what they train on, what they measure, that they learn."""

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from backend.evaluation.spectra import griffin_lim, spectral_distance
from backend.models.kinora.mel import log_mel
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.vocoder import Vocoder
from backend.training import sound_autoencoder, sounds, vocoder
from backend.training.optimizers import build_optimizers
from backend.training.publish import load_published
from backend.training.sound_autoencoder import SoundAutoencoderRecipe
from backend.training.sounds import SOUND_KINDS, held_out_sounds, sound_batches
from backend.training.trainer import Recipe
from backend.training.vocoder import VocoderRecipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sounds, "_POOL", 4)


@pytest.fixture
def autoencoder_recipe(monkeypatch: pytest.MonkeyPatch) -> SoundAutoencoderRecipe:
    monkeypatch.setattr(sound_autoencoder, "_HELD_OUT", 2)
    torch.manual_seed(0)
    small = SoundAutoencoder(widths=(8, 8, 16), norm_num_groups=4)
    return SoundAutoencoderRecipe(device=CPU, batch_size=2, model=small)


@pytest.fixture
def vocoder_recipe(monkeypatch: pytest.MonkeyPatch) -> VocoderRecipe:
    monkeypatch.setattr(vocoder, "_HELD_OUT", 1)
    torch.manual_seed(0)
    return VocoderRecipe(device=CPU, batch_size=2, model=Vocoder(width=32, num_layers=1, hidden_width=32))


def losses(recipe: Recipe, count: int, *, learning_rate: float) -> list[float]:
    """Return the losses of `count` steps on one batch."""
    optimizers = build_optimizers(recipe.model, learning_rate=learning_rate)
    batch, values = next(recipe.batches(start_step=0)), []
    for _ in range(count):
        loss, _ = recipe.loss(batch)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        values.append(loss.item())
    return values


def test_batches_are_cuts_that_depend_on_the_seed() -> None:
    first, again, other = (next(sound_batches(3, samples=4000, seed=seed)) for seed in (1, 1, 2))
    assert first.shape == (3, 4000) and first.dtype == torch.float32
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.abs().max() <= 1


def test_held_out_sounds_are_the_same_every_time() -> None:
    first, again = (held_out_sounds("scenes", count=2, samples=1600) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, held_out_sounds("tracks", count=2, samples=1600))


def test_the_distance_of_a_sound_to_itself_is_nothing() -> None:
    sound = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    assert float(spectral_distance(sound, sound)) == 0
    assert float(spectral_distance(0.5 * sound, sound)) == pytest.approx(0.5 + 0.693, abs=0.01)


def test_griffin_lim_gives_sound_with_nearly_the_mels_it_was_given() -> None:
    times = torch.arange(8000) / 16_000
    mels = log_mel(0.3 * torch.sin(2 * torch.pi * 440 * times)[None])
    made = griffin_lim(mels)
    assert made.shape == (1, 8000)
    # Mels are wider than a tone: a tenth of a unit is 2.3 dB.
    assert float((log_mel(made) - mels)[mels > 0].abs().mean()) < 0.4


def test_the_autoencoder_learns(autoencoder_recipe: SoundAutoencoderRecipe) -> None:
    values = losses(autoencoder_recipe, 8, learning_rate=4e-3)
    assert values[-1] < 0.9 * values[0]


def test_the_vocoder_learns(vocoder_recipe: VocoderRecipe) -> None:
    values = losses(vocoder_recipe, 8, learning_rate=4e-3)
    assert values[-1] < 0.95 * values[0]


@torch.no_grad()
def test_the_published_autoencoder_has_normalised_latents(
    autoencoder_recipe: SoundAutoencoderRecipe, tmp_path: Path
) -> None:
    autoencoder_recipe.publish(tmp_path, facts=autoencoder_recipe.measure())
    facts = json.loads((tmp_path / "training.json").read_text())
    assert set(facts) == {f"mel_error_db_{kind}" for kind in SOUND_KINDS}
    mels: Tensor = autoencoder_recipe._held_out["scenes"]
    latents = load_published(SoundAutoencoder, tmp_path).eval().encode(mels)
    # Weights and statistics are rounded to bf16.
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 0.1
    assert (latents.std(dim=(0, 2, 3)) - 1).abs().max() < 0.1


@torch.no_grad()
def test_the_vocoder_is_measured_beside_griffin_lim(vocoder_recipe: VocoderRecipe, tmp_path: Path) -> None:
    measures = vocoder_recipe.measure()
    assert set(measures) == {f"{name}_{kind}" for name in ("distance", "griffin_lim") for kind in SOUND_KINDS}
    assert all(0 < value < 20 for value in measures.values())
    vocoder_recipe.publish(tmp_path, facts=measures)
    assert load_published(Vocoder, tmp_path).config["width"] == 32


@torch.no_grad()
def test_sheets_show_truth_over_what_is_made_of_it(
    autoencoder_recipe: SoundAutoencoderRecipe, vocoder_recipe: VocoderRecipe, tmp_path: Path
) -> None:
    for name, recipe, count in (("a", autoencoder_recipe, 4), ("v", vocoder_recipe, 2)):
        recipe.draw_sheet(tmp_path / f"{name}.png")
        assert Image.open(tmp_path / f"{name}.png").size == (200 * count, 128)


def test_batches_of_the_autoencoder_are_mels(autoencoder_recipe: SoundAutoencoderRecipe) -> None:
    for mels in islice(autoencoder_recipe.batches(start_step=3), 2):
        assert mels.shape == (2, 200, 64)
