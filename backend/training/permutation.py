"""Does a model see the order of frames? The base model trained on, with motion channels and without.

    python -m backend.training.permutation [--minutes 10] [--cache DIR] [--out DIR]

VideoJAM (arXiv 2502.02492 Sec. 3, Fig. 3): the loss of a video model hardly rises when the frames of its
clips are shuffled, in the noisy part of sampling; that of a model which also predicts motion does. As there,
both go on from one pretrained model, the published one, for as long and on the same clips; the second never
sees nor predicts motion any more. What it learnt from motion before counts against the first.
The outcome depends on where it is averaged: evenly over sigmas above 0.4, as was first done here, the second
had the larger gap; over the paper's steps, nearly all at noise, the first has, by little.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from backend.config import load_settings
from backend.media.files import replacing
from backend.pipelines.schedules import linear_quadratic
from backend.training.base import BaseBatch, BaseRecipe, Part
from backend.training.dataset import TrainingLatents, prepare
from backend.training.objectives import Drops
from backend.training.trainer import Plan, train

RESULT = Path(__file__).parent.parent.parent / "assets" / "evaluation" / "permutation.json"
_SCALE = 2  # the coarsest that sees single latents' motion: a token of the third spans 32 pixels
_CLIPS_PER_STEP = 16
_LEARNING_RATE = 8e-4
_STEPS = tuple(range(5, 100, 10))  # of a hundred, on VideoJAM's schedule: more than half are nearly noise
_MODELS = {"joint": Drops(), "appearance_alone": Drops(motion_channels=1.0)}


class ScheduleSigmas(BaseRecipe):
    """The base recipe at the sigmas that are measured, not only where the scale is used."""

    sigmas: ClassVar = {_SCALE: (3.0, 2.2)}  # logits nearly those of the schedule's steps


def sigmas_of_steps() -> list[float]:
    """Return the sigma of every one of `_STEPS`."""
    levels = linear_quadratic(100)
    return [round(levels[step], 4) for step in _STEPS]


def gap(recipe: BaseRecipe, sigma: float) -> float:
    """Return by what share the appearance loss on held-out clips rises when their latents are shuffled."""
    losses = {False: 0.0, True: 0.0}
    with torch.no_grad():
        for batch in recipe.held_out_batches(_SCALE):
            noised = replace(batch, sigmas=torch.full_like(batch.sigmas, sigma))
            for is_shuffled in losses:
                appearance, _ = recipe.losses(shuffled(noised) if is_shuffled else noised)
                losses[is_shuffled] += float(appearance)
    return losses[True] / losses[False] - 1


def shuffled(batch: BaseBatch) -> BaseBatch:
    """Return `batch` with all latents but the first, a frame of its own kind, in another order."""
    count = batch.latents.shape[2]
    order = 1 + torch.randperm(count - 1, generator=torch.Generator().manual_seed(0))
    order = torch.cat([torch.zeros(1, dtype=torch.long), order])

    def moved(values: Tensor) -> Tensor:
        return values[:, :, order]

    return replace(batch, latents=moved(batch.latents), weights=moved(batch.weights))


def train_both(data: TrainingLatents, *, family: Path, plan: Plan) -> dict[str, list[float]]:
    """Return the gap at every sigma of each of the two models, trained by `plan`."""
    gaps = {}
    for name, drops in _MODELS.items():
        torch.manual_seed(0)
        parts = [Part(_SCALE, _CLIPS_PER_STEP)]
        recipe = ScheduleSigmas(
            data, family=family, device=plan.device, parts=parts, drops=drops, is_continued=True
        )
        with tempfile.TemporaryDirectory() as folder:
            train(recipe, plan, folder=Path(folder), publish_to=None, resume=False)
        with torch.compiler.set_stance("force_eager"):
            gaps[name] = [round(gap(recipe, sigma), 5) for sigma in sigmas_of_steps()]
    return gaps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="to train each of the two models")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="training data")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    family = load_settings().weights_dir / "kinora-pocket"
    cpu = torch.device("cpu")
    data = prepare(options.cache, minutes=0, vae_folder=family / "vae", device=cpu)
    plan = Plan(minutes=options.minutes, learning_rate=_LEARNING_RATE, device=cpu)
    result = {
        "minutes": options.minutes,
        "steps": _STEPS,
        "sigmas": sigmas_of_steps(),
        "gaps": train_both(data, family=family, plan=plan),
    }
    with replacing(options.out) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
