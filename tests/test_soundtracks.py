"""Sound through the front door: made, mixed, made again in part, and accepted as a part of its clip."""

from pathlib import Path

import numpy as np
import pytest

from backend.api import Api, Generation
from backend.errors import MediaError, NotFoundError, RequestError
from backend.media.audio import SAMPLE_RATE, loudness, read_sound, read_written, write_sound
from backend.media.metadata import read_metadata
from backend.media.probe import probe
from backend.media.sound_export import picture_hash
from backend.media.video import write_video
from backend.requests import ClipRequest, SoundRequest, parse_request
from tests.media.clips import pattern_clip, run_ffmpeg
from tests.waiting import ended

ASKED = {"num_inference_steps": 3, "seed": 5}


@pytest.fixture(scope="module")
def clip(tiny_studio: Api) -> Generation:
    request = ClipRequest(prompt="a red ball", engine="tiny", seed=7, num_inference_steps=4)
    return ended(tiny_studio, tiny_studio.submit(request)[0])


@pytest.fixture(scope="module")
def sound(tiny_studio: Api, clip: Generation) -> Generation:
    request = tiny_studio.sounds.request(clip.id, **ASKED)
    return ended(tiny_studio, tiny_studio.submit(request, parents=[clip.id])[0])


def path_of(studio: Api, generation: Generation, role: str = "clip") -> Path:
    return studio.output_path(generation.id, role)


def test_a_sound_is_a_file_of_its_own_and_a_clip_with_it(
    tiny_studio: Api, clip: Generation, sound: Generation
) -> None:
    assert (sound.status, sound.kind, sound.parents) == ("done", "sound", (clip.id,))
    assert [output.role for output in sound.outputs] == ["clip", "poster", "sound"]
    heard, silent = path_of(tiny_studio, sound), path_of(tiny_studio, clip)
    assert picture_hash(heard) == picture_hash(silent)
    samples, rate = read_written(path_of(tiny_studio, sound, "sound"))
    assert rate == SAMPLE_RATE and len(samples) == len(read_sound(heard)) == 33 * 3000
    assert set(sound.facts) >= {"onsets", "motion_peaks", "sync", "waveform", "loudness_lufs"}
    assert sound.facts["network_passes"] == 6


def test_the_file_says_how_sound_and_clip_were_made(
    tiny_studio: Api, clip: Generation, sound: Generation
) -> None:
    made = read_metadata(path_of(tiny_studio, sound))["kinora"]
    assert parse_request(made["request"]) == sound.request
    assert parse_request(made["clip"]["request"]) == clip.request
    assert "waveform" not in made["facts"]


def test_the_same_seed_gives_the_same_files(tiny_studio: Api, clip: Generation, sound: Generation) -> None:
    request = tiny_studio.sounds.request(clip.id, **ASKED)
    again = ended(tiny_studio, tiny_studio.submit(request, parents=[clip.id])[0])
    assert [each.sha256 for each in again.outputs] == [each.sha256 for each in sound.outputs]


def test_a_part_is_made_again_and_the_rest_stays(tiny_studio: Api, sound: Generation) -> None:
    part = {"start_seconds": 0.5, "duration_seconds": 0.5, "num_inference_steps": 3, "seed": 6}
    request = tiny_studio.sounds.request(sound.id, **part)
    again = ended(tiny_studio, tiny_studio.submit(request, parents=[*sound.parents, sound.id])[0])
    before, after = (read_written(path_of(tiny_studio, each, "sound"))[0] for each in (sound, again))
    assert np.array_equal(before[:24000], after[:24000]) and np.array_equal(before[48000:], after[48000:])
    assert not np.array_equal(before, after)


