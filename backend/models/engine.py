"""The engine protocol: what a model family offers so that every sampler, guidance and preview works for it.

This module is torch-free at run time: the registry, the page and the request validation read `EngineSpec`
without loading a network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch


Layer = Literal["picture", "motion"]


@dataclass(frozen=True)
class TokenShift:
    """A timestep shift that grows with the clip: exp(mu), mu on a line through two numbers of tokens.

    tokens, mu: the two points (LTX-Video; diffusers' `calculate_shift`).
    """

    tokens: tuple[int, int]
    mu: tuple[float, float]

    def of(self, num_tokens: int) -> float:
        """Return the shift of a clip of `num_tokens`."""
        (low, high), (first, last) = self.tokens, self.mu
        return math.exp(first + (last - first) * (num_tokens - low) / (high - low))


@dataclass(frozen=True)
class Preset:
    """A whole way to sample: thresholds belong to the shift they were chosen for, so nothing is mixed.

    timestep_shift: of the sigma schedule; 1 leaves it linear; token_shift, where there is one, decides it by
    the length of the clip. shape, last_sigma: see `pipelines.schedules`. patch_schedule: rows of (t, scale),
    see there too; an engine with one scale has one row. text_until, motion_until: t = 1 - sigma at
    which text and image guidance and Inner-Guidance end.
    """

    num_inference_steps: int
    timestep_shift: float = 1.0
    patch_schedule: tuple[tuple[float, int], ...] = ((0.0, 1),)
    text_until: float = 1.0
    motion_until: float = 1.0
    token_shift: TokenShift | None = None
    shape: Literal["even", "linear_quadratic"] = "even"
    last_sigma: float = 0.0


@dataclass(frozen=True)
class PassCost:
    """What one forward pass costs, up to a factor that a machine is measured for.

    token_sizes: patch scale -> (frames, rows, columns) of pixels that one token spans. A pass over N tokens
    costs N + `pair_share` N² (attention). latent_frames: frames that a latent holds, except for the first,
    which holds one in their room.
    """

    token_sizes: dict[int, tuple[int, int, int]]
    pair_share: float = 0.0
    latent_frames: int = 4

    def tokens(self, *, num_frames: int, width: int, height: int, scale: int) -> int:
        """Return of how many tokens a clip is at `scale`."""
        frames, rows, columns = self.token_sizes[scale]
        num_frames += self.latent_frames - 1
        return -(-num_frames // frames) * -(-height // rows) * -(-width // columns)

    def of(self, *, num_frames: int, width: int, height: int, scale: int) -> float:
        """Return the cost of a pass over a clip at `scale`."""
        tokens = self.tokens(num_frames=num_frames, width=width, height=height, scale=scale)
        return tokens * (1 + self.pair_share * tokens)


@dataclass(frozen=True)
class Speed:
    """How fast a machine runs an engine, for a clip of default length and size.

    step_seconds, pass_seconds: patch scale -> seconds that a step takes whatever its passes are, and for each
    forward pass in it. decode_seconds: from latents to all that is decoded.
    """

    step_seconds: dict[int, float]
    pass_seconds: dict[int, float]
    decode_seconds: float


@dataclass(frozen=True)
class DetailSpec:
    """How an engine adds detail.

    max_frames: of one clip. safe_ranges: field of `DetailRequest` -> least and greatest value that were found
    to work; outside of it the page warns, and an absent field was not tried. least_similarity: SSIM with its
    draft below which a detailed clip is said to have left it. aligned_pixels: of which the sides of a clip
    must be multiples. degradation_step: how far drafts are noised where a request does not say.
    has_upsampler: drafts are enlarged as latents, by a network, where they grow enough. holds_to_draft: only
    what is finer than the pixels of a draft changes. has_finisher: a network that sees the draft too goes
    over decoded frames, where drafts grow enough.
    """

    max_frames: int
    safe_ranges: dict[str, tuple[float, float]]
    least_similarity: float = 0.9
    aligned_pixels: int = 16
    degradation_step: int = 500
    has_upsampler: bool = False
    holds_to_draft: bool = False
    has_finisher: bool = False


@dataclass(frozen=True)
class PictureRule:
    """What an engine with the capability "given_frames" does with the pictures of a request.

    accepted, needed: the fields that may, and that must, name one. pinned: those whose picture becomes clean
    latent frames of the clip; the others are shown beside the latents, by `ShowingEngine.show`.
    in_every_pass: the network knows no pass without them, so that only text is guided.
    is_counted: pictures shown beside the latents add to the tokens that decide a preset's `token_shift`.
    """

    accepted: tuple[str, ...] = ("image", "last_image")
    needed: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ("image", "last_image")
    in_every_pass: bool = False
    is_counted: bool = False


@dataclass(frozen=True)
class SoundSpec:
    """How an engine makes sound.

    sample_rate: of what it decodes. steps_per_second: of its latents. window_seconds: how much it hears at
    once; longer clips are made in windows that share overlap_seconds, both whole seconds. max_seconds: of one
    clip. safe_ranges: field of `SoundRequest` -> least and greatest value that were found to work.
    """

    sample_rate: int
    steps_per_second: int
    window_seconds: int
    overlap_seconds: int
    max_seconds: float
    safe_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineSpec:
    """What an engine can make, as data.

    sizes: aspect ratio -> (width, height) in pixels.
    frame_rule: (a, b): frame counts are a * n + b, so that latents cover whole groups of frames.
    duration_range: shortest and longest clip, in seconds.
    folder: of its files inside the weights folder; empty for an engine without files.
    capabilities: names of controls the engine honours ("text_guidance", "motion_score", ...).
    presets: name -> preset, for every one of `requests.PRESETS`.
    pass_cost: what a forward pass costs at each size.
    velocity_parts: into how many groups of channels its velocities fall, appearance first and then motion.
    motion_score_range: least and greatest motion score it was trained on; 0, 0 for an engine without.
    detail: how it adds detail to a draft, or None for an engine that cannot.
    pictures: what it does with given pictures.
    defaults: request field -> value to take where a creator leaves it open, if not the request's own.
    sound: how it makes sound for a clip, or None for an engine that cannot.
    own_sound_rate: samples per second of the sound that it makes together with every clip; 0 for silent ones.
    """

    name: str
    title: str
    sizes: dict[str, tuple[int, int]]
    frame_rate: int
    frame_rule: tuple[int, int]
    duration_range: tuple[float, float]
    max_inference_steps: int
    folder: str
    licence: str
    presets: dict[str, Preset]
    pass_cost: PassCost
    capabilities: frozenset[str] = field(default_factory=frozenset)
    velocity_parts: int = 1
    motion_score_range: tuple[float, float] = (0.0, 0.0)
    detail: DetailSpec | None = None
    pictures: PictureRule = field(default_factory=PictureRule)
    defaults: dict[str, Any] = field(default_factory=dict)
    sound: SoundSpec | None = None
    own_sound_rate: int = 0

    def num_frames(self, duration_seconds: float) -> int:
        """Return the valid frame count nearest to `duration_seconds`."""
        every, first = self.frame_rule
        return every * max(0, round((duration_seconds * self.frame_rate - first) / every)) + first


@dataclass(frozen=True)
class Pass:
    """One forward pass of the network: which conditions it sees.

    text: "prompt", "negative" or "none" (the null text embedding).
    image: whether given clean frames, or the clip that a sound is for, are shown.
    motion_channels: whether the motion half of the latents is shown.
    motion_score: how much motion is asked for, in the engine's unit; None for "not said".
    """

    text: str = "prompt"
    image: bool = True
    motion_channels: bool = True
    motion_score: float | None = None


@dataclass(frozen=True)
class Given:
    """Clean latent frames that a clip must keep: `latents` (1, Ca, n, H, W) belong at the n `frames`.

    Ca is the number of appearance channels, which come first; motion channels are never given.
    """

    frames: tuple[int, ...]
    latents: torch.Tensor

    def placed(self, latents: torch.Tensor) -> torch.Tensor:
        """Return `latents` (B, C, F, H, W) with the given frames in their places, clean."""
        return self._with(latents, self.latents.to(latents))

    def noised(self, latents: torch.Tensor, *, noise: torch.Tensor, sigma: float) -> torch.Tensor:
        """Return `latents` with the given frames in their places, mixed with `noise` of the same shape."""
        own = noise[:, : self.latents.shape[1], list(self.frames)]
        return self._with(latents, (1 - sigma) * self.latents.to(latents) + sigma * own)

    def _with(self, latents: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        result = latents.clone()
        result[:, : self.latents.shape[1], list(self.frames)] = frames
        return result


@dataclass(frozen=True)
class Conditioning:
    """Everything a network pass may look at besides latents and sigma.

    prompt, negative: engine-specific prompt embeddings as returned by `Engine.encode_prompt`.
    given: clean frames, which passes with `image` see in place of the noisy ones.
    stride: latent frames of a longer video from each to the next; above 1 they are its key frames.
    camera: where the camera stands at every latent frame, relative to the first: (F, 6) float32, rows of sin
    and cos of the azimuth, growing to the left, sin and cos of the elevation, log of the distance, and 1.
    Every pass sees stride and camera. Engines with the capabilities "key_frames" and "camera" honour them.
    shown: what `ShowingEngine.show` returned; passes with `image` see it.
    video: the clip that a sound is for, as `SoundMaker.watch` returns it; None for no clip.
    """

    prompt: object
    negative: object
    given: Given | None = None
    stride: int = 1
    camera: torch.Tensor | None = None
    shown: object = None
    video: object | None = None


@dataclass(frozen=True)
class KeyFrame:
    """A picture (H, W, 3) uint8 that the clip shall show at `frame`, which counts pixel frames from 0."""

    frame: int
    picture: np.ndarray


class Predictor(Protocol):
    """What the sampling loop asks: a network that predicts velocities."""

    def velocities(
        self,
        latents: torch.Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[torch.Tensor]:
        """Return one velocity per pass, each of the shape of `latents` (B, C, F, H, W), float32.

        scale: the patch scale, 1 the finest; an engine that has one scale only ignores it.
        """
        ...


class Refiner(Predictor, Protocol):
    """The network that adds detail to an enlarged draft; sigma 1 is the degraded draft, 0 the clip."""

    def start(self, latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the degraded draft (1, C, F, H, W) from the `latents` of the enlarged one and `noise`."""
        ...


class SoundMaker(Predictor, Protocol):
    """The networks that make sound, up to a window of it at once; latents are (1, C, T, R), T the time."""

    def latent_shape(self, num_steps: int) -> tuple[int, int, int]:
        """Return (C, T, R) of `num_steps` latent steps."""
        ...

    def watch(self, frames: np.ndarray, motion: np.ndarray) -> object:
        """Return what a window's passes see of its `frames` (T, H, W, 3) uint8.

        They come at the engine's rate and size. motion: (T, M), the `motion_features` of each frame.
        """
        ...

    def encode(self, samples: np.ndarray) -> torch.Tensor:
        """Return latents of `samples` (N, channels) at the spec's rate; N fills whole latent steps."""
        ...

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Return samples (N, channels) float32 at the spec's rate, of any number of latent steps."""
        ...


class Engine(Predictor, Protocol):
    """Eight calls and a spec. sigma runs from 1 (noise) to 0 (data); velocity = noise - data.

    Latents cross these calls as float32 on the CPU, so that a seed means the same on every machine and a loop
    may stop and resume anywhere; the engine moves them to its device and back.

    device: where and how precisely it runs, for a clip's facts ("cpu, bfloat16").
    weights_sha256: one digest of all its files; empty for an engine without files.
    """

    spec: EngineSpec
    device: str
    weights_sha256: str

    def encode_prompt(self, prompt: str) -> object:
        """Return embeddings of `prompt`; of the empty string, the null text embedding."""
        ...

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (C, F, H, W) of the latents of one clip."""
        ...

    def encode(self, frames: np.ndarray) -> torch.Tensor:
        """Return latents (1, C, F, H, W) of `frames` (T, H, W, 3) uint8."""
        ...

    def decode(self, latents: torch.Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of `latents` (1, C, F, H, W).

        layer: "motion" is the optical flow that the model predicted, as colours over white (VideoJAM, arXiv
        2502.02492 Eq. 5), of engines with the capability "motion_layer".
        """
        ...

    def preview(self, latents: torch.Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return the frames of `decode` smaller (T, h, w, 3) uint8, in a fraction of its time."""
        ...

    def refiner(self, degradation_step: int) -> Refiner:
        """Return the refiner for drafts degraded to that step, of engines whose spec has `detail`.

        Its latents are the appearance channels of those that `encode` gives.
        """
        ...

    def soundtrack(self) -> SoundMaker:
        """Return what makes sound, of engines whose spec has `sound`."""
        ...


@runtime_checkable
class ShowingEngine(Engine, Protocol):
    """An engine whose network looks at given pictures beside its latents; its spec does not pin them all."""

    def show(self, key_frames: Sequence[KeyFrame], *, num_frames: int) -> object:
        """Return what `Conditioning.shown` takes for a clip of `num_frames` pixel frames."""
        ...
