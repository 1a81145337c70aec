"""What the finisher learns from: true cut-outs beside what the published members make of their drafts."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.engine import Engine
from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.pipelines.clip import Clip, make_clip
from backend.requests import ClipRequest
from backend.training import finishing
from backend.training.finishing import (
    FIRST_SEED,
    MADE,
    SCALED,
    Maker,
    Triples,
    joined,
    load_triples,
    triple,
)
from backend.training.latents import forget_others
from backend.training.scenes import FIRST_TRAINING_SEED, save_shard, shard_scenes
from backend.training.world.render import render
from tests.tiny_engine import make

CUT = 64


@pytest.fixture(scope="module")
def maker() -> Maker:
    torch.manual_seed(0)
    small = VideoAutoencoder(
        quarter_width=8, eighth_width=8, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=4
    )
    engine = make(Path("no weights"), "cpu")
    assert engine.spec.detail is not None
    engine.spec = replace(engine.spec, detail=replace(engine.spec.detail, degradation_step=0))
    return Maker(engine, small.eval())


@pytest.fixture(scope="module")
def made(maker: Maker) -> list[Triples]:
    generator = torch.Generator().manual_seed(3)
    scenes = shard_scenes("clip", seed=FIRST_SEED, num_frames=1)
    return [triple(next(scenes), maker, cut_side=CUT, generator=generator) for _ in range(8)]


def test_a_triple_is_of_one_size(made: list[Triples]) -> None:
    for each in made:
        assert each.made.shape == each.low.shape == each.true.shape == (1, 1, CUT, CUT, 3)
        assert each.made.dtype == each.low.dtype == each.true.dtype == np.uint8


def test_the_draft_shows_the_place_of_the_truth(made: list[Triples]) -> None:
    errors = [float(np.abs(each.low.astype(int) - each.true).mean()) for each in made if each.kinds == SCALED]
    others = [float(np.abs(one.low.astype(int) - other.true).mean()) for one, other in pairwise(made)]
    assert errors and max(errors) < min(np.mean(others), 15)


def test_a_made_draft_is_what_the_engine_makes_of_the_words(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(finishing, "_KIND_CHANCES", (0.0, 0.0, 0.0, 1.0))

    def kept(engine: Engine, request: ClipRequest) -> Clip:
        asked.append(make_clip(engine, request))
        return asked[-1]

    monkeypatch.setattr(finishing, "make_clip", kept)
    scene = next(shard_scenes("clip", seed=FIRST_SEED, num_frames=1))
    each = triple(scene, maker, cut_side=CUT, generator=torch.Generator().manual_seed(0))
    assert each.kinds == MADE and each.low.shape == each.true.shape == (1, 1, CUT, CUT, 3)
    small = asked[0].frames[0]
    shown = each.low[0, 0].mean((0, 1))
    assert small.min() - 8 <= shown.min() and shown.max() <= small.max() + 8


def test_the_truth_is_a_cut_of_the_large_picture(made: list[Triples]) -> None:
    scene = next(shard_scenes("clip", seed=FIRST_SEED, num_frames=1))
    large = render(scene, height=512, width=512).pixels[0].permute(1, 2, 0).numpy()
    views = np.lib.stride_tricks.sliding_window_view(large, (CUT, CUT, 3))[::16, ::16, 0]
    assert any(np.array_equal(view, made[0].true[0, 0]) for row in views for view in row)


def test_scenes_are_for_training_and_not_those_of_the_refiner() -> None:
    assert FIRST_SEED > FIRST_TRAINING_SEED + 400


def test_shards_are_joined(made: list[Triples], tmp_path: Path) -> None:
    for index, each in enumerate(made[:2]):
        save_shard(tmp_path / f"{index}.npz", made=each.made, low=each.low, true=each.true, kinds=each.kinds)
    loaded = load_triples(tmp_path)
    assert len(loaded) == 2 and np.array_equal(loaded.true, joined(made[:2]).true)


def test_details_of_other_members_are_made_anew(tmp_path: Path) -> None:
    forget_others(tmp_path, "one")
    (tmp_path / "1.npz").touch()
    forget_others(tmp_path, "one")
    assert [*tmp_path.glob("*.npz")]
    forget_others(tmp_path, "another")
    assert not [*tmp_path.glob("*.npz")]


def test_without_details_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="prepare for more minutes"):
        load_triples(tmp_path)