def test_a_mix_is_heard_in_the_clip_and_the_take_keeps_its_samples(
    tiny_studio: Api, sound: Generation, tmp_path: Path
) -> None:
    track = tmp_path / "own.wav"
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    write_sound(track, (0.2 * np.sin(2 * np.pi * 3000 * times))[:, None].astype(np.float32))
    own = tiny_studio.inputs.add_sound(track)
    mixed = tiny_studio.sounds.mix(sound.id, {"volume": 0.0, "own_track": own, "target_lufs": -23})
    assert mixed.output("sound") == sound.output("sound") and mixed.facts["mix"]["volume"] == 0
    heard = read_sound(path_of(tiny_studio, sound))
    spectrum = np.abs(np.fft.rfft(heard[:SAMPLE_RATE, 0]))
    assert abs(int(spectrum.argmax()) - 3000) <= 1
    assert loudness(heard)[0] == pytest.approx(-23, abs=1)
    assert read_metadata(path_of(tiny_studio, sound))["kinora"]["facts"]["mix"]["own_track"] == own
    tiny_studio.sounds.mix(sound.id, {})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"offset_milliseconds": 9000},
            "Nudge must be a number from -5000 to 5000 milliseconds; you gave '9000'",
        ),
        ({"volume": "loud"}, "Volume must be a number from 0 to 2; you gave 'loud'"),
        ({"target_lufs": 3}, "Loudness must be a number from -40 to -5 LUFS"),
        ({"echo": 1}, "A mix has no field called 'echo'"),
        ({"own_track": "0" * 64}, "Your own track is not in the data folder"),
    ],
)
def test_a_bad_mix_is_one_sentence(
    tiny_studio: Api, sound: Generation, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(Exception, match=words):
        tiny_studio.sounds.mix(sound.id, settings)


def test_an_accepted_sound_is_a_part_of_its_clip(
    tiny_studio: Api, clip: Generation, sound: Generation
) -> None:
    before = path_of(tiny_studio, clip)
    tiny_studio.sounds.accept(sound.id)
    after = tiny_studio.generation(clip.id)
    assert probe(path_of(tiny_studio, after)).has_audio
    assert path_of(tiny_studio, after, "silent") == before and not probe(before).has_audio
    assert picture_hash(path_of(tiny_studio, after)) == picture_hash(before)
    assert after.facts["sound"] == sound.id
    tiny_studio.sounds.accept(sound.id)
    assert [each.role for each in tiny_studio.generation(clip.id).outputs].count("silent") == 1
    assert tiny_studio.sounds.request(clip.id).source == sound.request.source  # type: ignore[union-attr]
    detailed = tiny_studio.detail_request(clip.id, num_inference_steps=1, guidance_scale=1)
    large = ended(tiny_studio, tiny_studio.submit(detailed, parents=[clip.id])[0])
    kept, accepted = (read_sound(path_of(tiny_studio, each)) for each in (large, after))
    assert len(kept) == len(accepted) and np.abs(kept - accepted).mean() < 0.1 * np.abs(accepted).mean()
    assert large.facts["sound_seconds"] == pytest.approx(33 / 16)
    tiny_studio.sounds.take_off(clip.id)
    silent = tiny_studio.generation(clip.id)
    assert path_of(tiny_studio, silent) == before and "sound" not in silent.facts
    with pytest.raises(NotFoundError):
        tiny_studio.sounds.take_off(clip.id)


def test_a_detail_is_given_the_sound_that_its_draft_gets_later(tiny_studio: Api) -> None:
    request = ClipRequest(prompt="a red ball", engine="tiny", seed=8, num_inference_steps=4)
    draft = ended(tiny_studio, tiny_studio.submit(request)[0])
    asked = {"num_inference_steps": 1, "guidance_scale": 1, "start_seconds": 0.5}
    detailed = tiny_studio.detail_request(draft.id, **asked)
    detail = ended(tiny_studio, tiny_studio.submit(detailed, parents=[draft.id])[0])
    made = tiny_studio.sounds.request(draft.id, **ASKED)
    sound = ended(tiny_studio, tiny_studio.submit(made, parents=[draft.id])[0])
    before = path_of(tiny_studio, detail)
    tiny_studio.sounds.accept(sound.id)
    after = tiny_studio.generation(detail.id)
    assert (after.facts["sound"], after.facts["sound_of"]) == (sound.id, draft.id)
    assert path_of(tiny_studio, after, "silent") == before
    assert picture_hash(path_of(tiny_studio, after)) == picture_hash(before)
    assert read_metadata(path_of(tiny_studio, after)) == read_metadata(before)
    heard, whole = (read_sound(path_of(tiny_studio, each)) for each in (after, sound))
    part = whole[SAMPLE_RATE // 2 :][: len(heard)]
    assert np.abs(heard - part).mean() < 0.1 * np.abs(part).mean()
    tiny_studio.sounds.accept(sound.id)
    assert [each.role for each in tiny_studio.generation(detail.id).outputs].count("silent") == 1
    tiny_studio.sounds.take_off(draft.id)
    silent = tiny_studio.generation(detail.id)
    assert path_of(tiny_studio, silent) == before and not silent.facts.keys() & {"sound", "sound_of"}


def test_a_clip_of_a_variable_frame_rate_gets_a_sound_as_long_as_itself(
    tiny_studio: Api, tmp_path: Path
) -> None:
    uneven = tmp_path / "uneven.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=96x96:rate=30:duration=2"),
        *("-vf", "select='if(lt(t,1),1,not(mod(n,3)))'", "-fps_mode", "vfr", uneven),
    )
    source = tiny_studio.inputs.add_clip(uneven)
    made = ended(tiny_studio, tiny_studio.submit(SoundRequest(source=source, engine="tiny", **ASKED))[0])  # type: ignore[arg-type]
    assert made.error is None
    given, written = probe(uneven), probe(path_of(tiny_studio, made))
    assert (given.num_frames, written.num_frames) == (40, 40)
    lasting = len(read_sound(path_of(tiny_studio, made))) / SAMPLE_RATE
    assert lasting == pytest.approx(given.duration_seconds, abs=1 / SAMPLE_RATE)
    assert lasting == pytest.approx(2.0, abs=0.1)
    assert picture_hash(path_of(tiny_studio, made)) == picture_hash(uneven)


