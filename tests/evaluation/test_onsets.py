"""The onset detector on true blows, and how times are paired."""

import numpy as np
import pytest
import torch

from backend.evaluation.onsets import NO_ONSETS, Agreement, agreement, onsets, peaks
from backend.models.kinora.mel import log_mel
from backend.training.world.dubbing import heard_of
from tests.training.sounding import scene_of, sound_of


@pytest.mark.parametrize("motion", ["bounces", "falls"])
def test_blows_are_found_within_30_ms(motion: str) -> None:
    scene = scene_of(motion)
    found = onsets(log_mel(torch.from_numpy(sound_of(scene))[None])[0])
    assert found == pytest.approx(heard_of(scene).blows, abs=0.03)


@pytest.mark.parametrize("motion", ["still", "rises", "rolls_left", "circles"])
def test_what_lasts_has_no_onsets(motion: str) -> None:
    assert onsets(log_mel(torch.from_numpy(sound_of(scene_of(motion)))[None])[0]) == []


def test_peaks_are_apart_and_above() -> None:
    values = np.zeros(40)
    values[[5, 9, 20]] = (1.0, 2.0, 0.4)
    assert peaks(values, above=0.5) == [5]
    assert peaks(values, above=0.3) == [5, 20]


def test_each_time_is_paired_once() -> None:
    assert agreement([0.5, 0.52], [0.51]) == Agreement(2, 1, 1)
    assert agreement([0.5, 0.6], [0.56, 0.64]) == Agreement(2, 2, 1)
    assert agreement([0.5], [0.6]) == Agreement(1, 1, 0)


def test_f1_adds_up_over_sounds() -> None:
    total = sum([agreement([0.5], [0.5]), agreement([], [1.0]), agreement([0.1], [])], NO_ONSETS)
    assert total.f1 == pytest.approx(0.5)
    assert NO_ONSETS.f1 == 1
