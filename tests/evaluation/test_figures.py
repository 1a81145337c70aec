"""Figures: curves land where their values say, and a training's log becomes one."""

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import MediaError
from backend.evaluation.__main__ import main
from backend.evaluation.figures import Curve, Figure, draw, training_curve
from backend.evaluation.sections import training_section


def reds(curve: Curve) -> np.ndarray:
    """Return rows and columns (N, 2) of the first curve's pixels, its legend left out."""
    pixels = np.array(draw(Figure("a", "", ("", ""), {"": curve}))).astype(int)
    return np.argwhere(pixels[..., 0] - pixels[..., 2] > 100)


def test_a_rising_curve_goes_from_bottom_left_to_top_right() -> None:
    places = reds([(0.0, 0.0), (5.0, 1.0), (10.0, 2.0)])
    top, bottom = places[places[:, 0].argmin()], places[places[:, 0].argmax()]
    assert top[1] == places[:, 1].max() and bottom[1] == places[:, 1].min()
    assert np.ptp(places[:, 1]) > 500 and np.ptp(places[:, 0]) > 250


@pytest.mark.parametrize("curve", [[], [(1.0, 2.0)], [(1.0, 2.0), (2.0, 2.0)], [(1.0, float("nan"))]])
def test_any_curve_can_be_drawn(curve: Curve) -> None:
    assert draw(Figure("a", "b", ("c", "d"), {"e": curve})).size == (720, 400)


def test_what_is_not_finite_is_left_out() -> None:
    curve = [(0.0, 0.0), (5.0, float("inf")), (10.0, 2.0)]
    assert np.array_equal(reds(curve), reds([curve[0], curve[2]]))


def write_log(folder: Path, losses: list[float]) -> Path:
    path = folder / "refiner-training" / "log.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows: list[dict[str, object]] = [{"minutes": i / 2, "loss": loss} for i, loss in enumerate(losses)]
    rows.insert(1, {"step": 7, "measures": {"psnr": 30.0}})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("losses", "limit"),
    [
        (
            [2.0, 1.5, 1.0, 0.5],
            "From 2.000 to 0.500; in the second half it changed by -50.0%: time limits it.",
        ),
        ([2.0, 1.0, 1.0, 1.0], "changed by -0.0%: more of the same would change little."),
    ],
)
def test_a_curve_says_what_limits_the_training(tmp_path: Path, losses: list[float], limit: str) -> None:
    figure = training_curve(write_log(tmp_path, losses))
    assert figure.name == "training-refiner" and figure.caption.endswith(limit)
    assert figure.curves["loss"] == [(i / 2, loss) for i, loss in enumerate(losses)]


def test_a_training_that_began_anew_is_drawn_from_there(tmp_path: Path) -> None:
    path = write_log(tmp_path, [2.0, 1.5])
    again = path.read_text()
    path.write_text(again + again)
    assert training_curve(path).curves["loss"] == [(0.0, 2.0), (0.5, 1.5)]


def test_a_long_log_is_drawn_with_few_points(tmp_path: Path) -> None:
    assert len(training_curve(write_log(tmp_path, [1.0] * 5000)).curves["loss"]) <= 400


def test_without_logs_there_is_no_section() -> None:
    assert training_section([]) == []


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[1]", '{"minutes": 1}', '{"loss": 1}', '{"loss": null, "minutes": 1}']
)
def test_a_wrong_log_is_refused_in_one_sentence(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(MediaError, match=r"log\.jsonl"):
        training_curve(path)
    assert main(["--quick", "--log", str(tmp_path / "gone.jsonl")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
