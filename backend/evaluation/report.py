"""The report of an evaluation, as Markdown with figures and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.errors import MediaError
from backend.evaluation.figures import Curve, Figure, draw
from backend.evaluation.finding import Finding
from backend.media.files import replacing
from backend.models.engine import Engine
from backend.models.weights import weights_sha256


@dataclass(frozen=True)
class Section:
    """Findings that one measure made, its figures, and one sentence on what it left out.

    members: what of the family it is about, all if none is named. seconds, command, weights: how long it
    took, what was called, and the digest of its members then.
    """

    title: str
    findings: list[Finding]
    figures: Sequence[Figure] = ()
    left_out: str = ""
    members: Sequence[str] = ()
    seconds: float = 0.0
    command: str = ""
    weights: str = ""


def digest(family: Path, members: Sequence[str]) -> str:
    """Return what tells the weights of `members` of the family apart from others; WeightsError."""
    return weights_sha256(family, members=members)[:12]


def write_report(folder: Path, sections: Sequence[Section], *, engine: Engine, family: Path) -> Path:
    """Write `report.md`, its figures and `report.json` into `folder` and return the path of the first.

    family: folder of the weights of `engine` as they are now.
    """
    path = folder / "report.md"
    for figure in (figure for section in sections for figure in section.figures):
        with replacing(folder / f"{figure.name}.png") as partial:
            draw(figure).save(partial, "PNG", optimize=True)
    with replacing(path) as partial:
        partial.write_text(_markdown(sections, engine, family), encoding="utf-8")
    with replacing(folder / "report.json") as partial:
        partial.write_text(json.dumps([asdict(section) for section in sections], indent=1) + "\n")
    return path


def read_sections(folder: Path) -> list[Section]:
    """Return the sections of the report in `folder`, none where there is no report.

    Raises MediaError where it is not one that `write_report` wrote.
    """
    path = folder / "report.json"
    if not path.exists():
        return []
    try:
        return [_section(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, LookupError, TypeError) as exc:
        raise MediaError(
            f"{path} cannot be read as a report; move it away and measure all sections again."
        ) from exc


def _section(row: dict[str, Any]) -> Section:
    figures = [
        Figure(**{**each, "axes": tuple(each["axes"]), "curves": _curves(each["curves"])})
        for each in row["figures"]
    ]
    findings = [Finding(**each) for each in row["findings"]]
    read = {"findings": findings, "figures": figures, "members": tuple(row["members"])}
    return Section(**{**row, **read})


def _curves(curves: dict[str, list[list[float]]]) -> dict[str, Curve]:
    return {name: [(x, y) for x, y in points] for name, points in curves.items()}


def _markdown(sections: Sequence[Section], engine: Engine, family: Path) -> str:
    findings = [finding for section in sections for finding in section.findings]
    met = sum(finding.is_met for finding in findings)
    lines = [
        f"# Evaluation of {engine.spec.title}",
        "",
        f"Weights `{digest(family, ())}` on {engine.device}. {met} of {len(findings)} relations are met.",
    ]
    for section in sections:
        lines += ["", f"## {section.title}"]
        lines += ["", _origin(section, family)] if section.command else []
        lines += ["", section.left_out] if section.left_out else []
        if section.findings:
            lines += ["", "| what | should be | is | met |", "|---|---|---|---|"]
            lines += [_row(finding) for finding in section.findings]
        for figure in section.figures:
            lines += ["", f"![{figure.title}]({figure.name}.png)", "", figure.caption]
    return "\n".join(lines) + "\n"


def _origin(section: Section, family: Path) -> str:
    is_current = section.weights == digest(family, section.members)
    changed = "" if is_current else f" with the weights of before, `{section.weights}`"
    return f"Measured by `{section.command}`{changed}; this part took {section.seconds / 60:.1f} minutes."


def _row(finding: Finding) -> str:
    mark = "yes" if finding.is_met else "**no**"
    return f"| {finding.title} | {finding.expected} | {finding.measured} | {mark} |"
