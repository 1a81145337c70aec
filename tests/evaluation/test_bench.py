"""The benchmark: its arithmetic against closed forms, and whole runs on tiny and small networks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.bench.__main__ import QUICK, Amount, bench, main
from backend.evaluation.bench.growth import QUICK_AXES, Axes, Extent, GrowthPoint, exponent, growth_findings
from backend.evaluation.bench.machine import Machine, forget_peak_memory, peak_memory_bytes, this_machine
from backend.evaluation.bench.stages import Job, StageTimes, stage_findings, stage_timings
from backend.evaluation.bench.table import write_bench
from backend.evaluation.bench.timing import Effort, interleaved, timed, timing
from backend.evaluation.sweep import Sweep, SweepPoint, step_time_finding
from backend.models.engine import DetailSpec
from backend.models.kinora.refiner import RefinerTransformer
from backend.models.registry import load_engine
from backend.models.weights import write_checksums
from tests.models.small_pocket import write_small_pocket
from tests.tiny_engine import make

ENGINE = make(Path("no weights"), "cpu")
SMALLEST = Amount(
    axes=Axes(
        tuple(Extent(frames, 32) for frames in (5, 9, 17, 33)),
        tuple(Extent(5, side) for side in (16, 32, 48, 64)),
    ),
    growth_effort=Effort(warmups=0, rounds=1),
    jobs=((Job(512, seconds=0.3), Effort(warmups=0, rounds=2)),),
    sweep_steps=(1, 4, 8),
    places=1,
    frames=2,
)
ROUNDS = [
    {"draft": 2.0, "prepare": 1.0, "step": 1.0, "decode": 1.0, "pass 1": 3.0, "pass 2": 1.0},
    {"draft": 4.0, "prepare": 1.0, "step": 0.5, "decode": 1.0, "pass 1": 6.0, "pass 2": 1.0},
    {"draft": 2.0, "prepare": 1.0, "step": 1.0, "decode": 1.0, "pass 1": 6.0, "pass 2": 1.0},
]


def test_what_is_compared_runs_in_turn_and_warm() -> None:
    order: list[str] = []
    runs = [timed(name, lambda name=name: order.append(name)) for name in "ab"]  # type: ignore[misc]
    rounds = interleaved(runs, Effort(warmups=1, rounds=2))
    assert "".join(order) == "ababab"
    assert len(rounds) == 2 and all({*each} == {"a", "b"} for each in rounds)


def test_ratios_are_taken_within_a_round() -> None:
    times = StageTimes(Job(512, seconds=2.0), {1: 20, 2: 9}, ROUNDS)
    # two stages: 8, 8, 8; single stage: 70, 130, 130; cascade: 33, 20, 33
    single, cascade, share = stage_findings(times)
    assert single.measured == "16.2, least 8.8" and single.is_met
    assert cascade.measured == "4.1, least 2.5" and cascade.is_met
    assert share.measured == "0.25" and share.is_met
    assert timing("a", ROUNDS, times.two_stages, how="b").median_seconds == 8


def test_what_was_not_run_whole_says_from_what_it_was_counted() -> None:
    times = StageTimes(Job(1024, seconds=2.0, detail_steps=1), {1: 20, 2: 9}, ROUNDS[:1])
    draft, two, single, cascade = (row.how for row in stage_timings(times))
    assert draft == "run whole" and two == "extrapolated: 4 steps from 1 step"
    assert single == "extrapolated: 9 passes at scale 2 + 20 passes at scale 1, each timed"
    assert cascade == "extrapolated: 30 steps of two passes from 1 step"
    whole = replace(times, job=Job(1024, seconds=2.0))
    assert stage_timings(whole)[1].how == "run whole"


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.5])
def test_an_exponent_is_that_of_the_law(power: float) -> None:
    assert exponent([1, 2, 4, 8], [3 * size**power for size in (1, 2, 4, 8)]) == pytest.approx(power)


def grown(*, decoding: float, memory: float) -> list[GrowthPoint]:
    """Return points whose base pass costs what is predicted, all else a power of the size of the latents."""
    points = []
    for extent in QUICK_AXES.ascending():
        held = extent.latents * extent.side**2
        size = {"num_frames": extent.num_frames, "width": extent.side, "height": extent.side}
        seconds = {"base pass": ENGINE.spec.pass_cost.of(**size, scale=1), "decoding": held**decoding}
        points.append(GrowthPoint(extent, seconds, round(1000 * held**memory)))
    return points


@pytest.mark.parametrize(("decoding", "memory"), [(1.0, 1.0), (1.3, 1.0), (1.0, 2.0)])
def test_growth_is_judged_by_what_is_predicted(decoding: float, memory: float) -> None:
    findings = growth_findings(ENGINE, grown(decoding=decoding, memory=memory), QUICK_AXES)
    expected = [True, decoding == 1, memory == 1]
    assert [finding.is_met for finding in findings] == 2 * expected
    assert findings[1].measured.startswith(f"{decoding:.2f} (")


@pytest.mark.parametrize(("eight", "is_met"), [(8.0, True), (6.0, False), (9.0, False)])
def test_time_must_grow_with_steps_alone(eight: float, is_met: bool) -> None:
    points = [SweepPoint(4, 20, 5, 4.0), SweepPoint(8, 20, 5, eight)]
    sweep = Sweep(points, SweepPoint(0, 18, 9, 0), SweepPoint(0, 30, 4, 0), scenes=1)
    assert step_time_finding(sweep).is_met == is_met


@pytest.mark.parametrize(("load", "is_noisy"), [(0.2, False), (1.9, True)])
def test_a_busy_machine_is_called_noisy(load: float, is_noisy: bool) -> None:
    machine = Machine("Processor", (), cores=2, threads=1, load=load, memory_bytes=1, versions={})
    assert machine.is_noisy == is_noisy
    assert ("noisy" in str(machine)) == is_noisy and "1 thread on 2 cores" in str(machine)


def test_memory_is_read_in_bytes_and_its_peak_can_be_forgotten() -> None:
    forget_peak_memory()
    before = peak_memory_bytes()
    held = np.ones(2 * 10**8, np.uint8)
    assert 10**7 < before < this_machine().memory_bytes
    assert 1.5 * 10**8 < peak_memory_bytes() - before < 3 * 10**8
    assert held[-1] == 1


def test_a_benchmark_measures_every_part_and_writes_it(tmp_path: Path) -> None:
    said: list[str] = []
    found = bench(ENGINE, SMALLEST, tell=said.append)
    assert len(said) == 3 and not found.left_out
    text = write_bench(tmp_path, found, engine=ENGINE, command="x y").read_text()
    for title in ("Times", "Relations", "Steps of the refiner", "Growth"):
        assert f"\n## {title}\n" in text
    assert "| 0.3 s of 512 px, two stages | run whole |" in text
    assert (tmp_path / "bench-steps-psnr.png").stat().st_size > 1000
    record = json.loads((tmp_path / "bench.json").read_text())
    assert [point["steps"] for point in record["sweep"]["points"]] == [1, 4, 8]
    assert len(record["growth"]) == 7 and len(record["stages"][0]["rounds"]) == 2
    assert record["machine"]["threads"] >= 1 and record["command"] == "x y"


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with small random networks of Pocket, a refiner among them."""
    weights_dir = tmp_path_factory.mktemp("weights")
    write_small_pocket(weights_dir)
    refiner = RefinerTransformer(
        width=32, num_layers=1, num_heads=1, mlp_width=16, text_width=16, condition_width=16
    )
    refiner.save_pretrained(weights_dir / "kinora-pocket" / "refiner")
    write_checksums(weights_dir / "kinora-pocket")
    return weights_dir


