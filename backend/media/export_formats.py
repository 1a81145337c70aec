"""One function per export format: each writes the whole file and raises unless it reads back as planned."""

import json
import re
import tempfile
import wave
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from backend.errors import DiskFullError, MediaError
from backend.media.export_settings import FOREVER, ExportSettings
from backend.media.ffmpeg import input_arguments, run
from backend.media.files import PARTIAL_SUFFIX
from backend.media.metadata import read_comment, tags_file
from backend.media.probe import VideoFacts, probe
from backend.media.watch import Watch

EXPORT_TIMEOUT_SECONDS = 3600

_THREADS = ("-threads", "4")  # x264 gives the same bytes for the same number of threads
_EXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact")
_BT709 = (
    "out_color_matrix=bt709:out_range=tv:flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact,"
    "format=yuv420p,setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
_TO_RGB = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact,format=rgb24"
_SAMPLE_RATE = 48_000
_X264_CRF = {"best": 14, "high": 20, "small": 28}
_VP9_CRF = {"best": 16, "high": 28, "small": 42}
_GIF_COLOURS = {"best": 256, "high": 96, "small": 32}
_GIF_HEADER_BYTES, _GIF_LOOP_BYTES = 13, 19
_GIF_TICKS = 100  # a GIF counts in hundredths of a second


@dataclass(frozen=True)
class Plan:
    """What to write. num_frames: of the whole file; loops: how often the clip plays, 0 for ever.

    comment: JSON that says how the clip was made, empty for none. watch: of the writing.
    """

    source: Path
    facts: VideoFacts
    settings: ExportSettings
    width: int
    height: int
    frame_rate: float
    num_frames: int
    loops: int
    comment: str
    watch: Watch

    @property
    def keeps_pictures(self) -> bool:
        """Return whether the frames are those of the source."""
        is_same_size = (self.width, self.height) == (self.facts.width, self.facts.height)
        return is_same_size and self.frame_rate == self.facts.frame_rate and not self.repeats_sound

    @property
    def repeats_sound(self) -> bool:
        """Return whether picture and sound are repeated together, which only filters do without a gap."""
        return self.loops > 1 and self.facts.has_audio and self.settings.format != "gif"


def write_mp4(plan: Plan, target: Path) -> None:
    """Write H.264 in MP4; where nothing changes, the very stream of the source."""
    encode = ["-vf", _filters(plan, end=_BT709), "-c:v", "libx264", "-preset", "medium"]
    encode += ["-crf", str(_X264_CRF[plan.settings.quality])]
    is_copy = plan.keeps_pictures and plan.facts.codec == "h264" and plan.settings.quality == "best"
    is_aac = plan.source.suffix == ".mp4" and not plan.repeats_sound
    sound = ["-c:a", "copy"] if is_aac else ["-c:a", "aac", "-b:a", "256k"]
    codec = ["-c:v", "copy"] if is_copy else encode
    _write_tagged(plan, target, [*codec, *sound, "-movflags", "+faststart", "-f", "mp4"])
    _verify(plan, target, rate_tolerance=1e-3)


def write_webm(plan: Plan, target: Path) -> None:
    """Write VP9, and Opus for sound, in WebM."""
    quality = ["-crf", str(_VP9_CRF[plan.settings.quality]), "-b:v", "0"]
    speed = ["-deadline", "good", "-cpu-used", "4", "-row-mt", "1"]
    codec = ["-vf", _filters(plan, end=_BT709), "-c:v", "libvpx-vp9", *quality, *speed]
    _write_tagged(plan, target, [*codec, "-c:a", "libopus", "-b:a", "160k", "-f", "webm"])
    _verify(plan, target, rate_tolerance=0.05 * plan.frame_rate)  # WebM counts in milliseconds


def write_gif(plan: Plan, target: Path) -> None:
    """Write a GIF with a palette of its own; it says how it was made in a comment block."""
    colours = _GIF_COLOURS[plan.settings.quality]
    palette = f"split[a][b];[a]palettegen=max_colors={colours}[p];[b][p]paletteuse=dither=sierra2_4a"
    filters = _filters(plan, end=f"flags=lanczos,{palette}")
    repeats = 0 if plan.loops == FOREVER else plan.loops - 1 or -1
    _run(
        plan,
        target,
        [*_input(plan), "-map", "0:V:0", "-vf", filters, *_pace(plan)],
        "-loop",
        str(repeats),
        "-f",
        "gif",
    )
    _add_gif_comment(target, plan.comment)
    # A frame is shown for whole hundredths of a second, so the rate is met on average alone.
    _verify(plan, target, rate_tolerance=plan.frame_rate**2 / _GIF_TICKS)


def write_png(plan: Plan, target: Path) -> None:
    """Write one PNG per frame, packed in a ZIP together with kinora.json, which says how they were made."""
    with tempfile.TemporaryDirectory(prefix=".frames-", suffix=PARTIAL_SUFFIX, dir=target.parent) as folder:
        pattern = Path(folder.replace("%", "%%")) / "%06d.png"
        arguments = [*_input(plan), "-map", "0:V:0", "-vf", _filters(plan, end=_TO_RGB)]
        _run(plan, pattern, [*arguments, *_pace(plan)], "-c:v", "png", "-f", "image2")
        frames = sorted(Path(folder).glob("*.png"))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as pack:
            for frame in frames:
                pack.write(frame, frame.name)
            if plan.comment:
                pack.writestr("kinora.json", plan.comment)
    _verify_pack(plan, target)


def write_wav(plan: Plan, target: Path) -> None:
    """Write the sound alone, as 16-bit PCM."""
    with _tags(plan) as tags:
        arguments = [
            *_input(plan),
            *tags,
            "-map",
            "0:a:0",
            *_sound_filters(plan),
            "-c:a",
            "pcm_s16le",
            *_EXACT,
        ]
        _run(plan, target, arguments, "-f", "wav")
    try:
        with wave.open(str(target)) as sound:
            is_whole = sound.getnframes() > 0
    except (wave.Error, EOFError):
        is_whole = False
    if not is_whole or plan.comment.encode() not in target.read_bytes():
        raise MediaError("The sound was not kept because it did not read back; export it again.")


def _filters(plan: Plan, *, end: str) -> str:
    """Return the chain that gives frames their rate and size; `end` is the rest of the scaling and after."""
    rate = "" if plan.frame_rate == plan.facts.frame_rate else f"fps={plan.frame_rate:g},"
    chain = f"{rate}scale={plan.width}:{plan.height}:{end}"
    if not plan.repeats_sound:
        return chain
    # Past the last frame, the filter repeats what it has.
    return (
        f"{chain},loop={plan.loops - 1}:{plan.num_frames // plan.loops + 2},setpts=N/({plan.frame_rate:g}*TB)"
    )


def _sound_filters(plan: Plan) -> list[str]:
    """Return the arguments that repeat the sound, each time exactly as long as the picture."""
    if not plan.repeats_sound:
        return []
    seconds = plan.num_frames / plan.loops / plan.frame_rate
    num_samples = round(seconds * _SAMPLE_RATE)
    trim = f"aresample={_SAMPLE_RATE},apad,atrim=end_sample={num_samples}"
    return ["-af", f"{trim},aloop={plan.loops - 1}:{num_samples},asetpts=N/SR/TB"]


def _pace(plan: Plan) -> list[str]:
    """Return the argument that leaves frames as they come, where their rate is not changed."""
    return ["-fps_mode", "passthrough"] if plan.frame_rate == plan.facts.frame_rate else []


def _input(plan: Plan) -> list[str]:
    """Return the arguments that read the source, as often as it shall play within the file."""
    is_repeated = plan.loops > 1 and plan.settings.format != "gif" and not plan.repeats_sound
    repeats = ["-stream_loop", str(plan.loops - 1)] if is_repeated else []
    return [*repeats, *input_arguments(plan.source)]


@contextmanager
def _tags(plan: Plan) -> Iterator[list[str]]:
    """Yield the arguments that make the file say what the plan's comment says, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="kinora-") as folder:
        path = Path(folder) / "tags.txt"
        path.write_text(tags_file(plan.comment, title=_title(plan)), encoding="utf-8", newline="\n")
        yield ["-f", "ffmetadata", "-i", f"file:{path}", "-map_metadata", "1" if plan.comment else "-1"]


def _title(plan: Plan) -> str:
    """Return the prompt of the clip, or nothing where the file shall not say it."""
    request = json.loads(plan.comment)["kinora"].get("request") if plan.comment else None
    return str(request.get("prompt", "")) if isinstance(request, dict) else ""


def _write_tagged(plan: Plan, target: Path, codec: Sequence[str]) -> None:
    """Write picture and sound with `codec`, and check that the file says how it was made."""
    is_copy = list(codec[:2]) == ["-c:v", "copy"]
    with _tags(plan) as tags:
        streams = ["-map", "0:V:0", "-map", "0:a:0?", "-map_chapters", "-1", *_sound_filters(plan)]
        pace = [] if is_copy else _pace(plan)
        _run(plan, target, [*_input(plan), *tags, *streams, *pace, *_THREADS, *_EXACT], *codec)
    if read_comment(target) != plan.comment:
        raise MediaError("The export was not kept because its metadata did not read back; export it again.")


def _run(plan: Plan, target: Path, arguments: Sequence[str], *output: str) -> None:
    """Let ffmpeg write `target`; MediaError or DiskFullError where it cannot."""
    finished = run(
        [*arguments, *output, "-y", f"file:{target}"],
        timeout_seconds=EXPORT_TIMEOUT_SECONDS,
        watch=plan.watch,
    )
    if any("No space left on device" in error for error in finished.errors):
        raise DiskFullError("The disk is full, so nothing was exported; free some space and try again.")
    if finished.returncode:
        reason = finished.errors[0] if finished.errors else f"ffmpeg ended with {finished.returncode}"
        told = re.sub(r"[^\s']*[/\\][^\s']*", "the file", reason)
        raise MediaError(f"The clip could not be exported as {plan.settings.format}: {told}.")


def _verify(plan: Plan, path: Path, *, rate_tolerance: float) -> None:
    """Raise MediaError unless the written video is what was planned."""
    found = probe(path)
    # Where the rate is changed, the last frame falls on either side of the end.
    slack = 0 if plan.frame_rate == plan.facts.frame_rate else max(plan.loops, 1)
    is_right = (
        (found.width, found.height) == (plan.width, plan.height)
        and abs(found.num_frames - plan.num_frames) <= slack
        and (found.num_frames == 1 or abs(found.frame_rate - plan.frame_rate) <= rate_tolerance)
        and (plan.settings.format == "gif" or found.has_audio == plan.facts.has_audio)
    )
    if not is_right:
        raise MediaError(
            f"The export was not kept because it read back as {found.num_frames} frames of "
            f"{found.width}x{found.height} at {found.frame_rate:g} per second instead of "
            f"{plan.num_frames} of {plan.width}x{plan.height} at {plan.frame_rate:g}; export it again."
        )


def _verify_pack(plan: Plan, path: Path) -> None:
    """Raise MediaError unless the ZIP holds every frame, undamaged and of the right size."""
    with zipfile.ZipFile(path) as pack:
        names = [name for name in pack.namelist() if name.endswith(".png")]
        is_right = pack.testzip() is None and bool(names)
        for name in names:
            with pack.open(name) as file, Image.open(file, formats=("PNG",)) as frame:
                is_right &= frame.size == (plan.width, plan.height)
    slack = 0 if plan.frame_rate == plan.facts.frame_rate else 1
    if not is_right or abs(len(names) - plan.num_frames) > slack:
        raise MediaError(
            f"The export was not kept because {len(names)} frames read back instead of {plan.num_frames}; "
            "export it again."
        )


def _add_gif_comment(path: Path, comment: str) -> None:
    """Put `comment` into the GIF at `path`, in a comment block before its frames (GIF89a, section 24)."""
    if not comment:
        return
    text, content = comment.encode(), path.read_bytes()
    parts = [text[at : at + 255] for at in range(0, len(text), 255)]
    block = b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\x00"
    at = _GIF_HEADER_BYTES + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    if content[at : at + 2] == b"\x21\xff":
        at += _GIF_LOOP_BYTES
    path.write_bytes(content[:at] + block + content[at:])
