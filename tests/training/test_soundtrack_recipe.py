"""The soundtrack's recipe on small random clips: what is hidden and said, how it cuts, that it learns."""

import json
import random
from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.soundtrack import SoundtrackTransformer
from backend.models.kinora.text_encoder import TextEncoder
from backend.training import soundtrack
from backend.training.naming import names_of
from backend.training.optimizers import build_optimizers
from backend.training.publish import load_published
from backend.training.sounding import SoundingClips
from backend.training.soundtrack import (
    Cut,
    SoundDrops,
    SoundtrackRecipe,
    silenced,
)
from backend.training.world.captions import CaptionAttributes
from backend.training.world.dubbing import Heard
from backend.training.world.scene import ObjectWords

COUNT, HELD_OUT = 12, 4
TRUE, DUBBED = Heard("sea", ("impact",), (0.5,)), Heard("night", ("knock",), (0.5,))
ALL_SHOWN = SoundDrops(0, 0, 0, 0)
BALL = CaptionAttributes((ObjectWords("ball", "red", "plain", "bounces", "medium"),), None, "sea", "static")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("family")
    TextEncoder(width=16, num_heads=2, num_layers=1, num_buckets=64).save_pretrained(folder / "text_encoder")
    SoundAutoencoder(widths=(8, 8, 16), norm_num_groups=4).save_pretrained(folder / "sound_vae")
    return folder


@pytest.fixture
def recipe(family: Path, monkeypatch: pytest.MonkeyPatch) -> SoundtrackRecipe:
    monkeypatch.setattr(soundtrack, "_HELD_OUT", HELD_OUT)
    monkeypatch.setattr(soundtrack, "_SAMPLED", 2)
    monkeypatch.setattr(soundtrack, "_NAMED_AT_ONCE", 12)
    torch.manual_seed(0)
    clips = SoundingClips(
        video=normal(COUNT, 16, 9, 8, 8).half(),
        motion=normal(COUNT, 33, 48).half(),
        mels=normal(COUNT, 1, 64).expand(-1, 208, -1).half(),
        dubbed_mels=normal(COUNT, 1, 64, seed=1).expand(-1, 208, -1).half(),
        heard=[TRUE] * COUNT,
        dubbed_heard=[DUBBED] * COUNT,
        attributes=[BALL] * COUNT,
    )
    small = SoundtrackTransformer(
        motion_features=48,
        width=32,
        num_layers=1,
        num_heads=2,
        mlp_width=48,
        text_width=16,
        condition_width=16,
    )
    return SoundtrackRecipe(
        clips,
        family=family,
        device=torch.device("cpu"),
        batch_size=4,
        model=small,
        compile_network=False,
    )


def test_a_cut_after_a_second_has_the_frames_and_steps_of_that_time() -> None:
    assert (Cut(0, 9).frames, Cut(0, 9).steps) == (slice(0, 33), slice(0, 52))
    assert (Cut(0, 5).frames, Cut(0, 5).steps) == (slice(0, 17), slice(0, 27))
    assert (Cut(4, 9).frames, Cut(4, 9).steps) == (slice(16, 33), slice(25, 52))


def test_batches_depend_on_the_step_and_have_cuts(recipe: SoundtrackRecipe) -> None:
    first, again, other = (next(recipe.batches(start_step=step)) for step in (1, 1, 2))
    assert torch.equal(first.noise, again.noise) and first.captions == again.captions
    assert not torch.equal(first.noise[:, :, :25], other.noise[:, :, :25])
    batches = recipe.batches(start_step=0)
    drawn = [next(batches) for _ in range(40)]
    shapes = {(each.video.shape[2], each.motion.shape[1], each.sound.shape[2]) for each in drawn}
    assert shapes == {(9, 33, 52), (5, 17, 27)}


def test_held_out_clips_are_never_trained_on(recipe: SoundtrackRecipe) -> None:
    held_out = recipe._clips.video[:HELD_OUT].float()
    batches = recipe.batches(start_step=0)
    for _ in range(10):
        for clip in next(batches).video:
            assert not any(torch.equal(clip[:, 0], other[:, at]) for other in held_out for at in (0, 4))


