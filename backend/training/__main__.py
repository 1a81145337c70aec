"""Train one member:  python launcher.py train vae|text|base|verifier --minutes N [--resume] [--device auto]

The autoencoder (vae) and the text encoder come first; the base model is trained on what they give. Training
data is rendered into the cache by a second process; `--prepare-minutes` waits for that before the base model
starts.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from backend.training.autoencoder import AutoencoderRecipe
from backend.training.base import BaseRecipe
from backend.training.latents import encode_all, load_latents
from backend.training.publish import seal
from backend.training.text import TextRecipe
from backend.training.trainer import Plan, Recipe, train
from backend.training.verifier import VerifierRecipe

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).parent.parent.parent
_LEARNING_RATES = {"vae": 2e-3, "text": 2e-3, "base": 2e-3, "verifier": 2e-3}
_BATCH_SIZES = {"vae": (4,), "text": (128,), "base": (4, 8, 48), "verifier": (64,)}
_VERIFIER = _ROOT / "assets" / "evaluation" / "verifier"
_CLIP_SHARDS = 64
_SCENE_SHARDS = 400


def main(arguments: list[str] | None = None) -> int:
    """Run one training and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    device = _device(options.device)
    plan = Plan(
        minutes=options.minutes,
        learning_rate=options.learning_rate or _LEARNING_RATES[options.member],
        device=device,
        decay_fraction=options.decay,
    )
    prepare = {
        "vae": _prepare_autoencoder,
        "text": _prepare_text,
        "base": _prepare_base,
        "verifier": _prepare_verifier,
    }[options.member]
    with prepare(options, device) as recipe:
        name = "decoder" if options.keep_latents else options.member
        folder = options.cache / f"{name}-training"
        target = options.out / {"vae": "vae", "text": "text_encoder"}.get(options.member, ".")
        target = _VERIFIER if options.member == "verifier" else target
        train(recipe, plan, folder=folder, publish_to=target, resume=options.resume)
    seal(options.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python launcher.py train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("member", choices=tuple(_BATCH_SIZES))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train (default 30)")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint or the published weights"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate")
    parser.add_argument(
        "--decay", type=float, default=0.35, help="last part of the time, in which it falls to 0"
    )
    parser.add_argument(
        "--batch-size", type=int, nargs="+", help="clips per step; base: at each patch size, fine to coarse"
    )
    parser.add_argument(
        "--crops", type=int, nargs=2, default=(0, 0), help="base: clips per step cut around their cast"
    )
    parser.add_argument("--side", type=int, default=128, choices=(64, 128), help="base: picture size")
    parser.add_argument("--frames", type=int, default=33, help="base: frames per clip, 4n + 1")
    parser.add_argument(
        "--prepare-minutes", type=float, default=10.0, help="base: time to render scenes first"
    )
    parser.add_argument("--shards", type=int, help="vae, base: shards of 64 clips to render for training")
    parser.add_argument(
        "--keep-latents", action="store_true", help="vae: train only the decoder of the published weights"
    )
    parser.add_argument(
        "--no-compile", action="store_true", help="base: run the network without torch.compile"
    )
    parser.add_argument("--cache", type=Path, default=_ROOT / ".cache", help="training data and checkpoints")
    parser.add_argument("--out", type=Path, default=_ROOT / "assets" / "weights" / "kinora-pocket")
    return parser


@contextmanager
def _prepare_autoencoder(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the autoencoder's recipe while a second process fills the clip cache."""
    folder = options.cache / "clips"
    with _filling("backend.training.clips", folder, "--shards", str(options.shards or _CLIP_SHARDS)):
        yield AutoencoderRecipe(
            cache=folder,
            device=device,
            batch_size=_batch_sizes(options)[0],
            published=_published(options, "vae"),
            keep_latents=options.keep_latents,
            scenes=options.cache / "scenes-128-33",
        )


@contextmanager
def _prepare_text(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the text encoder's recipe; captions need no preparation."""
    yield TextRecipe(
        device=device, batch_size=_batch_sizes(options)[0], published=_published(options, "text_encoder")
    )


@contextmanager
def _prepare_verifier(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the verifier's recipe on the scenes that were rendered for the base model."""
    yield VerifierRecipe(
        scenes=options.cache / "scenes-128-33",
        device=device,
        batch_size=_batch_sizes(options)[0],
        published=_VERIFIER if options.resume and _VERIFIER.exists() else None,
    )


@contextmanager
def _prepare_base(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the base recipe on all scenes that are rendered and encoded by then."""
    name = f"{options.side}-{options.frames}"
    scenes, latents = options.cache / f"scenes-{name}", options.cache / f"latents-{name}"
    size = ("--side", str(options.side), "--frames", str(options.frames))
    shards = ("--shards", str(options.shards or _SCENE_SHARDS))
    with _filling("backend.training.scenes", scenes, *shards, *size) as process:
        deadline = time.monotonic() + 60 * options.prepare_minutes
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(1)
    encode_all(scenes, latents, vae_folder=options.out / "vae", device=device)
    clips = load_latents(latents)
    logger.info("%d clips of %s", len(clips), name)
    yield BaseRecipe(
        clips,
        family=options.out,
        device=device,
        batch_sizes=_batch_sizes(options),
        crop_sizes=tuple(options.crops),
        compile_network=not options.no_compile,
        is_continued=_published(options, "transformer") is not None,
    )


def _batch_sizes(options: argparse.Namespace) -> tuple[int, ...]:
    return tuple(options.batch_size or _BATCH_SIZES[options.member])


def _published(options: argparse.Namespace, part: str) -> Path | None:
    """Return the folder of the published `part` to start from, or None to start afresh.

    A checkpoint, where there is one, is newer and replaces what was published.
    """
    folder: Path = options.out / part
    return folder if (options.resume or options.keep_latents) and folder.exists() else None


@contextmanager
def _filling(module: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `module` on `folder` in a second process until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", module, str(folder), *arguments])
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    sys.exit(main())
