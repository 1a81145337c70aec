"""Train one member:  python launcher.py train vae|base --minutes N [--resume] [--device auto]

The autoencoder (vae) comes first; the base model is trained on its latents. Training data is rendered into
the cache by a second process; `--prepare-minutes` waits for that before the base model starts.
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
from backend.training.trainer import Plan, Recipe, train

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).parent.parent.parent
_LEARNING_RATES = {"vae": 2e-3, "base": 2e-3}
_BATCH_SIZES = {"vae": 4, "base": 32}
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
    prepare = {"vae": _prepare_autoencoder, "base": _prepare_base}[options.member]
    with prepare(options, device) as recipe:
        name = "decoder" if options.keep_latents else options.member
        folder = options.cache / f"{name}-training"
        target = options.out / "vae" if options.member == "vae" else options.out
        train(recipe, plan, folder=folder, publish_to=target, resume=options.resume)
    seal(options.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python launcher.py train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("member", choices=("vae", "base"))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train (default 30)")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint or the published weights"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate")
    parser.add_argument(
        "--decay", type=float, default=0.35, help="last part of the time, in which it falls to 0"
    )
    parser.add_argument("--batch-size", type=int, help="clips per step")
    parser.add_argument("--side", type=int, default=64, choices=(64, 128), help="base: picture size")
    parser.add_argument("--frames", type=int, default=17, help="base: frames per clip, 4n + 1")
    parser.add_argument(
        "--prepare-minutes", type=float, default=10.0, help="base: time to render scenes first"
    )
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
    with _filling("backend.training.clips", folder, "--shards", str(_CLIP_SHARDS)):
        batch_size = options.batch_size or _BATCH_SIZES["vae"]
        yield AutoencoderRecipe(
            cache=folder,
            device=device,
            batch_size=batch_size,
            published=_published(options, "vae"),
            keep_latents=options.keep_latents,
        )


@contextmanager
def _prepare_base(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the base recipe on all scenes that are rendered and encoded by then."""
    name = f"{options.side}-{options.frames}"
    scenes, latents = options.cache / f"scenes-{name}", options.cache / f"latents-{name}"
    size = ("--side", str(options.side), "--frames", str(options.frames))
    with _filling("backend.training.scenes", scenes, "--shards", str(_SCENE_SHARDS), *size) as process:
        deadline = time.monotonic() + 60 * options.prepare_minutes
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(1)
    encode_all(scenes, latents, vae_folder=options.out / "vae", device=device)
    clips = load_latents(latents)
    logger.info("%d clips of %s", len(clips), name)
    yield BaseRecipe(
        clips,
        vae_folder=options.out / "vae",
        device=device,
        batch_size=options.batch_size or _BATCH_SIZES["base"],
        compile_network=not options.no_compile,
        published=_published(options, "transformer") and options.out,
    )


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