def test_only_what_is_said_is_dubbed(recipe: SoundtrackRecipe) -> None:
    """A dubbed clip names all that is heard; a clip without words sounds as it looks."""
    dubbed, true = recipe._dubbed[5].float(), recipe._true[5].float()
    for seed in range(12):
        drops = SoundDrops(0.5, 0, 0, 1)
        generator = torch.Generator().manual_seed(seed)
        batch = recipe._batch([5], Cut(0, 9), drops, generator, random.Random(seed))
        assert torch.equal(batch.sound[0], dubbed if batch.captions[0] else true)


@pytest.mark.parametrize(
    ("drops", "has_text", "is_seen"),
    [(SoundDrops(1, 0, 0, 0), 0, 1), (SoundDrops(0, 1, 0, 0), 1, 0), (SoundDrops(0, 0, 1, 1), 0, 0)],
)
def test_what_is_hidden_is_hidden(
    recipe: SoundtrackRecipe, drops: SoundDrops, has_text: int, is_seen: int
) -> None:
    batch = recipe._held_out(drops)
    assert all(bool(text) == bool(has_text) for text in batch.captions)
    assert batch.is_seen.tolist() == [bool(is_seen)] * HELD_OUT


def test_clips_that_strike_are_drawn_more_often(
    recipe: SoundtrackRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundtrack, "_BLOW_WEIGHT", 1e6)
    monkeypatch.setattr(soundtrack, "disturbed", lambda clips, _: clips)
    recipe._clips.heard[:] = [Heard("sea", (), ())] * (COUNT - 4) + [TRUE] * 4
    batch = next(recipe.batches(start_step=0))
    assert {tuple(v[0, 0, 0, :3].tolist()) for v in batch.video} <= {
        tuple(v[0, at, 0, :3].float().tolist()) for v in recipe._clips.video[-4:] for at in (0, 4)
    }


def test_the_reader_learns_to_name_what_is_heard(recipe: SoundtrackRecipe) -> None:
    """Half of the clips move and roll; held-out clips of either kind are named after a few steps."""
    moving = torch.arange(COUNT) % 2 == 0
    recipe._clips.motion[:] = moving[:, None, None] * 2.0
    recipe._clips.heard[:] = [Heard("sea", ("roll",) if each else ("slide",), ()) for each in moving]
    recipe._names = names_of(recipe._clips.heard, recipe._clips.attributes)
    optimizers, batches = build_optimizers(recipe.model, learning_rate=1e-2), recipe.batches(start_step=0)
    for _ in range(60):
        recipe._naming(next(batches).named).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        assert recipe._named_right()["voice_named"] == 1


def test_what_is_silenced_is_what_has_nothing_in_its_place() -> None:
    fall = Heard("sea", ("glide_down", "impact"), (0.5,))
    assert silenced(fall, Heard("sea", ("knock",), (0.5,))) == ["glide_down"]
    assert silenced(fall, Heard("sea", ("hum",), ())) == ["impact"]
    assert silenced(fall, Heard("sea", (), ())) == ["glide_down", "impact"]
    assert silenced(fall, Heard("sea", ("hum", "knock"), (0.5,))) == []


def test_the_loss_of_one_batch_falls(recipe: SoundtrackRecipe) -> None:
    optimizers = build_optimizers(recipe.model, learning_rate=4e-3)
    batch, values = next(recipe.batches(start_step=0)), []
    for _ in range(30):
        loss, figures = recipe.loss(batch)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        values.append(loss.item())
    assert figures["samples"] == 4
    assert values[-1] < 0.9 * values[0]


def test_measures_sheet_and_published_weights(recipe: SoundtrackRecipe, family: Path, tmp_path: Path) -> None:
    with torch.no_grad():
        measures = recipe.measure()
        recipe.draw_sheet(tmp_path / "sheet.png")
    assert set(measures) == {
        *(f"held_out{name}" for name in ("", "_clip_alone", "_text_alone", "_nothing", "_other_clip")),
        "onset_f1",
        "onset_f1_of_truth",
        "place_named",
        "voice_named",
        "held_out_naming",
    }
    recipe.publish(family, facts={"steps": 3, **measures})
    again = load_published(SoundtrackTransformer, family / "soundtrack")
    assert json.loads((family / "soundtrack" / "training.json").read_text())["steps"] == 3
    for name, tensor in recipe.model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.bfloat16().float())
