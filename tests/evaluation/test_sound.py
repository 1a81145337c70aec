"""The measures of sound on makers with a known answer, and all of them on small random networks."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backend.evaluation.onsets import onsets
from backend.evaluation.sound import (
    MakeSounds,
    all_of_sound,
    as_asked,
    in_time,
    lag_frames,
    shifted,
    still_clips,
)
from backend.evaluation.sound_cases import Sounding, overrides, sounding_scenes
from backend.evaluation.sound_sampler import Silent, SoundMembers, make_sounds, sample_sound
from backend.evaluation.sound_verifier import SoundVerifier
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.soundtrack import SoundtrackTransformer
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.vocoder import Vocoder
from backend.training.world.dubbing import Heard, heard_of
from backend.training.world.places import PLACES
from backend.training.world.voices import VOICES
from tests.training.sounding import RATE, scene_of, sound_of

FLASH = 8  # the frame that is unlike those before


class PlainDetector(nn.Module):
    """Stands for a verifier that hears blows with the plain detector, the first place, and no voice."""

    config = {"places": list(PLACES), "voices": list(VOICES)}  # noqa: RUF012

    def forward(self, mels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        blows = torch.full(mels.shape[:2], -9.0)
        for row, each in zip(blows, mels, strict=True):
            row[[round(moment * 100) for moment in onsets(each)]] = 9
        return torch.zeros(len(mels), len(PLACES)), torch.full((len(mels), len(VOICES)), -9.0), blows


def sounding(motion: str, seed: int) -> Sounding:
    """Return a scene whose frames are as bright as it has a number, with a flash near the start."""
    scene = scene_of(motion, seed=seed)
    frames = np.full((33, 32, 32, 3), 20 * seed, np.uint8)
    frames[FLASH:] += 100
    return Sounding(scene, frames, sound_of(scene), heard_of(scene))


def encode(frames: np.ndarray) -> Tensor:
    return torch.full((1, 32, 9, 8, 8), float(frames[0, 0, 0, 0]))


def truth(scenes: Sequence[Sounding]) -> MakeSounds:
    """Return a maker that knows the true sound of each clip, and lets it begin when the flash comes."""
    sounds = {float(each.frames[0, 0, 0, 0]): torch.from_numpy(each.sound) for each in scenes}

    def make(clips: Silent) -> Tensor:
        made = []
        for video, motion in zip(clips.video, clips.motion, strict=True):
            later = int(motion.abs().sum(1).argmax()) - FLASH
            sound = sounds.get(float(video[0, 0, 0, 0]), torch.zeros(33_000))
            made.append(sound.roll(later * RATE // 16))
        return torch.stack(made)

    return make


@pytest.fixture(scope="module")
def striking() -> list[Sounding]:
    return [sounding("bounces", 0), sounding("falls", 1), sounding("bounces", 5)]


def test_the_truth_is_in_time_and_that_of_other_clips_is_not(striking: list[Sounding]) -> None:
    (found,) = in_time(truth(striking), PlainDetector(), striking, encode)
    assert found.measured.startswith("1.00 over 3") and "true sounds 1.00" in found.measured
    assert found.is_met


def test_silence_is_never_in_time(striking: list[Sounding]) -> None:
    (found,) = in_time(lambda clips: torch.zeros(len(clips.video), 33_000), PlainDetector(), striking, encode)
    assert found.measured.startswith("0.00") and not found.is_met


def test_a_maker_that_follows_motion_is_as_late_as_it(striking: list[Sounding]) -> None:
    (found,) = shifted(truth(striking), PlainDetector(), striking, encode)
    assert found.measured == "0.25 s over 3" and found.is_met
    still = torch.from_numpy(np.stack([each.sound for each in striking]))
    (found,) = shifted(lambda _: still, PlainDetector(), striking, encode)
    assert found.measured == "0.00 s over 3" and not found.is_met


@pytest.mark.parametrize("lag", [-7, 0, 25])
def test_the_lag_of_curves_is_found(lag: int) -> None:
    before = torch.zeros(2, 200)
    before[0, [50, 90]] = before[1, 120] = 1
    assert lag_frames(before, before.roll(lag, 1)) == lag


def test_thuds_where_nothing_moves_are_counted(striking: list[Sounding]) -> None:
    quiet = [sounding("still", 2)]
    assert still_clips(truth(quiet), PlainDetector(), quiet, encode)[0].is_met
    thuds = torch.from_numpy(striking[0].sound)[None]
    (found,) = still_clips(lambda _: thuds, PlainDetector(), quiet, encode)
    assert not found.is_met and found.measured == f"{len(striking[0].heard.blows) / 2.0625:.2f} in 2 s"


def test_overrides_are_of_other_places_and_voices(striking: list[Sounding]) -> None:
    for each, scene in zip(overrides(striking), striking, strict=True):
        assert each.heard.place != scene.heard.place
        assert not set(each.heard.voices) & set(scene.heard.voices)
        assert each.heard.blows == scene.heard.blows


def test_words_are_shown_with_the_clip_and_alone(striking: list[Sounding]) -> None:
    seen: list[Silent] = []

    def make(clips: Silent) -> Tensor:
        seen.append(clips)
        return torch.zeros(len(clips.video), 33_000)

    as_asked(make, PlainDetector(), striking, encode)
    assert [clips.is_seen.tolist() for clips in seen] == [[True] * 3, [False] * 3]
    assert all(prompt for clips in seen for prompt in clips.prompts)


def test_held_out_scenes_are_of_the_kind_asked_for() -> None:
    (strikes,), (still,) = (sounding_scenes(kind, 1) for kind in ("striking", "still"))
    assert strikes.heard.blows and strikes.frames.shape == (33, 128, 128, 3)
    assert still.heard == Heard(still.scene.place, (), ()) and len(still.sound) == 33_000


def test_small_networks_are_measured_in_every_way(striking: list[Sounding]) -> None:
    torch.manual_seed(0)
    members = SoundMembers(
        SoundtrackTransformer(
            width=32, num_layers=1, num_heads=2, mlp_width=32, text_width=16, condition_width=16
        ),
        TextEncoder(width=16, num_heads=2, num_layers=1, num_buckets=64),
        SoundAutoencoder(widths=(8, 8, 16), norm_num_groups=4),
        Vocoder(width=16, num_layers=1, hidden_width=16),
    )
    verifier = SoundVerifier(list(PLACES), list(VOICES), width=8, hidden=16)
    scenes = {"striking": striking[:2], "lasting": [sounding("spins", 3)], "still": [sounding("still", 4)]}
    assert len(all_of_sound(members, verifier, scenes, encode)) == 11
    clips = Silent.shown(torch.zeros(1, 16, 9, 8, 8), torch.zeros(1, 33, 3072), ["thuds"])
    first, again, other = (make_sounds(members, clips, seed=seed) for seed in (1, 1, 2))
    assert first.shape == (1, 33_000) and torch.equal(first, again) and not torch.equal(first, other)


def test_a_scale_of_its_own_for_the_clip_is_the_split_form() -> None:
    """At the scale of the prompt it is joint guidance; at 1 the clip alone stands for no guidance."""
    torch.manual_seed(0)
    transformer = SoundtrackTransformer(
        width=32, num_layers=1, num_heads=2, mlp_width=32, text_width=16, condition_width=16
    )
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    words = TextEncoder(width=16, num_heads=2, num_layers=1, num_buckets=64)
    clips = Silent.shown(torch.randn(2, 16, 5, 8, 8), torch.randn(2, 17, 3072), ["thuds", "a hum"])
    noise = torch.randn(2, 8, 27, 16)

    def made(shown: Silent, scale: float, video_scale: float | None) -> torch.Tensor:
        scales = {"guidance_scale": scale, "video_guidance_scale": video_scale}
        return sample_sound(transformer, words, shown, noise=noise, num_inference_steps=2, **scales)

    assert torch.allclose(made(clips, 3.0, 3.0), made(clips, 3.0, None), atol=1e-4)
    assert torch.allclose(made(clips, 1.0, 1.0), made(clips, 1.0, None), atol=1e-4)
    wordless = Silent.shown(clips.video, clips.motion, ["", ""])
    assert torch.allclose(made(wordless, 3.0, 1.0), made(wordless, 1.0, None), atol=1e-4)
    assert not torch.allclose(made(clips, 3.0, 1.0), made(clips, 3.0, None), atol=1e-2)