def test_small_networks_are_measured_with_their_refiner(small_weights: Path) -> None:
    engine = load_engine("kinora-pocket", weights_dir=small_weights, device="cpu")
    engine.spec = replace(engine.spec, detail=DetailSpec(max_frames=33, safe_ranges={}))
    amount = replace(SMALLEST, jobs=((Job(512, seconds=0.5, detail_steps=1), Effort(0, 1)),), frames=5)
    found = bench(engine, amount, tell=lambda _: None)
    assert {*found.stages[0].rounds[0]} == {
        "draft",
        "prepare",
        "step",
        "decode",
        "pass 1",
        "pass 2",
        "pass 3",
    }
    assert {*found.growth[0].seconds} == {"base pass", "encoding", "decoding", "refiner pass"}
    assert found.sweep is not None and found.sweep.scenes == 1


def test_the_command_says_what_it_leaves_out_without_a_refiner(
    tmp_path: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KINORA_WEIGHTS", str(small_weights))
    monkeypatch.setattr("backend.models.kinora.engine.KINORA_POCKET", without_detail())
    assert main(["--quick", "--out", str(tmp_path), "--device", "cpu"]) == 0
    said = capsys.readouterr()
    sentence = "Two stages, the cascade and the steps are left out: Kinora Pocket adds no detail yet"
    assert said.out == f"{tmp_path / 'bench.md'}\n" and sentence in said.err
    text = (tmp_path / "bench.md").read_text()
    assert sentence in text and "single stage" in text and "Steps of the refiner" not in text
    assert "--threads 1 --quick`" in text and "1 thread on " in text


def without_detail() -> object:
    from backend.models.kinora.spec import KINORA_POCKET

    return replace(KINORA_POCKET, detail=None)


def test_a_missing_folder_of_weights_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KINORA_WEIGHTS", str(tmp_path))
    assert main(["--quick", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("threads", ["0", "-1", "many"])
def test_threads_must_be_a_whole_number(threads: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--threads", threads])
    assert ended.value.code == 2


def test_the_quick_form_has_the_steps_that_relations_need() -> None:
    assert {1, 4, 8} <= {*QUICK.sweep_steps}
