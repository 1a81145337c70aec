"""Contact sheets: clips laid out as labelled rows of frames, to be looked at or shown in a README.

python -m backend.evaluation.contact_sheet OUT.png CLIP.mp4 ... [--frames 9] [--columns 1] [--height 96]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.errors import MediaError, StudioError
from backend.media.files import replacing
from backend.media.metadata import read_metadata
from backend.media.video import read_frames

_MARGIN = 8
_FRAME_GAP = 2
_FONT_SIZE = 14
_INK = (232, 232, 236)
_PAPER = (20, 20, 24)
_MAX_LABEL_CHARACTERS = 400

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    clips: Sequence[Path], *, num_frames: int = 9, columns: int = 1, frame_height: int = 96
) -> Image.Image:
    """Return one picture of `clips`, each a label above `num_frames` frames from its first to its last.

    The label is the prompt in the clip's metadata, else its file name. columns: how many clips stand side by
    side. frame_height: in pixels. Raises MediaError if a clip cannot be read.
    """
    font = ImageFont.load_default(size=_FONT_SIZE)
    strips = [_strip(clip, num_frames, frame_height, font) for clip in clips]
    rows = [strips[start : start + columns] for start in range(0, len(strips), columns)]
    cell_width = max(strip.width for strip in strips) + _MARGIN
    row_heights = [max(strip.height for strip in row) + _MARGIN for row in rows]
    size = (min(columns, len(strips)) * cell_width + _MARGIN, sum(row_heights) + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    top = _MARGIN
    for row, row_height in zip(rows, row_heights, strict=True):
        for column, strip in enumerate(row):
            sheet.paste(strip, (_MARGIN + column * cell_width, top))
        top += row_height
    return sheet


def evenly_spaced(count: int, *, picked: int) -> list[int]:
    """Return up to `picked` indices below `count`, from the first to the last at even distances."""
    return [int(index) for index in np.linspace(0, count - 1, min(picked, count)).round()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sheet that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m backend.evaluation.contact_sheet")
    parser.add_argument("output", type=Path, help="PNG to write")
    parser.add_argument("clips", type=Path, nargs="+", metavar="clip", help="videos, one row each")
    parser.add_argument("--frames", type=_positive, default=9, help="frames shown of each clip")
    parser.add_argument("--columns", type=_positive, default=1, help="clips side by side")
    parser.add_argument("--height", type=_positive, default=96, help="height of a frame in pixels")
    options = parser.parse_args(arguments)
    try:
        sheet = contact_sheet(
            options.clips, num_frames=options.frames, columns=options.columns, frame_height=options.height
        )
        with replacing(options.output) as partial:
            sheet.save(partial, "PNG", optimize=True)
    except StudioError as exc:
        parser.error(str(exc))
    return 0


def _positive(text: str) -> int:
    """Return `text` as a whole number of at least 1; argparse reports the error if it is none."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1; you gave {text!r}")
    return int(text)


def _strip(clip: Path, num_frames: int, frame_height: int, font: _Font) -> Image.Image:
    """Return the label of `clip` above a row of its frames."""
    frames = read_frames(clip)
    frame_width = max(1, round(frames.shape[2] * frame_height / frames.shape[1]))
    picked = evenly_spaced(len(frames), picked=num_frames)
    step = frame_width + _FRAME_GAP
    width = len(picked) * step - _FRAME_GAP
    label = _wrapped(_label(clip), width, font)
    label_height = len(label) * (_FONT_SIZE + 4)
    strip = Image.new("RGB", (width, label_height + frame_height), _PAPER)
    draw = ImageDraw.Draw(strip)
    for line, text in enumerate(label):
        draw.text((0, line * (_FONT_SIZE + 4)), text, fill=_INK, font=font)
    for column, index in enumerate(picked):
        frame = Image.fromarray(frames[index]).resize((frame_width, frame_height), Image.Resampling.LANCZOS)
        strip.paste(frame, (column * step, label_height))
    return strip


def _label(clip: Path) -> str:
    """Return the prompt that `clip` was made from, else its file name."""
    try:
        request = read_metadata(clip)["kinora"].get("request")
    except MediaError:
        return clip.name
    prompt = str(request.get("prompt", clip.name)) if isinstance(request, dict) else clip.name
    return prompt if len(prompt) <= _MAX_LABEL_CHARACTERS else prompt[:_MAX_LABEL_CHARACTERS] + " …"


def _wrapped(text: str, width: int, font: _Font) -> list[str]:
    """Return `text` as lines of at most `width` pixels, broken between words; a longer word is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        while font.getlength(word) > width and len(word) > 1:
            word = word[:-1]
        lines.append(word)
    return [line for line in lines if line]


if __name__ == "__main__":
    raise SystemExit(main())
