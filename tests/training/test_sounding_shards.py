"""Sound shards: their rows are those of the latents, and their features those of the same pixels."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.media.motion import motion_features
from backend.models.kinora.mel import log_mel
from backend.training import scenes
from backend.training.scenes import attributes_of, mirrored, save_shard, shard_scenes
from backend.training.sounding import fill, load_heard, load_sounding, mels_of
from backend.training.world.cameras import orbit_features
from backend.training.world.dubbing import heard_of

SEED, FRAMES, COUNT = 1234, 9, 3
NAME = f"{SEED:06d}.npz"


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (COUNT, 3, FRAMES, 32, 32), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with scenes and latents of three small clips."""
    monkeypatch.setattr(scenes, "SCENES_PER_SHARD", COUNT)
    rows = list(shard_scenes("clip", seed=SEED, num_frames=FRAMES))
    words = [attributes_of(scene) for scene in rows]
    for name in ("scenes", "latents"):
        (tmp_path / name).mkdir()
    cameras = np.stack([orbit_features(scene.camera) for scene in rows])
    save_shard(tmp_path / "scenes" / NAME, pixels=pixels, cameras=cameras)
    save_shard(
        tmp_path / "latents" / NAME,
        appearance=np.zeros((2 * COUNT, 16, 3, 4, 4), np.float16),
        attributes=np.array(json.dumps([asdict(row) for row in (*words, *map(mirrored, words))])),
    )
    return tmp_path


def test_rows_are_scenes_and_then_mirror_images(cache: Path, pixels: np.ndarray) -> None:
    fill(cache / "scenes", cache / "sounds")
    clips = load_sounding(cache / "latents", cache / "sounds")
    rows = list(shard_scenes("clip", seed=SEED, num_frames=FRAMES))
    assert len(clips) == 2 * COUNT
    assert clips.mels.shape == clips.dubbed_mels.shape == (2 * COUNT, 60, 64)
    assert clips.heard == [heard_of(scene) for scene in (*rows, *rows)]
    for row, clip in ((1, pixels[1]), (COUNT + 1, pixels[1][..., ::-1])):
        expected = motion_features(np.ascontiguousarray(clip.transpose(1, 2, 3, 0)), frame_rate=16)
        # Half precision keeps three digits.
        assert clips.motion[row].float().numpy() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_shards_that_are_there_are_left_as_they_are(cache: Path) -> None:
    fill(cache / "scenes", cache / "sounds", part=1, num_parts=2)
    assert not list((cache / "sounds").iterdir())
    fill(cache / "scenes", cache / "sounds")
    written = (cache / "sounds" / NAME).stat().st_mtime_ns
    fill(cache / "scenes", cache / "sounds")
    assert [path.name for path in (cache / "sounds").iterdir()] == [NAME]
    assert (cache / "sounds" / NAME).stat().st_mtime_ns == written
    assert len(load_heard(cache / "sounds").heard) == 4 * COUNT


def test_scenes_of_another_world_are_refused(cache: Path, pixels: np.ndarray) -> None:
    save_shard(cache / "scenes" / NAME, pixels=pixels, cameras=np.ones((COUNT, FRAMES, 6)))
    with pytest.raises(ValueError, match="another version"):
        fill(cache / "scenes", cache / "sounds")


def test_clips_without_sound_are_refused(cache: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No sound"):
        load_sounding(cache / "latents", cache / "sounds")


def test_mels_cover_the_sound_in_whole_steps() -> None:
    sound = np.random.default_rng(0).standard_normal(33_000).astype(np.float32) * 0.1
    mels = mels_of(sound)
    assert mels.shape == (208, 64)
    whole = log_mel(torch.from_numpy(sound)[None])[0]
    assert torch.allclose(mels[:200], whole[:200], atol=1e-5)
