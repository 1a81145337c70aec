"""Twenty prompts, twenty clips, one picture to judge them by.

python -m backend.evaluation.first_clips OUT.png [--clips FOLDER] [--weights FOLDER]
    [--preset fast|balanced|quality] [--guidance G]

Every prompt of `prompts.PROMPT_CASES` is made once, with its index as the seed: nothing is picked.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend.config import load_settings
from backend.evaluation.contact_sheet import contact_sheet
from backend.evaluation.prompts import PROMPT_CASES
from backend.media.files import replacing
from backend.media.video import write_video
from backend.models.registry import load_engine
from backend.pipelines.clip import make_clip
from backend.requests import PRESETS, ClipRequest


def make_clips(folder: Path, *, weights_dir: Path, settings: dict[str, Any]) -> list[Path]:
    """Return the MP4s of all cases, made into `folder` by Kinora Pocket; `settings` are request fields."""
    engine = load_engine("kinora-pocket", weights_dir=weights_dir, device="auto")
    paths = []
    for seed, case in enumerate(PROMPT_CASES):
        request = ClipRequest.model_validate({"prompt": case.prompt, "seed": seed} | settings)
        clip = make_clip(engine, request)
        path = folder / f"{seed:02d}.mp4"
        record = {"kinora": {"request": request.model_dump(), "facts": clip.facts}}
        write_video(path, clip.frames, frame_rate=clip.frame_rate, metadata=record)
        paths.append(path)
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m backend.evaluation.first_clips")
    parser.add_argument("output", type=Path, help="PNG to write")
    parser.add_argument("--clips", type=Path, help="folder that keeps the MP4s")
    parser.add_argument("--weights", type=Path, default=load_settings().weights_dir)
    parser.add_argument("--preset", choices=PRESETS, default=ClipRequest.model_fields["preset"].default)
    parser.add_argument("--guidance", type=float, default=ClipRequest.model_fields["guidance_scale"].default)
    options = parser.parse_args(arguments)
    settings = {"preset": options.preset, "guidance_scale": options.guidance}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.clips or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        paths = make_clips(folder, weights_dir=options.weights, settings=settings)
        sheet = contact_sheet(paths, num_frames=7, columns=2)
        with replacing(options.output) as partial:
            sheet.save(partial, "PNG", optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
