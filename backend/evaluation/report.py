"""The report of an evaluation, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from backend.evaluation.finding import Finding
from backend.media.files import replacing
from backend.models.engine import Engine


@dataclass(frozen=True)
class Section:
    """Findings that one measure made, and how long it took."""

    title: str
    findings: list[Finding]
    seconds: float


def write_report(folder: Path, sections: Sequence[Section], *, engine: Engine, command: str) -> Path:
    """Write `report.md` and `report.json` into `folder` and return the path of the first."""
    path = folder / "report.md"
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
        lines += ["", f"## {section.title}", "", "| what | should be | is | met |", "|---|---|---|---|"]
        lines += [_row(finding) for finding in section.findings]
    return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    mark = "yes" if finding.is_met else "**no**"
    return f"| {finding.title} | {finding.expected} | {finding.measured} | {mark} |"
