"""The sound verifier and its recipe on small random sounds: shapes, targets, that it learns, its size."""

from pathlib import Path

import pytest
import torch

from backend.evaluation.sound_verifier import SoundVerifier, blow_targets, read_sounds
from backend.training import sound_verifier
from backend.training.optimizers import build_optimizers
from backend.training.publish import load_published
from backend.training.sound_verifier import SoundVerifierRecipe, disturbed
from backend.training.sounding import HeardSounds
from backend.training.world.dubbing import Heard
from backend.training.world.places import PLACES
from backend.training.world.voices import VOICES

COUNT, FRAMES = 8, 60
SEA, NIGHT = Heard("sea", ("impact", "roll"), (0.3,)), Heard("night", ("hum",), ())


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> SoundVerifierRecipe:
    """Return a recipe on sounds at sea, bright and with a blow, and at night, dark and without."""
    monkeypatch.setattr(sound_verifier, "_HELD_OUT", 4)
    torch.manual_seed(0)
    mels = torch.zeros(COUNT, FRAMES, 64)
    mels[::2, :, 40:] = 2
    mels[::2, 30:36] = 3
    sounds = HeardSounds(mels.half(), [SEA, NIGHT] * (COUNT // 2))
    small = SoundVerifier(list(PLACES), list(VOICES), width=8, hidden=16)
    return SoundVerifierRecipe(sounds, device=torch.device("cpu"), batch_size=4, model=small)


def test_logits_have_a_row_a_sound_and_a_blow_a_frame() -> None:
    places, voices, blows = SoundVerifier(list(PLACES), list(VOICES))(torch.randn(2, 52, 64))
    assert (places.shape, voices.shape, blows.shape) == ((2, 8), (2, 10), (2, 52))


def test_a_verifier_of_full_size_is_below_a_megabyte() -> None:
    made = SoundVerifier(list(PLACES), list(VOICES))
    assert 2 * sum(p.numel() for p in made.parameters()) < 1e6


def test_targets_are_the_frames_around_a_blow() -> None:
    targets = blow_targets([SEA, NIGHT], FRAMES)
    assert targets[0].nonzero().flatten().tolist() == [29, 30, 31]
    assert not targets[1].any()


def test_disturbed_mels_are_quieter_but_alike() -> None:
    mels = torch.zeros(200, FRAMES, 64)
    means = disturbed(mels, torch.Generator().manual_seed(0)).mean(dim=(1, 2))
    assert -0.55 < float(means.min()) < float(means.max()) < 0.05
    assert float(means.std()) > 0.1


def test_it_learns_to_name_what_is_heard(recipe: SoundVerifierRecipe, tmp_path: Path) -> None:
    optimizers, batches = build_optimizers(recipe.model, learning_rate=1e-2), recipe.batches(start_step=0)
    for _ in range(60):
        loss, figures = recipe.loss(next(batches))
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    assert set(figures) == {"place", "voices", "blows", "samples"}
    assert recipe.measure() == {"right_place": 1.0, "right_voices": 1.0, "blow_f1": 1.0}
    recipe.draw_sheet(tmp_path / "sheet.png")
    recipe.publish(tmp_path, facts={"steps": 60})
    again = load_published(SoundVerifier, tmp_path).eval()
    (read,) = read_sounds(again, recipe._sounds.mels[:1].float())
    assert read.place == "sea" and set(read.voices) == {"impact", "roll"}
    assert read.blows == pytest.approx((0.3,), abs=0.03)
