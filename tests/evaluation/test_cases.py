"""Held-out prompts name what they say they ask for; held-out scenes are not those of training."""

from backend.evaluation.cases import held_out_cases, true_clips
from backend.training.world import words

TABLES = {
    "shape": words.SHAPES,
    "colour": words.COLOURS,
    "surface": words.SURFACES,
    "place": words.PLACES,
    "camera": words.SHOTS,
}


def test_every_attribute_is_in_the_prompt() -> None:
    for case in held_out_cases(50):
        for name, table in TABLES.items():
            assert any(phrase in case.prompt for phrase in table[case.asked[name]]), (name, case)
        motions = [words.participle(phrase) for phrase in words.MOTIONS[case.asked["motion"]]]
        assert any(phrase in case.prompt for phrase in motions)


def test_cases_are_the_same_every_time_and_cover_the_world() -> None:
    assert held_out_cases(200) == held_out_cases(200)
    for name, table in TABLES.items():
        assert {case.asked[name] for case in held_out_cases(200)} == {*table}


def test_true_clips_are_rendered_at_the_size_asked_for() -> None:
    (clip,) = true_clips(1, num_frames=5, side=16)
    assert clip.frames.shape == (5, 16, 16, 3) and clip.camera.shape == (5, 6)
    assert clip.prompt
    (view,) = true_clips(1, num_frames=5, side=16, kind="view")
    assert abs(view.camera[-1, 0]) + abs(view.camera[-1, 1] - 1) > 0.2  # it went somewhere
