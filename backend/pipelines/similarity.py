"""How alike a detailed clip and its draft are, measured at the size of the draft."""

from typing import Any

import cv2
import numpy as np

from backend.media.motion import measured_motion

_LEAST_WINDOW = 7  # pixels, of the structural similarity


def faithfulness(frames: np.ndarray, draft: np.ndarray, *, frame_rate: float) -> dict[str, Any]:
    """Return SSIM and motion of `frames`, scaled down, beside those of `draft`; both (T, H, W, 3) uint8.

    "similarity" is the mean structural similarity (Wang et al. 2004) of the frames, None where they are
    smaller than its window; "draft_motion" and "detail_motion" are motion scores.
    """
    height, width = draft.shape[1:3]
    small = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames])
    return {
        "similarity": None if min(height, width) < _LEAST_WINDOW else round(similarity(small, draft), 4),
        "draft_motion": round(measured_motion(draft, frame_rate=frame_rate), 2),
        "detail_motion": round(measured_motion(small, frame_rate=frame_rate), 2),
    }


def similarity(frames: np.ndarray, others: np.ndarray) -> float:
    """Return the mean structural similarity of two clips (T, H, W, 3) uint8, of at least 7 x 7 pixels."""
    from skimage.metrics import structural_similarity  # a second to import, needed by few jobs

    values = [
        structural_similarity(one, other, channel_axis=-1) for one, other in zip(frames, others, strict=True)
    ]
    return float(np.mean(values))
