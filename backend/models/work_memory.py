"""How much memory the work on a clip takes beside the weights, by family. Torch-free.

The numbers were read off the live tensors of the families' own networks on a clip of 832 x 480 (Wan with 17
and 81 frames, LTX-Video and LTX-2 with 161), with the transformer in 16 bits and the VAE in 32.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkMemory:
    """block_copies: of the values that a block computes on all tokens, how often they are alive at its peak.

    picture_bytes, clip_bytes: that decoding takes for each pixel of one frame, and of every frame.
    tile_pixels: of a frame that are decoded at once where the memory plan says so.
    """

    block_copies: float
    picture_bytes: float
    clip_bytes: float
    tile_pixels: int

    def sampling_bytes(self, *, tokens: int, values: float, value_bytes: int) -> float:
        """Return the peak of one pass over `tokens`, on each of which a block computes `values`."""
        return self.block_copies * tokens * values * value_bytes

    def decoding_bytes(self, *, num_frames: int, width: int, height: int, is_tiled: bool) -> float:
        """Return the peak of decoding a clip."""
        pixels = width * height
        at_once = min(pixels, self.tile_pixels) if is_tiled else pixels
        peak = (self.picture_bytes + self.clip_bytes * num_frames) * at_once
        return peak + _FRAME_BYTES * num_frames * pixels if is_tiled else peak


_FRAME_BYTES = 24  # the finished frames in 32 bits, once as they are and once put together

WORK_MEMORY = {
    "wan_video": WorkMemory(1.65, picture_bytes=19_500, clip_bytes=12.5, tile_pixels=256 * 256),
    "ltx_video": WorkMemory(2.0, picture_bytes=0, clip_bytes=137, tile_pixels=512 * 512),
    # Every token has a noise level of its own, from which each block scales and shifts it.
    "ltx2_video": WorkMemory(4.28, picture_bytes=202, clip_bytes=169, tile_pixels=512 * 512),
}
"""Family -> what its work takes; see `of_family` for the others."""


def of_family(family: str) -> WorkMemory:
    """Return what work of the family takes; of one that was not measured, what LTX-Video takes."""
    return WORK_MEMORY.get(family, WORK_MEMORY["ltx_video"])