def test_an_upload_of_another_rate_shape_and_sound_gets_one(tiny_studio: Api, tmp_path: Path) -> None:
    clip = tmp_path / "own.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=size=180x320:rate=30000/1001:duration=1"),
        *("-f", "lavfi", "-i", "sine=duration=1", "-ac", "6", clip),
    )
    request = SoundRequest(source=tiny_studio.inputs.add_clip(clip), engine="tiny", **ASKED)  # type: ignore[arg-type]
    made = ended(tiny_studio, tiny_studio.submit(request)[0])
    facts = probe(path_of(tiny_studio, made))
    assert made.error is None and (facts.num_frames, facts.width, facts.height) == (30, 180, 320)
    assert len(read_sound(path_of(tiny_studio, made))) == round(30 * 1001 / 30000 * SAMPLE_RATE)
    assert tiny_studio.sounds.accept(made.id).id == made.id


def test_a_clip_of_ten_minutes_and_files_without_frames_are_refused(tiny_studio: Api, tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    write_video(long, np.zeros((600, 16, 16, 3), np.uint8), frame_rate=1, metadata={"kinora": {}})
    request = SoundRequest(source=tiny_studio.inputs.add_clip(long), engine="tiny")
    with pytest.raises(RequestError, match="at most 30 s and this clip lasts 600 s; cut it shorter"):
        tiny_studio.submit(request)
    sound_alone, empty = tmp_path / "sound.mp4", tmp_path / "empty.mp4"
    run_ffmpeg("-f", "lavfi", "-i", "sine=duration=1", sound_alone)
    with pytest.raises(MediaError, match="holds no moving picture"):
        tiny_studio.inputs.add_clip(sound_alone)
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=16", "-frames:v", "0", empty)
    with pytest.raises(MediaError):
        tiny_studio.inputs.add_clip(empty)


def test_what_the_request_names_must_be_there(tiny_studio: Api, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="The clip is not in the data folder"):
        tiny_studio.submit(SoundRequest(source="0" * 64, engine="tiny"))
    source = tiny_studio.inputs.add_clip(pattern_clip(tmp_path / "clip.mp4"))
    with pytest.raises(RequestError, match="The take is not in the data folder"):
        tiny_studio.submit(SoundRequest(source=source, engine="tiny", take="0" * 64, start_seconds=0.5))
    with pytest.raises(RequestError, match="give the take that it belongs to"):
        tiny_studio.submit(SoundRequest(source=source, engine="tiny", start_seconds=0.5))
    with pytest.raises(RequestError, match="needs words"):
        tiny_studio.submit(SoundRequest(source=source, engine="tiny", sees_video=False))
