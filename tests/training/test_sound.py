"""The world's sound: in time with its frames, as loud as its motions, and each kind of its own."""

from dataclasses import replace

import numpy as np
import pytest

from backend.training.world.ambiences import AMBIENCES
from backend.training.world.motions import MOTIONS
from backend.training.world.places import PLACES
from backend.training.world.sampler import sample_scene
from backend.training.world.scene import Array, Scene
from backend.training.world.signals import Tape, noise, span, tone
from backend.training.world.sound import ambience, num_samples, soundtrack, voices
from backend.training.world.tracks import FAMILIES, draw_track
from backend.training.world.voices import VOICES
from tests.training.sounding import RATE, onsets, scene_of, share_recognised, sound_of


def tape(seed: int = 0, *, seconds: float = 2.0) -> Tape:
    return Tape(RATE, round(seconds * RATE), np.random.default_rng(seed))


def level(sound: Array) -> float:
    return float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))


def pitch(sound: Array) -> float:
    """Return the frequency in Hz at which a sound is strongest."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * RATE / len(sound))


@pytest.mark.parametrize(("num_frames", "rate"), [(1, RATE), (33, RATE), (33, 48_000), (17, 8_000)])
def test_a_clip_and_its_sound_are_equally_long(num_frames: int, rate: int) -> None:
    sound = sound_of(scene_of("bounces", num_frames=num_frames), rate=rate)
    assert sound.shape == (num_frames * rate // 16,)
    assert sound.dtype == np.float32


def test_frames_that_begin_between_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="22050"):
        num_samples(33, 16, rate=22_050)


def test_the_same_seed_sounds_the_same() -> None:
    scene = scene_of("wobbles", place="forest")
    assert np.array_equal(sound_of(scene, seed=3), sound_of(scene, seed=3))
    assert not np.array_equal(sound_of(scene, seed=3), sound_of(scene, seed=4))


def test_nothing_is_clipped() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        sound = soundtrack(sample_scene(rng, num_frames=33), rate=RATE, rng=rng)
        assert np.isfinite(sound).all() and np.abs(sound).max() <= 0.98 + 1e-6


def test_every_place_has_its_ambience_and_every_motion_its_voice() -> None:
    assert {place.ambience for place in PLACES.values()} == set(AMBIENCES)
    heard = {voice for motion in (*MOTIONS, "collides") for voice in voices(scene_of(motion))}
    assert heard == set(VOICES)


def impact_times(scene: Scene) -> list[float]:
    return [event.time_seconds for event in scene.events if event.kind == "impact"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(2))
def test_a_plain_detector_finds_bounces_within_20_ms(place: str, seed: int) -> None:
    scene = scene_of("bounces", place=place, seed=seed)
    found = onsets(sound_of(scene))
    expected = [time for time in impact_times(scene) if time < 2.0]
    assert len(found) == len(expected) >= 2
    assert np.abs(np.array(found) - expected).max() < 0.02


def test_a_blow_is_silent_until_its_exact_time() -> None:
    scene = scene_of("falls")
    (time,) = impact_times(scene)
    blow = replace(scene, events=scene.events[1:])
    quiet, loud = sound_of(replace(scene, events=())), sound_of(blow)
    first = int(np.flatnonzero(loud != quiet)[0])
    assert abs(first / RATE - time) <= 1 / RATE


def test_moving_events_by_frames_moves_sound_by_their_samples() -> None:
    scene = scene_of("still")
    event = scene_of("falls").events[1]
    early, late = (replace(scene, events=(replace(event, time_seconds=t),)) for t in (0.5, 0.5 + 3 / 16))
    ambient = sound_of(scene)
    first, second = ((sound_of(each) - ambient).nonzero()[0][0] for each in (early, late))
    assert second - first == 3 * RATE // 16


@pytest.mark.parametrize("place", PLACES)
def test_what_sits_still_is_heard_through_its_place_alone(place: str) -> None:
    expected = ambience(place, Tape(RATE, 33_000, np.random.default_rng(5)))
    assert np.array_equal(sound_of(scene_of("still", place=place), seed=5), expected.astype(np.float32))


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("meadow", "night", "forest")])
def test_no_ambience_sets_in_like_an_impact(place: str) -> None:
    sounds = [sound_of(scene_of("still", place=place), seed=seed) for seed in range(4)]
    assert sum(len(onsets(sound)) for sound in sounds) <= 1


def test_larger_objects_land_lower() -> None:
    scene = scene_of("falls", num_frames=49)
    blow = scene.events[1]
    low, high = (
        pitch(sound_of(replace(scene, events=(replace(blow, pitch=p),)))[round(blow.time_seconds * RATE) :])
        for p in (0.8, 1.6)
    )
    assert high == pytest.approx(2 * low, rel=0.03)


def test_glides_go_where_their_name_says() -> None:
    rising, falling = sound_of(scene_of("rises")), sound_of(scene_of("shrinks"))
    assert pitch(rising[-4000:]) > 2 * pitch(rising[:4000])
    assert pitch(falling[-4000:]) < pitch(falling[:4000]) / 2


def test_fast_rolling_is_louder_and_brighter() -> None:
    slow, fast = (sound_of(scene_of("rolls_right", speed=speed)) for speed in ("slow", "fast"))
    assert level(fast) > 1.3 * level(slow)
    brightness = [level(np.diff(sound)) / level(sound) for sound in (slow, fast)]
    assert brightness[1] > 1.2 * brightness[0]


def test_what_comes_closer_grows_louder() -> None:
    toward, away = sound_of(scene_of("slides_toward")), sound_of(scene_of("slides_away"))
    assert level(toward[-8000:]) > 1.15 * level(toward[:8000])
    assert level(away[-8000:]) < level(away[:8000]) / 1.15


def test_swings_creak_only_at_their_lowest_point() -> None:
    scene = scene_of("swings")
    is_creaking = np.zeros(33_000, bool)
    for event in scene.events:
        start = round(event.time_seconds * RATE)
        is_creaking[start : start + round(event.duration_seconds * RATE)] = True
    sound = sound_of(scene)
    assert level(sound[is_creaking]) > 8 * level(sound[~is_creaking])


def alone(motion: str, *, seed: int) -> Array:
    """Return the sound of a motion in a studio; of a collision, the knock without the rolling."""
    scene = scene_of(motion, seed=seed)
    events = scene.events[-1:] if motion == "collides" else scene.events
    return sound_of(replace(scene, events=events), seed=seed)


def test_voices_can_be_told_apart() -> None:
    motions = ("bounces", "collides", "rolls_left", "circles", "spins")
    motions = (*motions, "rises", "shrinks", "swings", "wobbles", "slides_away")
    draws = {motion: [alone(motion, seed=seed) for seed in range(6)] for motion in motions}
    assert share_recognised(draws) >= 0.95


def test_ambiences_can_be_told_apart() -> None:
    draws = {
        place: [ambience(place, tape(seed)).astype(np.float32) for seed in range(10)] for place in PLACES
    }
    assert share_recognised(draws) >= 0.95


def test_noise_stays_in_its_band_and_has_unit_level() -> None:
    wave = noise(tape(), 1000, 2000)
    power = np.abs(np.fft.rfft(wave)) ** 2
    frequencies = np.fft.rfftfreq(len(wave), 1 / RATE)
    assert level(wave) == pytest.approx(1, abs=1e-6)
    assert power[(frequencies > 700) & (frequencies < 2900)].sum() > 0.95 * power.sum()


def test_a_tone_leaves_out_partials_that_would_fold_back() -> None:
    wave = tone(tape(), 3000.0, (0.0, 0.0, 1.0))
    assert np.abs(wave).max() == 0


def test_a_span_fades_only_where_it_begins_or_ends_within() -> None:
    whole, inner = span(tape(), 0.0, 2.0, fade=0.1), span(tape(), 0.5, 1.0, fade=0.1)
    assert (whole == 1).all()
    assert inner[: RATE // 2].max() == 0 and inner[RATE] == 1 and inner[RATE * 3 // 2 :].max() < 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_tracks_are_loud_enough_and_not_clipped(seed: int) -> None:
    track = draw_track(tape(seed))
    assert track.dtype == np.float32 and track.shape == (2 * RATE,)
    assert 0.049 < np.abs(track).max() < 0.951


def test_every_family_of_tracks_makes_a_sound() -> None:
    for draw, _ in FAMILIES:
        wave = draw(tape(1))
        assert np.isfinite(wave).all() and np.abs(wave).max() > 0.01
