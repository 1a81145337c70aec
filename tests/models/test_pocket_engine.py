"""Pocket's engine on small random networks, and on its real weights where they are present."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.errors import CanceledError, WeightsError
from backend.models import registry
from backend.models.engine import Conditioning, Engine, Given, Pass
from backend.pipelines.clip import ClipHooks, Pictures, make_clip
from backend.pipelines.sampling import initial_noise
from backend.requests import ClipRequest

WEIGHTS_DIR = Path(__file__).parents[2] / "assets" / "weights"
BATCH_TOLERANCE = 0.05  # as in the engine contract
PLACES = ("a green meadow", "sand dunes")


def request(**changes: Any) -> ClipRequest:
    fields = {"prompt": "a red ball rolls left", "duration_seconds": 0.5, "num_inference_steps": 3, "seed": 7}
    return ClipRequest.model_validate(fields | changes)


def test_the_same_seed_gives_the_same_frames(pocket_engine: Engine) -> None:
    first, second = (make_clip(pocket_engine, request()).frames for _ in range(2))
    assert np.array_equal(first, second)


def test_another_seed_gives_other_frames(pocket_engine: Engine) -> None:
    first, second = (make_clip(pocket_engine, request(seed=seed)).frames for seed in (7, 8))
    assert not np.array_equal(first, second)


def test_the_prompt_reaches_the_network(pocket_engine: Engine) -> None:
    texts = ("a red ball rolls left", "a blue cube spins")
    first, second = (make_clip(pocket_engine, request(prompt=text)).frames for text in texts)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("aspect_ratio", ["1:1", "4:3", "3:4", "16:9", "9:16"])
def test_every_aspect_ratio_has_its_size(pocket_engine: Engine, aspect_ratio: str) -> None:
    frames = make_clip(pocket_engine, request(aspect_ratio=aspect_ratio, num_inference_steps=1)).frames
    width, height = pocket_engine.spec.sizes[aspect_ratio]
    assert frames.shape == (9, height, width, 3)


def test_a_pass_without_motion_channels_does_not_see_them(pocket_engine: Engine) -> None:
    latents = initial_noise(pocket_engine.latent_shape(num_frames=9, height=64, width=64), seed=1)
    still = latents.clone()
    still[:, 16:] = 0
    conditioning = Conditioning(pocket_engine.encode_prompt("a ball"), pocket_engine.encode_prompt(""))
    blind = [Pass(motion_channels=False)]
    (of_latents,) = pocket_engine.velocities(latents, 0.5, conditioning, blind)
    (of_still,) = pocket_engine.velocities(still, 0.5, conditioning, [Pass()])
    assert torch.equal(of_latents, of_still)


def test_motion_channels_matter_where_they_are_shown(pocket_engine: Engine) -> None:
    latents = initial_noise(pocket_engine.latent_shape(num_frames=9, height=64, width=64), seed=1)
    conditioning = Conditioning(pocket_engine.encode_prompt("a ball"), pocket_engine.encode_prompt(""))
    passes = [Pass(), Pass(motion_channels=False)]
    seeing, blind = pocket_engine.velocities(latents, 0.5, conditioning, passes)
    assert not torch.equal(seeing, blind)


def test_given_frames_are_seen_clean_by_passes_with_image_alone(pocket_engine: Engine) -> None:
    latents = initial_noise(pocket_engine.latent_shape(num_frames=9, height=64, width=64), seed=1)
    given = Given((0,), initial_noise((16, 1, 8, 8), seed=2))
    text = pocket_engine.encode_prompt("a ball"), pocket_engine.encode_prompt("")
    passes = [Pass(), Pass(image=False)]
    shown, hidden = pocket_engine.velocities(latents, 0.5, Conditioning(*text, given), passes)
    (plain,) = pocket_engine.velocities(latents, 0.5, Conditioning(*text), [Pass()])
    assert torch.allclose(hidden, plain, atol=BATCH_TOLERANCE)
    assert not torch.allclose(shown[:, :, 1:], plain[:, :, 1:], atol=BATCH_TOLERANCE)


def test_given_pictures_come_back_as_the_autoencoder_has_them(pocket_engine: Engine) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    pictures = Pictures(first=picture)
    clip = make_clip(pocket_engine, request(image="0" * 64), pictures=pictures)
    expected = pocket_engine.decode(pocket_engine.encode(picture[None]))[0]
    # The first frame depends on the first latent alone; bfloat16 sums differ by a level or two.
    assert np.abs(clip.frames[0].astype(int) - expected).max() <= 4


@pytest.mark.parametrize("score", [0.0, 8.0])
def test_a_motion_score_reaches_the_network(pocket_engine: Engine, score: float) -> None:
    plain, asked = (make_clip(pocket_engine, request(motion_score=each)).frames for each in (None, score))
    assert not np.array_equal(plain, asked)


def test_the_motion_layer_is_the_other_half_of_the_latents(pocket_engine: Engine) -> None:
    latents = initial_noise(pocket_engine.latent_shape(num_frames=9, height=64, width=64), seed=1)
    changed = latents.clone()
    changed[:, 16:] = 0
    layers = [pocket_engine.decode(each, layer="motion") for each in (latents, changed)]
    pictures = [pocket_engine.decode(each) for each in (latents, changed)]
    assert np.array_equal(*pictures) and not np.array_equal(*layers)


def test_a_repeated_prompt_is_embedded_once(pocket_engine: Engine) -> None:
    assert pocket_engine.encode_prompt("a green egg") is pocket_engine.encode_prompt("a green egg")


def test_a_damaged_file_is_named_instead_of_loaded(small_weights_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(small_weights_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "kinora-pocket/vae/config.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"kinora-pocket/vae/config\.json is damaged.*git checkout"):
        registry.load_engine("kinora-pocket", weights_dir=tmp_path, device="cpu")


@pytest.fixture(scope="module")
def trained_engine() -> Engine:
    if not (WEIGHTS_DIR / "kinora-pocket" / "checksums.json").exists():
        pytest.skip("assets/weights/kinora-pocket/checksums.json is missing")
    return registry.load_engine("kinora-pocket", weights_dir=WEIGHTS_DIR, device="cpu")


@pytest.mark.weights
def test_trained_pocket_gives_the_same_moving_clip_twice(trained_engine: Engine) -> None:
    first, second = (make_clip(trained_engine, request(num_inference_steps=8)).frames for _ in range(2))
    assert np.array_equal(first, second)
    assert np.abs(first[0].astype(int) - first[-1]).mean() > 1


def trained_clip(engine: Engine, prompt: str) -> np.ndarray:
    return make_clip(engine, request(prompt=prompt, num_inference_steps=12)).frames.astype(int)


@pytest.mark.weights
def test_trained_pocket_goes_to_the_place_of_the_prompt(trained_engine: Engine) -> None:
    meadow, desert = (trained_clip(trained_engine, f"a red ball on {place}") for place in PLACES)
    lower = slice(meadow.shape[1] * 3 // 4, None)
    greenness = [(frames[:, lower, :, 1] - frames[:, lower, :, 0]).mean() for frames in (meadow, desert)]
    assert greenness[0] > 10 > -10 > greenness[1]


@pytest.mark.weights
def test_trained_pocket_puts_the_colour_of_the_prompt_on_the_screen(trained_engine: Engine) -> None:
    red, blue = (trained_clip(trained_engine, f"a {colour} ball in a studio") for colour in ("red", "blue"))
    assert (red[..., 0] - red[..., 2]).mean() > (blue[..., 0] - blue[..., 2]).mean()


@pytest.mark.weights
def test_trained_pocket_stops_when_canceled(trained_engine: Engine) -> None:
    steps: list[int] = []
    hooks = ClipHooks(on_step=lambda report: steps.append(report.step), is_canceled=lambda: bool(steps))
    with pytest.raises(CanceledError):
        make_clip(trained_engine, request(num_inference_steps=8), hooks=hooks)
    assert steps == [1]
