"""Train one member:  python launcher.py train MEMBER --minutes N [--resume] [--device auto]

The autoencoder (vae) and the text encoder come first; the base model and the refiner are trained on what they
give. Training data is rendered into the cache by a second process; `--prepare-minutes` waits for that before
the member starts. The sound autoencoder (sound-vae) and the vocoder need nothing: their sounds are made as
they train. The finisher is trained on what the refiner makes. The soundtrack comes last: it is trained on
clips of the vae and sounds of the sound-vae.
"""

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import torch

from backend.models.kinora.refiner import NUM_DEGRADATION_STEPS
from backend.training.autoencoder import AutoencoderRecipe
from backend.training.base import BaseRecipe, parts_of
from backend.training.dataset import (
    clip_scenes,
    filling,
    prepare,
    prepare_details,
    prepare_for_verifier,
    prepare_heard,
    prepare_pairs,
    prepare_sounding,
)
from backend.training.finisher import FinisherRecipe
from backend.training.publish import seal
from backend.training.refiner import Degradation, RefinerDraws, RefinerRecipe
from backend.training.sound_autoencoder import SoundAutoencoderRecipe
from backend.training.sound_verifier import SoundVerifierRecipe
from backend.training.soundtrack import SoundtrackRecipe
from backend.training.text import TextRecipe
from backend.training.trainer import Plan, Recipe, train
from backend.training.verifier import VerifierRecipe
from backend.training.vocoder import VocoderRecipe

logger = logging.getLogger(__name__)
_ROOT = Path(__file__).parent.parent.parent
_LEARNING_RATES = {"vae": 2e-3, "text": 2e-3, "base": 2e-3, "refiner": 2e-3, "verifier": 2e-3}
_LEARNING_RATES |= {"finisher": 2e-3}
_LEARNING_RATES |= {"sound-vae": 2e-3, "vocoder": 1e-3, "soundtrack": 2e-3, "sound-verifier": 2e-3}
_BATCH_SIZES = {"vae": (4,), "text": (128,), "base": (4, 8, 48), "refiner": (2, 4, 8), "verifier": (64,)}
_BATCH_SIZES |= {"finisher": (8,)}
_BATCH_SIZES |= {"sound-vae": (8,), "vocoder": (12,), "soundtrack": (24,), "sound-verifier": (32,)}
_VERIFIER = _ROOT / "assets" / "evaluation" / "verifier"
_SOUND_VERIFIER = _ROOT / "assets" / "evaluation" / "sound_verifier"
_VERIFIERS = {"verifier": _VERIFIER, "sound-verifier": _SOUND_VERIFIER}
_CLIP_SHARDS = 64


def main(arguments: list[str] | None = None) -> int:
    """Run one training and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not 0 <= options.degradation[0] <= options.degradation[1] < NUM_DEGRADATION_STEPS:
        parser.error(f"--degradation takes two steps in order, from 0 to {NUM_DEGRADATION_STEPS - 1}")
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
        "refiner": _prepare_refiner,
        "finisher": _prepare_finisher,
        "verifier": _prepare_verifier,
        "sound-vae": _prepare_sound_autoencoder,
        "vocoder": _prepare_vocoder,
        "soundtrack": _prepare_soundtrack,
        "sound-verifier": _prepare_sound_verifier,
    }[options.member]
    with prepare(options, device) as recipe:
        folder = options.cache / f"{_run_name(options)}-training"
        train(recipe, plan, folder=folder, publish_to=_target(options, folder), resume=options.resume)
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
        "--batch-size",
        type=int,
        nargs="+",
        help="clips per step; base: at each patch size, fine to coarse; refiner: clips, long clips, pictures",
    )
    parser.add_argument(
        "--crops", type=int, nargs=2, default=(0, 0), help="base: clips per step cut around their cast"
    )
    parser.add_argument(
        "--pictures",
        type=int,
        nargs=2,
        default=(0, 0),
        help="base: still pictures per step, whole ones and ones cut around their cast",
    )
    parser.add_argument(
        "--prepare-minutes", type=float, default=10.0, help="time to make training data first"
    )
    parser.add_argument("--shards", type=int, help="vae: shards of 64 clips to render for training")
    parser.add_argument(
        "--keep-latents", action="store_true", help="vae: train only the decoder of the published weights"
    )
    parser.add_argument("--no-compile", action="store_true", help="run without torch.compile")
    parser.add_argument("--cache", type=Path, default=_ROOT / ".cache", help="training data and checkpoints")
    parser.add_argument("--out", type=Path, default=_ROOT / "assets" / "weights" / "kinora-pocket")
    _add_refiner_options(parser)
    return parser


def _add_refiner_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--degradation",
        type=int,
        nargs=2,
        default=(100, 900),
        metavar=("LEAST", "MOST"),
        help="refiner: range of the step that drafts are degraded to, within 0 and 999",
    )
    parser.add_argument(
        "--ablation",
        choices=get_args(Degradation),
        default="pixel_latent",
        help="refiner: which degradation it learns from; what lacks some is not published",
    )
    parser.add_argument("--shift", type=float, default=1.0, help="refiner: shift of sigma towards the draft")


@contextmanager
def _prepare_autoencoder(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the autoencoder's recipe while a second process fills the clip cache."""
    folder = options.cache / "clips"
    with filling("clips", folder, "--shards", str(options.shards or _CLIP_SHARDS)):
        yield AutoencoderRecipe(
            cache=folder,
            device=device,
            batch_size=_batch_sizes(options)[0],
            published=_published(options, "vae"),
            keep_latents=options.keep_latents,
            scenes=clip_scenes(options.cache),
        )


