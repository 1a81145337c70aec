"""Frames whose content is known in closed form, and foreign files made by ffmpeg."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np


def moving_blob(num_frames: int = 33, height: int = 128, width: int = 128) -> np.ndarray:
    """Return (T, H, W, 3) uint8: a soft red blob that moves right over a smooth gradient."""
    time, y, x = np.meshgrid(np.arange(num_frames), np.arange(height), np.arange(width), indexing="ij")
    blob = np.exp(-((x - 20 - 2 * time) ** 2 + (y - height / 2) ** 2) / 400)
    return np.stack([40 + 200 * blob, 40 + x, 40 + y], axis=-1).clip(0, 255).astype(np.uint8)


def one_colour(colour: tuple[int, int, int], *, num_frames: int = 4, side: int = 32) -> np.ndarray:
    """Return (T, side, side, 3) uint8 frames that are all of one colour."""
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (num_frames, side, side, 3)).copy()


def run_ffmpeg(*arguments: str | Path) -> bytes:
    """Return what ffmpeg wrote to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def pattern_clip(path: Path, *, size: str = "64x48", rate: str = "16", seconds: float = 1.0) -> Path:
    """Return `path`, where a video of ffmpeg's test pattern now is."""
    run_ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-t", str(seconds), path)
    return path


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of two uint8 arrays of one shape."""
    error = np.mean((first.astype(np.float64) - second) ** 2)
    return float(10 * np.log10(255**2 / error))
