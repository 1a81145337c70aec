"""How much a clip moves, in Lumina-Video's motion score, and the optical flow that tells it."""

from itertools import pairwise

import cv2
import numpy as np

_SCORED_SIZE = (576, 320)
_SCORED_SECONDS = 0.5


def motion_score(flow: np.ndarray, *, frame_rate: float) -> float:
    """Return Lumina-Video's motion score (arXiv 2502.06782 Sec. 3.3) of `flow` (F - 1, 2, H, W).

    flow is in pixels per frame, the score the mean of |u| and |v| in pixels per half second at 576 x 320
    (portrait: 320 x 576). 0 for a single frame.
    """
    if not len(flow):
        return 0.0
    height, width = flow.shape[-2:]
    wide, high = _SCORED_SIZE if width >= height else _SCORED_SIZE[::-1]
    across = np.abs(flow[:, 0]).mean() * wide / width
    down = np.abs(flow[:, 1]).mean() * high / height
    return float((across + down) / 2 * frame_rate * _SCORED_SECONDS)


def optical_flow(frames: np.ndarray) -> np.ndarray:
    """Return the flow (F - 1, 2, H, W) in pixels per frame between `frames` (F, H, W, 3) uint8, by DIS."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    still = np.zeros((*grey[0].shape, 2), np.float32)
    flows = [estimator.calc(before, after, still.copy()) for before, after in pairwise(grey)]
    return (
        np.stack(flows).transpose(0, 3, 1, 2) if flows else np.zeros((0, 2, *frames.shape[1:3]), np.float32)
    )


def measured_motion(frames: np.ndarray, *, frame_rate: float) -> float:
    """Return the motion score of `frames` (F, H, W, 3) uint8, from their estimated flow."""
    return motion_score(optical_flow(frames), frame_rate=frame_rate)
