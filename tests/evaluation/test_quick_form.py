"""The quick form of the evaluation on the trained weights: every section, and only finite figures."""

import json
import re
from pathlib import Path

import pytest

from backend.evaluation.__main__ import main

ASSETS = Path(__file__).parent.parent.parent / "assets"
NEEDED = ("weights/kinora-pocket/checksums.json", "evaluation/verifier/config.json")
SECTIONS = [
    "Prompt faithfulness",
    "Motion strength (Lumina-Video)",
    "Patch sizes (Lumina-Video)",
    "Given frames (STIV)",
    "Joint guidance (STIV)",
    "Motion channels (VideoJAM)",
    "Detail (FlashVideo)",
    "Sound (Lumina-V2A)",
]


def refuse(constant: str) -> None:
    raise AssertionError(f"the report holds {constant}")


@pytest.mark.weights
def test_the_quick_form_writes_every_section_with_finite_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NEEDED:
        if not (ASSETS / name).exists():
            pytest.skip(f"assets/{name} is missing")
    assert main(["--quick", "--out", str(tmp_path), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'report.md'}\n"
    sections = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert [section["title"] for section in sections] == SECTIONS
    text = (tmp_path / "report.md").read_text()
    for section in sections:
        assert f"\n## {section['title']}\n" in text
        assert section["findings"] or section["left_out"]
        for finding in section["findings"]:
            assert re.search(r"\d", finding["measured"]), finding
            assert not re.search(r"\b(nan|inf)\b", finding["measured"]), finding
