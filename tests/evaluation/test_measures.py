"""Every measure runs on the tiny engine, and says the truth where the truth is known."""

import json
from pathlib import Path

import numpy as np
import torch

from backend.evaluation import measures
from backend.evaluation.cases import TrueClip, held_out_cases
from backend.evaluation.measures import Finding
from backend.evaluation.report import Section, write_report
from backend.evaluation.verifier import Verifier
from backend.training.verifier import ATTRIBUTES
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")


def truths(count: int) -> list[TrueClip]:
    rng = np.random.default_rng(0)
    return [TrueClip(f"a ball {n}", rng.integers(0, 255, (33, 32, 32, 3), np.uint8)) for n in range(count)]


def test_given_frames_of_the_loop_come_back_exactly() -> None:
    exact, between, after = measures.given_frames(ENGINE, truths(2))
    assert exact.is_met and exact.measured == "largest change 0"
    assert "dB against" in between.measured and "dB against" in after.measured


def test_a_better_and_a_worse_result_are_told_apart() -> None:
    assert measures.better("a", [20.0, 22.0], [19.0], "b").is_met
    assert not measures.better("a", [18.0], [19.0], "b").is_met


def test_faithfulness_counts_what_the_verifier_reads() -> None:
    torch.manual_seed(0)
    cases = held_out_cases(2)
    findings, clips = measures.faithfulness(
        ENGINE, Verifier(ATTRIBUTES, width=8).eval(), cases, num_inference_steps=2
    )
    assert [finding.title for finding in findings] == [
        *(f"{n} as asked" for n in ATTRIBUTES),
        "mean of the six",
    ]
    assert len(clips) == 2
    shares = [float(finding.measured.rstrip("%")) for finding in findings]
    assert shares[-1] == round(sum(shares[:-1]) / 6, 1)


def test_the_report_says_what_is_met_and_what_is_not(tmp_path: Path) -> None:
    findings = [Finding("a", "b", "1", True), Finding("c", "d", "2", False)]
    path = write_report(tmp_path, [Section("Title", findings, seconds=60)], engine=ENGINE, command="x y")
    text = path.read_text()
    assert "1 of 2 relations are met" in text
    assert "| c | d | 2 | **no** |" in text and "Made by `x y` in 1.0 minutes" in text
    assert json.loads((tmp_path / "report.json").read_text())[0]["findings"][1]["is_met"] is False


def test_motion_control_sets_what_was_asked_beside_what_came_out() -> None:
    """The tiny engine flickers at any score, so only the figures' own consistency is known."""
    correlation, away = measures.motion_control(ENGINE, ["a ball"], (0.0, 4.0, 8.0))
    value, listed = correlation.measured.split(maxsplit=1)
    assert correlation.is_met == (float(value) >= 0.9)
    assert [part.split(":")[0] for part in listed.strip("()").split(", ")] == ["0", "4", "8"]
    negative, equal = (float(part) for part in away.measured.split(" at ")[0].split(" against "))
    assert away.is_met == (negative > equal)
