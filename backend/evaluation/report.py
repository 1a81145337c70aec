"""The report of an evaluation, as Markdown with figures and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.evaluation.figures import Figure, draw
from backend.evaluation.finding import Finding
from backend.media.files import replacing
from backend.models.engine import Engine


@dataclass(frozen=True)
class Section:
    """Findings that one measure made, how long it took, its figures, and one sentence on what it left out."""

    title: str
    findings: list[Finding]
    seconds: float
    figures: Sequence[Figure] = ()
    left_out: str = ""


def write_report(folder: Path, sections: Sequence[Section], *, engine: Engine, command: str) -> Path:
    """Write `report.md`, its figures and `report.json` into `folder` and return the path of the first."""
    path = folder / "report.md"
    for figure in (figure for section in sections for figure in section.figures):
        with replacing(folder / f"{figure.name}.png") as partial:
            draw(figure).save(partial, "PNG", optimize=True)
    with replacing(path) as partial:
        partial.write_text(_markdown(sections, engine, command), encoding="utf-8")
    with replacing(folder / "report.json") as partial:
        partial.write_text(json.dumps([asdict(section) for section in sections], indent=1) + "\n")
    return path


def _markdown(sections: Sequence[Section], engine: Engine, command: str) -> str:
    findings = [finding for section in sections for finding in section.findings]
    met = sum(finding.is_met for finding in findings)
    minutes = sum(section.seconds for section in sections) / 60
    lines = [
        f"# Evaluation of {engine.spec.title}",
        "",
        f"Made by `{command}` in {minutes:.1f} minutes on {engine.device}, "
        f"weights `{engine.weights_sha256[:12]}`. {met} of {len(findings)} relations are met.",
    ]
    for section in sections:
        lines += ["", f"## {section.title}"]
        lines += ["", section.left_out] if section.left_out else []
        if section.findings:
            lines += ["", "| what | should be | is | met |", "|---|---|---|---|"]
            lines += [_row(finding) for finding in section.findings]
        for figure in section.figures:
            lines += ["", f"![{figure.title}]({figure.name}.png)", "", figure.caption]
    return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    mark = "yes" if finding.is_met else "**no**"
    return f"| {finding.title} | {finding.expected} | {finding.measured} | {mark} |"
