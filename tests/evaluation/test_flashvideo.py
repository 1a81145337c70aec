"""The measures of detail run on the tiny engine, and say the truth where the truth is known."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import WeightsError
from backend.evaluation import ablation, flashvideo
from backend.evaluation.cases import Case
from backend.evaluation.detail_cases import DetailCase, bicubic, detail_cases, missing_refiner
from backend.evaluation.flashvideo import Detailed
from backend.evaluation.naturalness import statistics_of
from backend.evaluation.sections import QUICK, detail_section
from backend.evaluation.sweep import Sweep, SweepPoint, sweep_figures, sweep_findings, sweep_steps
from backend.models.kinora.refiner import RefinerTransformer
from backend.pipelines.clip import Clip
from backend.pipelines.detail import Draft
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")
BALL = Case("a ball on a meadow", {"place": "meadow"})


@pytest.fixture(scope="module")
def cases() -> list[DetailCase]:
    return detail_cases(["meadow", "snow"], per_place=1, num_frames=2, engine=ENGINE)


def detailed(*, similarity: float, before: float, after: float) -> Clip:
    facts = {"similarity": similarity, "draft_motion": before, "detail_motion": after}
    return Clip(np.zeros((1, 8, 8, 3), np.uint8), None, 16, facts)


def swept(*values: tuple[int, float, float]) -> Sweep:
    points = [SweepPoint(steps, psnr, natural, 1.0 * steps) for steps, psnr, natural in values]
    return Sweep(points, SweepPoint(0, 20, 9, 0), SweepPoint(0, 30, 4, 0), scenes=3)


def test_a_case_shows_one_scene_at_two_sizes(cases: list[DetailCase]) -> None:
    assert [case.place for case in cases] == ["meadow", "snow"]
    for case in cases:
        assert case.draft.frames.shape == (2, 32, 32, 3) and case.truth.shape == (2, 512, 512, 3)
        small = case.truth.reshape(2, 32, 16, 32, 16, 3).mean((2, 4))
        # Four samples a pixel in the draft, a thousand in the truth scaled down.
        assert np.abs(small - case.draft.frames).mean() < 20


def test_the_truth_is_better_than_bicubic_and_bicubic_is_not(cases: list[DetailCase]) -> None:
    enlarged, truths = [bicubic(ENGINE, case.draft) for case in cases], [case.truth for case in cases]
    better, same = (
        flashvideo.gain(ENGINE, cases, [t ^ 1 for t in truths]),
        flashvideo.gain(ENGINE, cases, enlarged),
    )
    assert better.is_met and not same.is_met and same.measured.endswith("+0.0 dB")
    good, bad = (
        [
            Detailed(c.place, c.draft, Clip(frames, None, 16, {}))
            for c, frames in zip(cases, clips, strict=True)
        ]
        for clips in (truths, [truths[0], enlarged[1]])
    )
    natural = flashvideo.naturalness(ENGINE, good)
    assert natural.is_met and natural.measured.startswith("on 2 of 2, over 2: meadow ")
    assert not flashvideo.naturalness(ENGINE, bad).is_met


@pytest.mark.parametrize(
    ("four", "is_met"), [((25.0, 5.0), True), ((25.0, 5.2), False), ((24.0, 5.0), False)]
)
def test_four_steps_are_judged_by_eight(four: tuple[float, float], is_met: bool) -> None:
    gained, flat = sweep_findings(swept((1, 22, 7), (4, *four), (8, 25.0, 5.0)))
    assert gained.is_met and flat.is_met == is_met


def test_a_sweep_says_what_bounds_it() -> None:
    truth, natural = sweep_figures(swept((1, 22, 7), (4, 25, 5), (8, 24, 5)))
    assert truth.curves["refined"] == [(1, 22), (4, 25), (8, 24)]
    assert truth.curves["bicubic"] == [(1, 20), (8, 20)] and natural.curves["autoencoder alone"][0] == (1, 4)
    assert "30.0 dB of the truth, +5.0 dB" in truth.caption and "20.0 dB" in truth.caption


def test_every_number_of_steps_is_taken_and_timed(cases: list[DetailCase]) -> None:
    sweep = sweep_steps(ENGINE, cases[:1], (1, 2))
    assert [point.steps for point in sweep.points] == [1, 2]
    assert all(point.sampling_seconds > 0 and np.isfinite(point.psnr) for point in sweep.points)
    assert sweep.at(2) is sweep.points[1]


@pytest.mark.parametrize(
    ("similarity", "after", "are_met"), [(0.95, 4.2, [True, True]), (0.85, 5.0, [False, False])]
)
def test_the_median_scene_must_look_and_move_as_its_draft(
    similarity: float, after: float, are_met: list[bool]
) -> None:
    details = [
        detailed(similarity=0.5, before=4, after=9),
        detailed(similarity=similarity, before=4, after=after),
        detailed(similarity=1.0, before=0, after=0),
    ]
    assert [f.is_met for f in flashvideo.kept(details, least_similarity=0.9)] == are_met


def test_without_a_refiner_one_sentence_says_what_is_left_out() -> None:
    engine = make(Path("no weights"), "cpu")
    engine.spec = replace(engine.spec, detail=None)
    section = detail_section(engine, QUICK, [BALL])
    assert not section.findings and not section.figures
    assert section.left_out.startswith("What detail adds and keeps is left out: Tiny adds no detail yet")

    class Bare:
        spec = ENGINE.spec

        def refiner(self, _: int) -> None:
            raise WeightsError("The refiner is not installed.")

    assert missing_refiner(Bare()) == "The refiner is not installed."  # type: ignore[arg-type]


def test_a_section_holds_every_relation_and_its_curves() -> None:
    section = detail_section(ENGINE, QUICK, [BALL])
    assert len(section.findings) == 6 and not section.left_out
    assert json.loads(json.dumps(asdict(section)))["title"] == section.title  # no numbers of numpy
    assert [figure.name for figure in section.figures] == ["steps-psnr", "steps-niqe"]


@pytest.mark.parametrize(("pixel", "is_met"), [(5.0, True), (4.0, False)])
def test_more_degradation_must_make_drafts_more_natural(tmp_path: Path, pixel: float, is_met: bool) -> None:
    path = tmp_path / "ablation.json"
    scores = {"none": 9.0, "pixel": pixel, "pixel_latent": 4.5}
    path.write_text(json.dumps({"drafts": 2, "unnaturalness": scores}))
    (finding,) = flashvideo.ablation(path)
    assert finding.is_met == is_met and finding.measured.endswith("over 2")
    assert flashvideo.ablation(tmp_path / "never.json") == []


def test_another_refiner_takes_the_place_of_the_published_one() -> None:
    network = RefinerTransformer(width=32, num_layers=1, num_heads=1, mlp_width=16, text_width=8)
    other = ablation.WithRefiner(ENGINE, network, device="cpu")
    latents, noise = torch.ones(1, 16, 1, 2, 2), torch.zeros(1, 16, 1, 2, 2)
    assert other.decode == ENGINE.decode
    assert torch.allclose(other.refiner(675).start(latents, noise), latents, atol=1e-3)


def test_refiners_are_judged_on_the_same_drafts() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1, 512, 512, 3), np.uint8)
    drafts = {"a ball": Draft(noise[:, :32, :32], 16.0), "a cube": Draft(noise[:, 32:64, :32], 16.0)}
    scores = ablation.judged({"one": ENGINE, "same": ENGINE}, drafts, natural=statistics_of(noise))
    assert scores["one"] == scores["same"] > 0