@contextmanager
def _prepare_text(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the text encoder's recipe; captions need no preparation."""
    yield TextRecipe(
        device=device, batch_size=_batch_sizes(options)[0], published=_published(options, "text_encoder")
    )


@contextmanager
def _prepare_sound_autoencoder(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the sound autoencoder's recipe; sounds need no preparation."""
    published = _published(options, "sound_vae")
    yield SoundAutoencoderRecipe(device=device, batch_size=_batch_sizes(options)[0], published=published)


@contextmanager
def _prepare_vocoder(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the vocoder's recipe; sounds need no preparation."""
    published = _published(options, "vocoder")
    yield VocoderRecipe(device=device, batch_size=_batch_sizes(options)[0], published=published)


@contextmanager
def _prepare_soundtrack(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the soundtrack's recipe on all clips that are encoded and have their sound by then."""
    vae_folder = options.out / "vae"
    clips = prepare_sounding(
        options.cache, minutes=options.prepare_minutes, vae_folder=vae_folder, device=device
    )
    logger.info("%d clips with sound", len(clips))
    yield SoundtrackRecipe(
        clips,
        family=options.out,
        device=device,
        batch_size=_batch_sizes(options)[0],
        compile_network=not options.no_compile,
        is_continued=_published(options, "soundtrack") is not None,
    )


@contextmanager
def _prepare_sound_verifier(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the sound verifier's recipe on sounds that are made by then."""
    yield SoundVerifierRecipe(
        prepare_heard(options.cache, minutes=options.prepare_minutes),
        device=device,
        batch_size=_batch_sizes(options)[0],
        published=_SOUND_VERIFIER if options.resume and _SOUND_VERIFIER.exists() else None,
    )


@contextmanager
def _prepare_verifier(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the verifier's recipe on scenes that are rendered by then."""
    pictures, clips = prepare_for_verifier(options.cache, minutes=options.prepare_minutes)
    yield VerifierRecipe(
        pictures=pictures,
        clips=clips,
        device=device,
        batch_size=_batch_sizes(options)[0],
        published=_VERIFIER if options.resume and _VERIFIER.exists() else None,
    )


@contextmanager
def _prepare_base(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the base recipe on all scenes that are rendered and encoded by then."""
    vae_folder = options.out / "vae"
    data = prepare(options.cache, minutes=options.prepare_minutes, vae_folder=vae_folder, device=device)
    logger.info("%d clips, %d pictures", len(data.clips), len(data.pictures))
    yield BaseRecipe(
        data,
        family=options.out,
        device=device,
        parts=parts_of(_batch_sizes(options), options.crops, options.pictures),
        compile_network=not options.no_compile,
        is_continued=_published(options, "transformer") is not None,
    )


@contextmanager
def _prepare_refiner(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the refiner's recipe on all pairs that are rendered and encoded by then."""
    vae_folder = options.out / "vae"
    data = prepare_pairs(options.cache, minutes=options.prepare_minutes, vae_folder=vae_folder, device=device)
    logger.info("pairs: %s", {name: len(pairs) for name, pairs in data.trained.items()})
    draws = RefinerDraws(
        counts=dict(zip(data.trained, _batch_sizes(options), strict=False)),
        degradation=options.ablation,
        steps=tuple(options.degradation),
        shift=options.shift,
    )
    yield RefinerRecipe(
        data,
        draws,
        family=options.out,
        device=device,
        compile_network=not options.no_compile,
        is_continued=_published(options, "refiner") is not None and options.ablation == "pixel_latent",
    )


@contextmanager
def _prepare_finisher(options: argparse.Namespace, device: torch.device) -> Iterator[Recipe]:
    """Yield the finisher's recipe on all details that are made by then."""
    data = prepare_details(options.cache, minutes=options.prepare_minutes, family=options.out, device=device)
    logger.info("%d details", len(data.trained))
    yield FinisherRecipe(
        data.trained,
        data.held_out,
        device=device,
        batch_size=_batch_sizes(options)[0],
        published=_published(options, "finisher"),
    )


def _run_name(options: argparse.Namespace) -> str:
    """Return the name of the run, whose checkpoints those of another must not replace."""
    if options.keep_latents:
        return "decoder"
    is_ablated = options.member == "refiner" and options.ablation != "pixel_latent"
    return f"refiner-{options.ablation}" if is_ablated else str(options.member)


def _target(options: argparse.Namespace, folder: Path) -> Path:
    """Return where the member is published; an ablated refiner stays in the `folder` of its run."""
    if options.member in _VERIFIERS:
        return _VERIFIERS[options.member]
    if _run_name(options).startswith("refiner-"):
        return folder
    folders = {"vae": "vae", "text": "text_encoder", "sound-vae": "sound_vae", "vocoder": "vocoder"}
    out: Path = options.out / folders.get(options.member, ".")
    return out


def _batch_sizes(options: argparse.Namespace) -> tuple[int, ...]:
    return tuple(options.batch_size or _BATCH_SIZES[options.member])


def _published(options: argparse.Namespace, part: str) -> Path | None:
    """Return the folder of the published `part` to start from, or None to start afresh.

    A checkpoint, where there is one, is newer and replaces what was published.
    """
    folder: Path = options.out / part
    return folder if (options.resume or options.keep_latents) and folder.exists() else None


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


if __name__ == "__main__":
    sys.exit(main())
