"""Faithfulness, and the report that every finding lands in."""

import json
from pathlib import Path

import torch

from backend.evaluation.cases import held_out_cases
from backend.evaluation.faithfulness import faithfulness
from backend.evaluation.figures import Figure
from backend.evaluation.finding import Finding
from backend.evaluation.report import Section, write_report
from backend.evaluation.verifier import Verifier
from backend.training.verifier import ATTRIBUTES
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")


def test_faithfulness_counts_what_the_verifier_reads() -> None:
    torch.manual_seed(0)
    verifier = Verifier(ATTRIBUTES, width=8).eval()
    findings, clips = faithfulness(ENGINE, verifier, held_out_cases(2), num_inference_steps=2)
    names = [*(f"{name} as asked" for name in ATTRIBUTES), "mean of the six"]
    assert [finding.title for finding in findings] == names
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


def test_a_section_shows_its_figures_and_what_it_left_out(tmp_path: Path) -> None:
    figure = Figure("curve", "A curve", ("x", "y"), {"a": [(0.0, 1.0), (1.0, 2.0)]}, "It rises.")
    section = Section("Title", [], seconds=0, figures=[figure], left_out="No refiner.")
    text = write_report(tmp_path, [section], engine=ENGINE, command="x y").read_text()
    assert "\n\nNo refiner.\n\n![A curve](curve.png)\n\nIt rises.\n" in text and "| what |" not in text
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "report.json").read_text())[0]["figures"][0]["curves"]["a"][1] == [1.0, 2.0]
