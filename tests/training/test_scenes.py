"""Scene shards: what is written is what the world shows, and the measures that go with it."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.media.motion import motion_score
from backend.training.flow_colours import SIGMA, rgb_to_flow
from backend.training.scenes import (
    SCENES_PER_SHARD,
    SceneShard,
    attributes_from,
    attributes_of,
    fill,
    load_shard,
    mirrored,
)
from backend.training.world import words
from backend.training.world.captions import CaptionAttributes
from backend.training.world.render import Rendering, render
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import ObjectWords, Scene

SEED, SIDE, FRAMES = 1000, 16, 2
BALL = ObjectWords("ball", "red", "plain", "still", "medium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes")
    fill(path, first=SEED, count=1, size=(SIDE, SIDE), num_frames=FRAMES)
    return path


@pytest.fixture(scope="module")
def shard(folder: Path) -> SceneShard:
    return load_shard(folder / f"{SEED:06d}.npz")


def first_scene() -> tuple[Scene, Rendering]:
    scene = sample_scene(np.random.default_rng(SEED), num_frames=FRAMES)
    return scene, render(scene, height=SIDE, width=SIDE)


def test_shard_holds_the_scenes_of_its_seed(shard: SceneShard) -> None:
    scene, rendering = first_scene()
    assert shard.pixels.shape == shard.flow_pictures.shape == (SCENES_PER_SHARD, 3, FRAMES, SIDE, SIDE)
    assert torch.equal(shard.pixels[0], rendering.pixels.transpose(0, 1))
    assert shard.attributes[0] == attributes_of(scene)
    assert len(shard.attributes) == len(shard.motion_scores) == SCENES_PER_SHARD


def test_shard_keeps_flow_and_its_score(shard: SceneShard) -> None:
    _, rendering = first_scene()
    flow = rgb_to_flow(shard.flow_pictures[0].transpose(0, 1).float() / 127.5 - 1)[:-1]
    fastest = SIGMA * 2**0.5 * SIDE
    is_slow = rendering.flow.norm(dim=1, keepdim=True).expand_as(flow) < fastest
    assert (flow - rendering.flow).abs()[is_slow].max() < 0.02 * fastest
    assert shard.motion_scores[0] == pytest.approx(motion_score(rendering.flow.numpy(), frame_rate=16))


def test_shard_that_is_there_is_not_made_again(folder: Path) -> None:
    path = folder / f"{SEED:06d}.npz"
    before = path.stat().st_mtime_ns
    fill(folder, first=SEED, count=1, size=(SIDE, SIDE), num_frames=FRAMES)
    assert path.stat().st_mtime_ns == before
    assert [child.name for child in folder.iterdir()] == [path.name]


def test_mirror_of_the_mirror_is_the_scene() -> None:
    for motion, camera in zip([*words.MOTIONS], [*words.CAMERAS, *words.CAMERAS], strict=False):
        attributes = CaptionAttributes((replace(BALL, motion=motion), BALL), "beside", "snow", camera)
        assert mirrored(mirrored(attributes)) == attributes


@pytest.mark.parametrize("camera", words.CAMERAS)
@pytest.mark.parametrize("motion", words.MOTIONS)
def test_mirror_swaps_left_and_right_alone(motion: str, camera: str) -> None:
    seen = mirrored(CaptionAttributes((replace(BALL, motion=motion),), None, "sea", camera))
    swap = {"left": "right", "right": "left"}
    for before, after in ((motion, seen.objects[0].motion), (camera, seen.camera)):
        verb, _, side = before.rpartition("_")
        assert after == (f"{verb}_{swap[side]}" if side in swap else before)


def test_attributes_survive_json() -> None:
    attributes = CaptionAttributes((BALL, replace(BALL, colour="blue")), "behind", "sea", "zoom_in")
    assert attributes_from(asdict(attributes)) == attributes
