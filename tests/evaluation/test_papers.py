"""The measures of the papers' claims run on the tiny engine, and say the truth where the truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation import lumina, stiv, videojam
from backend.evaluation.cases import TrueClip, held_out_cases
from backend.evaluation.finding import better
from backend.evaluation.verifier import Verifier
from backend.training.verifier import ATTRIBUTES
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")


def truths(count: int, *, frames: int = 33) -> list[TrueClip]:
    rng = np.random.default_rng(0)
    camera = np.zeros((frames, 6), np.float32)
    return [
        TrueClip(f"a ball {n}", rng.integers(0, 255, (frames, 32, 32, 3), np.uint8), camera)
        for n in range(count)
    ]


def test_given_frames_of_the_loop_come_back_exactly() -> None:
    exact, between, after = stiv.given_frames(ENGINE, truths(2))
    assert exact.is_met and exact.measured == "largest change 0"
    assert "dB against" in between.measured and "dB against" in after.measured


def test_clips_are_completed_in_every_other_way() -> None:
    findings = [
        *stiv.upsampling(ENGINE, truths(1)),
        *stiv.key_frames(ENGINE, truths(1, frames=129), stride=4),
        *stiv.views(ENGINE, truths(1)),
        *stiv.joint_guidance(ENGINE, truths(1)),
    ]
    assert len(findings) == 5
    assert "over 4" in findings[0].measured  # latents 1, 3, 5 and 7
    assert findings[1].measured.endswith("largest change of the first 0")


def test_a_better_and_a_worse_result_are_told_apart() -> None:
    assert better("a", [20.0, 22.0], [19.0, 19.0], than="b", source="c").is_met
    assert not better("a", [18.0], [19.0], than="b", source="c").is_met
    told = better("a", [22.0, 30.0, 40.0], [20.0, 20.0, float("inf")], than="b", source="c")
    assert told.is_met and told.measured == "30.7 dB against 30.0 dB over 3, closer in 67%"


def test_motion_control_sets_what_was_asked_beside_what_came_out() -> None:
    """The tiny engine flickers at any score, so only the figures' own consistency is known."""
    correlation, order, flat = lumina.motion_control(ENGINE, ["a ball"], (0.0, 4.0, 8.0))
    values, listed = correlation.measured.split(" (")
    overall, within = (float(part.split()[0]) for part in values.split(", "))
    assert correlation.is_met == (overall >= 0.9) and overall == within  # of the only prompt
    assert [part.split(":")[0] for part in listed.strip(")").split(", ")] == ["0", "4", "8"]
    always, scheduled, equal = map(float, order.measured.split(" at ")[0].split(" > "))
    assert order.is_met == (always > scheduled > equal)
    low, without = map(float, flat.measured.split(" against "))
    assert flat.is_met == (low >= 0.5 and low > without)


def test_the_combined_schedule_is_set_beside_the_finest_patch() -> None:
    verifier = Verifier(ATTRIBUTES, width=8).eval()
    (finding,) = lumina.combined_schedule(ENGINE, verifier, held_out_cases(2))
    combined, single = (float(part.split("%")[0]) for part in finding.measured.split(" against "))
    assert finding.is_met == (combined >= single - 3)


def test_a_blind_engine_never_shows_motion_channels() -> None:
    blind = videojam.WithoutMotionChannels(ENGINE)
    assert blind.decode == ENGINE.decode and blind.spec == ENGINE.spec
    seen = []

    class Watched:
        spec, device, weights_sha256 = ENGINE.spec, ENGINE.device, ENGINE.weights_sha256

        def velocities(self, *values: object, **_: object) -> list[object]:
            seen.extend(values[3])  # type: ignore[call-overload]
            return []

    watched = videojam.WithoutMotionChannels(Watched())  # type: ignore[arg-type]
    watched.velocities(None, 0.5, None, (videojam.Pass(), videojam.Pass(text="none")))  # type: ignore[arg-type]
    assert [each.motion_channels for each in seen] == [False, False]


@pytest.mark.parametrize(("joint", "is_met"), [(0.2, True), (0.05, False)])
def test_the_order_of_frames_is_judged_where_it_is_noisy(tmp_path: Path, joint: float, is_met: bool) -> None:
    path = tmp_path / "permutation.json"
    gaps = {"joint": [0.9, joint, joint], "appearance_alone": [0.0, 0.1, 0.1]}
    path.write_text(json.dumps({"minutes": 3, "steps": [85, 55, 5], "gaps": gaps}))
    (finding,) = videojam.permutation(path)
    assert finding.is_met == is_met and "after 3 minutes" in finding.measured
    assert videojam.permutation(tmp_path / "never.json") == []
