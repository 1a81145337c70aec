"""Clips to be named: what their names are, and what a disturbance leaves of them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.training import naming
from backend.training.naming import Named, disturbed, names_of
from backend.training.world.cameras import MOVES
from backend.training.world.captions import CaptionAttributes
from backend.training.world.dubbing import Heard
from backend.training.world.motions import MOTIONS
from backend.training.world.places import PLACES
from backend.training.world.scene import ObjectWords
from backend.training.world.voices import VOICES

TRUE = Heard("sea", ("impact",), (0.5,))
BALL = CaptionAttributes((ObjectWords("ball", "red", "plain", "bounces", "medium"),), None, "sea", "static")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_names_are_places_voices_and_what_moves_how() -> None:
    heard = [TRUE, Heard("night", ("roll", "impact"), (0.5,)), Heard("snow", (), ())]
    names = names_of(heard, [BALL, BALL, replace(BALL, camera="pan_left")])
    everything = [*PLACES, *VOICES, *MOTIONS, *MOVES]
    told = [{everything[at] for at in row.nonzero().flatten().tolist()} for row in names]
    assert told == [
        {"sea", "impact", "bounces", "static"},
        {"night", "roll", "impact", "bounces", "static"},
        {"snow", "bounces", "pan_left"},
    ]


def test_disturbed_clips_keep_their_names_and_hide_whole_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_MOST_SHIFT", 0)
    clips = Named(normal(40, 16, 9, 8, 8), normal(40, 33, 48), names_of([TRUE] * 40, [BALL] * 40))
    generator = torch.Generator().manual_seed(0)
    made = disturbed(clips, generator)
    assert torch.equal(made.names, clips.names)
    hidden = (made.video == 0).all(4).all(3).all(1)
    shares = hidden.float().mean(1)
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.1)
    assert float(shares.min()) < 0.2 and float(shares.max()) > 0.8
    noise = (made.video - clips.video).std((1, 3, 4))[~hidden]
    assert float(noise.max()) < 1.2 and float(noise.mean()) == pytest.approx(0.5, abs=0.1)
    paces = (made.motion * clips.motion).sum((1, 2)) / clips.motion.square().sum((1, 2))
    assert float(paces.min()) >= 0.79 and float(paces.max()) <= 1.26
    assert float((made.motion - paces[:, None, None] * clips.motion).std((1, 2)).max()) < 0.14


def test_pictures_and_motion_of_a_disturbed_clip_move_aside_together() -> None:
    """Latents of two by two cells tell their place; so do the cells, before and after."""
    places = torch.arange(64.0).view(1, 1, 1, 8, 8)
    cells = torch.nn.functional.interpolate(places[0], scale_factor=2)[0, 0]
    motion = cells[None, None, :, :, None].expand(30, 1, -1, -1, 3).flatten(2)
    clips = Named(places.expand(30, 1, 1, -1, -1), motion, torch.zeros(30, 1))
    moved = naming._moved_aside(clips, torch.Generator().manual_seed(0))
    seen = moved.motion.view(30, 16, 16, 3)[..., 0]
    assert torch.equal(seen[:, 1::2, 1::2], moved.video[:, 0, 0])
    steps = {(int(v[4, 4]) // 8 - 4, int(v[4, 4]) % 8 - 4) for v in moved.video[:, 0, 0]}
    assert len(steps) > 10 and all(max(map(abs, step)) <= 2 for step in steps)
