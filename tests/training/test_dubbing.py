"""Dubbed scenes and the words for what is heard: other voices at the same moments, all of them said."""

import random
import re

import numpy as np
import pytest

from backend.training.world import words
from backend.training.world.captions import CaptionAttributes, caption, vocabulary
from backend.training.world.dubbing import Heard, dubbed, heard_of, voiced_as
from backend.training.world.places import PLACES
from backend.training.world.scene import ObjectWords
from backend.training.world.sound_captions import full_phrase, true_phrase
from backend.training.world.voices import BLOWS, VOICES
from tests.training.sounding import onsets, scene_of, sound_of

FALL = Heard("sea", ("glide_down", "impact"), (0.5,))


def test_every_voice_and_every_place_can_be_said() -> None:
    assert set(words.VOICE_SOUNDS) == set(VOICES)
    assert set(words.AMBIENCE_SOUNDS) == set(PLACES)
    assert min(map(len, [*words.VOICE_SOUNDS.values(), *words.AMBIENCE_SOUNDS.values()])) >= 4


def test_what_is_heard_are_place_voices_and_blows() -> None:
    heard = heard_of(scene_of("falls", place="sea"))
    assert (heard.place, heard.voices) == ("sea", ("glide_down", "impact"))
    assert len(heard.blows) == 1 and 0 < heard.blows[0] < 2


@pytest.mark.parametrize("motion", ["bounces", "collides"])
def test_dubbed_blows_come_at_the_same_moments(motion: str) -> None:
    scene = scene_of(motion)
    before = heard_of(scene).blows
    for blow in ("impact", "knock"):
        made = voiced_as(scene, place="studio", blow=blow, lasting=None)
        assert heard_of(made) == Heard("studio", (blow,), before)
        assert onsets(sound_of(made)) == pytest.approx(before, abs=0.02)


def test_a_knock_is_brighter_than_a_thud() -> None:
    scene = scene_of("bounces")
    centres = {}
    for blow in ("impact", "knock"):
        power = np.abs(np.fft.rfft(sound_of(voiced_as(scene, place="studio", blow=blow, lasting=None)))) ** 2
        centres[blow] = (power * np.arange(len(power))).sum() / power.sum()
    assert centres["knock"] > 1.5 * centres["impact"]


@pytest.mark.parametrize("voice", sorted({*VOICES} - BLOWS))
def test_what_lasts_can_have_any_other_voice(voice: str) -> None:
    scene = scene_of("rolls_left")
    made = voiced_as(scene, place="studio", blow=None, lasting=voice)
    assert heard_of(made).voices == (voice,)
    silent = voiced_as(scene, place="studio", blow=None, lasting=None)
    assert np.std(sound_of(made)) > 2 * np.std(sound_of(silent))


def test_random_dubs_keep_bodies_and_moments_and_silence_some() -> None:
    scene, rng = scene_of("falls"), np.random.default_rng(0)
    made = [dubbed(scene, rng=rng) for _ in range(60)]
    assert all(each.bodies is scene.bodies and each.camera is scene.camera for each in made)
    times = {event.time_seconds for event in scene.events}
    assert all({event.time_seconds for event in each.events} <= times for each in made)
    counts = [len(each.events) for each in made]
    assert {0, 1, 2} == set(counts) and counts.count(2) > 20


def test_the_full_phrase_says_all_that_is_heard() -> None:
    for seed in range(40):
        phrase = full_phrase(FALL, rng=random.Random(seed), absent=("roll",))
        for said in (
            words.AMBIENCE_SOUNDS["sea"],
            words.VOICE_SOUNDS["glide_down"],
            words.VOICE_SOUNDS["impact"],
        ):
            assert any(sound in phrase for sound in said)
        assert re.search(
            r"(no|without) (" + "|".join(words.VOICE_SOUNDS["roll"]).replace("a ", "") + ")", phrase
        )


def test_the_true_phrase_denies_only_what_is_not_heard() -> None:
    denied = [
        found[1] for seed in range(200)
        if (found := re.search(r"(?:no|without) (.+)$", true_phrase(FALL, rng=random.Random(seed))))
    ]  # fmt: skip
    heard = {sound.removeprefix("a ") for voice in FALL.voices for sound in words.VOICE_SOUNDS[voice]}
    assert 20 < len(denied) < 60 and not heard & set(denied)


def test_phrases_are_made_of_known_words() -> None:
    known, rng = set(vocabulary()["words"]), random.Random(0)
    for voice in VOICES:
        for place in PLACES:
            phrase = full_phrase(Heard(place, (voice,), ()), rng=rng, absent=("roll",))
            assert set(re.findall(r"[a-z]+", phrase)) <= known


def test_a_caption_ends_with_the_sound_it_is_given() -> None:
    ball = CaptionAttributes((ObjectWords("ball", "red", "plain", "still", "medium"),), None, "sea", "static")
    sounds = {
        sound for phrases in (words.MOTION_SOUNDS["still"], words.PLACE_SOUNDS["sea"]) for sound in phrases
    }
    for seed in range(60):
        said = caption(ball, rng=random.Random(seed), typo_rate=0, sound="soft knocks").lower()
        assert said.rstrip(".!").endswith("soft knocks")
        silent = caption(ball, rng=random.Random(seed), typo_rate=0, sound="").lower()
        assert not any(silent.rstrip(".!").endswith(sound) for sound in sounds if sound != "the sea")
