"""Faithfulness, and the report that every finding lands in."""

import json
from pathlib import Path

import pytest
import torch

from backend.errors import MediaError
from backend.evaluation.__main__ import evaluate
from backend.evaluation.cases import held_out_cases
from backend.evaluation.faithfulness import faithfulness
from backend.evaluation.figures import Figure
from backend.evaluation.finding import Finding
from backend.evaluation.report import Section, digest, read_sections, write_report
from backend.evaluation.sections import MEASURES, QUICK, Subject
from backend.evaluation.verifier import Verifier
from backend.models.weights import write_checksums
from backend.training.verifier import ATTRIBUTES
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """A folder of two members with their checksums."""
    folder = tmp_path / "family"
    for member in ("vae", "refiner"):
        (folder / member).mkdir(parents=True)
        (folder / member / "config.json").write_text(member)
    write_checksums(folder)
    return folder


def test_faithfulness_counts_what_the_verifier_reads() -> None:
    torch.manual_seed(0)
    verifier = Verifier(ATTRIBUTES, width=8).eval()
    findings, clips = faithfulness(ENGINE, verifier, held_out_cases(2), num_inference_steps=2)
    names = [*(f"{name} as asked" for name in ATTRIBUTES), "mean of the six"]
    assert [finding.title for finding in findings] == names
    assert len(clips) == 2
    shares = [float(finding.measured.rstrip("%")) for finding in findings]
    assert shares[-1] == round(sum(shares[:-1]) / 6, 1)


def test_the_report_says_what_is_met_and_what_is_not(tmp_path: Path, family: Path) -> None:
    findings = [Finding("a", "b", "1", True), Finding("c", "d", "2", False)]
    section = Section("Title", findings, seconds=60, command="x y", weights=digest(family, ()))
    path = write_report(tmp_path, [section], engine=ENGINE, family=family)
    text = path.read_text()
    assert "1 of 2 relations are met" in text
    assert "| c | d | 2 | **no** |" in text and "Measured by `x y`; this part took 1.0 minutes." in text
    assert json.loads((tmp_path / "report.json").read_text())[0]["findings"][1]["is_met"] is False


def test_a_section_shows_its_figures_and_what_it_left_out(tmp_path: Path, family: Path) -> None:
    figure = Figure("curve", "A curve", ("x", "y"), {"a": [(0.0, 1.0), (1.0, 2.0)]}, "It rises.")
    section = Section("Title", [], figures=[figure], left_out="No refiner.")
    text = write_report(tmp_path, [section], engine=ENGINE, family=family).read_text()
    assert "\n\nNo refiner.\n\n![A curve](curve.png)\n\nIt rises.\n" in text and "| what |" not in text
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "report.json").read_text())[0]["figures"][0]["curves"]["a"][1] == [1.0, 2.0]


def test_a_report_is_read_as_it_was_written(tmp_path: Path, family: Path) -> None:
    assert read_sections(tmp_path) == []
    figure = Figure("curve", "A curve", ("x", "y"), {"a": [(0.0, 1.0), (1.0, 2.0)]}, "It rises.")
    findings = [Finding("a", "b", "1", True)]
    sections = [
        Section("One", findings, [figure], "No.", ("vae",), 60.0, "x y", "abc"),
        Section("Two", [], []),
    ]
    path = write_report(tmp_path, sections, engine=ENGINE, family=family)
    assert read_sections(tmp_path) == sections
    assert "Measured by `x y` with the weights of before, `abc`; this part" in path.read_text()
    (tmp_path / "report.json").write_text('[{"name": 1}]')
    with pytest.raises(MediaError, match="cannot be read as a report"):
        read_sections(tmp_path)


def test_a_part_is_measured_again_and_the_others_stay(tmp_path: Path, family: Path) -> None:
    subject = Subject(ENGINE, Verifier(ATTRIBUTES, width=8).eval(), QUICK, family)
    before = [Section("Training", [], []), Section(MEASURES["sound"].title, [Finding("old", "b", "1", True)])]
    kept = [Section(MEASURES["faithfulness"].title, [Finding("kept", "b", "1", True)])]
    path = evaluate(subject, ["sound"], folder=tmp_path, before=[*before, *kept], command="x y")
    after = read_sections(path.parent)
    assert [each.title for each in after] == ["Prompt faithfulness", "Sound (Lumina-V2A)", "Training"]
    assert after[0].findings == kept[0].findings and after[1].findings == []
    assert (after[1].command, after[0].command) == ("x y", "")
    assert after[1].weights == digest(family, MEASURES["sound"].members) != digest(family, ())


def test_another_refiner_leaves_what_the_base_model_does(tmp_path: Path, family: Path) -> None:
    sections = [
        Section(name, [], members=(name,), command="x y", weights=digest(family, (name,)))
        for name in ("vae", "refiner")
    ]
    (family / "refiner" / "config.json").write_text("trained further")
    write_checksums(family)
    text = write_report(tmp_path, sections, engine=ENGINE, family=family).read_text()
    assert text.count("with the weights of before") == 1
    assert text.index("with the weights of before") > text.index("## refiner")
