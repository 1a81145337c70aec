"""Measure Kinora Pocket: launcher.py evaluate [--quick] [--only NAME ...] [--out DIR] [--log FILE ...]

Every figure lands in one report, beside the relation that a paper found or that we set ourselves, met or not.
The report is written anew after each section, so that what was measured is not lost; with --only, all other
sections stay as they are. The quick form asks for few clips of few steps: it shows that the measures run, its
figures are coarse.
"""

import argparse
import sys
from pathlib import Path

from backend.config import load_settings
from backend.errors import StudioError
from backend.evaluation.report import Section, read_sections, write_report
from backend.evaluation.runs import hurried
from backend.evaluation.sections import (
    ASSETS,
    FULL,
    MEASURES,
    QUICK,
    TRAINING,
    Subject,
    measured,
    training_section,
)
from backend.evaluation.verifier import Verifier
from backend.models.registry import load_engine


def evaluate(
    subject: Subject, names: list[str], *, folder: Path, before: list[Section], command: str
) -> Path:
    """Measure the sections called `names`; return the path of the report that has them beside `before`."""
    sections = {section.title: section for section in before}
    order = [*(measure.title for measure in MEASURES.values()), TRAINING]
    for name in names:
        print(MEASURES[name].title, file=sys.stderr)
        section = measured(name, subject, command=command)
        sections[section.title] = section
        told = [sections[title] for title in order if title in sections]
        path = write_report(folder, told, engine=subject.engine, family=subject.family)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Write the report that `arguments` ask for and return the exit code."""
    options = _parser().parse_args(arguments)
    if not (ASSETS / "verifier" / "config.json").exists():
        print(
            "The verifier is missing; train it with: python launcher.py train verifier --minutes 10",
            file=sys.stderr,
        )
        return 1
    weights, amount = load_settings().weights_dir, QUICK if options.quick else FULL
    try:
        trained = training_section(options.log)
        engine = load_engine("kinora-pocket", weights_dir=weights, device=options.device)
        before = read_sections(options.out) if options.only else []
    except StudioError as exc:
        print(exc, file=sys.stderr)
        return 1
    if options.quick:
        engine.spec = hurried(engine.spec)
    verifier = Verifier.from_pretrained(ASSETS / "verifier", use_safetensors=True).float().eval()
    subject = Subject(engine, verifier, amount, weights / engine.spec.folder)
    names = [name for name in MEASURES if name in (options.only or MEASURES)]
    command = "python launcher.py evaluate" + " --quick" * options.quick
    print(evaluate(subject, names, folder=options.out, before=[*before, *trained], command=command))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python launcher.py evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few clips of few steps: minutes, not an hour")
    parser.add_argument("--only", nargs="+", choices=tuple(MEASURES), help="measure these sections alone")
    parser.add_argument("--out", type=Path, default=ASSETS, help="folder of the report")
    parser.add_argument("--log", type=Path, nargs="+", default=[], help="log.jsonl of trainings, to be drawn")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
