"""Which degradation does the refiner need in training? Drafts refined by three of them, judged by own-NIQE.

    python -m backend.evaluation.ablation [--cache DIR] [--prompts N] [--out FILE]

FlashVideo (arXiv 2502.05179 Sec. 4.3): a refiner that only ever saw scaled pictures, one that also saw drafts
of the autoencoder, and one whose drafts were noised too. `launcher.py train refiner --ablation none` and
`--ablation pixel` train the first two, into the cache; the third is the published one.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.config import load_settings
from backend.evaluation.cases import held_out_scenes, rendered
from backend.evaluation.detail_cases import SIDE, asked
from backend.evaluation.naturalness import Statistics, statistics_of, unnaturalness
from backend.evaluation.runs import request
from backend.media.files import replacing
from backend.models.engine import Engine, EngineSpec, Refiner
from backend.models.kinora.engine import PocketRefiner
from backend.models.kinora.refiner import RefinerTransformer
from backend.models.placement import place
from backend.models.registry import load_engine
from backend.pipelines.clip import make_clip
from backend.pipelines.detail import Draft, make_detail

KINDS = ("none", "pixel", "pixel_latent")
_ASSETS = Path(__file__).parent.parent.parent / "assets" / "evaluation"
_REFERENCE_SEED, _REFERENCES = 500, 24
_STEPS = 4


class WithRefiner:
    """An engine with another refiner, which was trained without noise and is given drafts without any."""

    def __init__(self, engine: Any, network: RefinerTransformer, *, device: str) -> None:
        self._engine, self._network, self._placement = engine, network, place(device)
        self._placement.settle(network)
        self.spec: EngineSpec = engine.spec
        self.device, self.weights_sha256 = engine.device, engine.weights_sha256

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def refiner(self, degradation_step: int) -> Refiner:
        """Return the other refiner; whatever was asked for, the draft is kept as it is."""
        assert degradation_step >= 0
        return PocketRefiner(self._engine, self._network, self._placement, 0)


def judged(
    engines: Mapping[str, Engine], drafts: Mapping[str, Draft], *, natural: Statistics
) -> dict[str, float]:
    """Return the own-NIQE of the last frames of `drafts`, by prompt, as each of `engines` refines them."""
    scores = {}
    for name, engine in engines.items():
        frames = [
            make_detail(engine, asked(engine, prompt, seed=seed, steps=_STEPS), draft).frames[-1]
            for seed, (prompt, draft) in enumerate(drafts.items())
        ]
        scores[name] = round(unnaturalness(np.stack(frames), natural), 4)
    return scores


def main(arguments: list[str] | None = None) -> int:
    """Write the result and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where trainings are")
    parser.add_argument("--prompts", type=int, default=16, help="how many drafts to refine")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--out", type=Path, default=_ASSETS / "ablation.json")
    options = parser.parse_args(arguments)
    engine = load_engine("kinora-pocket", weights_dir=load_settings().weights_dir, device=options.device)
    engines: dict[str, Any] = {kind: _ablated(engine, kind, options) for kind in KINDS[:-1]}
    engines[KINDS[-1]] = engine
    scenes = held_out_scenes("clip", num_frames=1)
    drafts = {}
    for seed, (_, prompt) in zip(range(options.prompts), scenes, strict=False):
        clip = make_clip(engine, request(engine, prompt, seed=seed))
        drafts[prompt] = Draft(clip.frames, float(clip.frame_rate))
    scores = judged(engines, drafts, natural=_natural())
    with replacing(options.out) as partial:
        partial.write_text(json.dumps({"drafts": len(drafts), "unnaturalness": scores}, indent=1) + "\n")
    return 0


def _ablated(engine: Engine, kind: str, options: argparse.Namespace) -> WithRefiner:
    folder = options.cache / f"refiner-{kind}-training" / "refiner"
    network = RefinerTransformer.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    return WithRefiner(engine, network, device=options.device)


def _natural() -> Statistics:
    scenes = held_out_scenes("picture", num_frames=1, first_seed=_REFERENCE_SEED)
    pictures = [rendered(scene, side=SIDE) for (scene, _), _ in zip(scenes, range(_REFERENCES), strict=False)]
    return statistics_of(np.concatenate(pictures))


if __name__ == "__main__":
    raise SystemExit(main())
