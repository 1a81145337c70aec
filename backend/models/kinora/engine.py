"""Kinora Pocket as an engine: its video autoencoder, text encoder and transformers behind eight calls.

Its latents have 32 channels: 16 of appearance, then 16 of motion (the optical flow as a picture, through the
same autoencoder; VideoJAM, arXiv 2502.02492).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backend.errors import WeightsError
from backend.models.engine import Conditioning, Layer, Pass
from backend.models.kinora.autoencoder import FRAMES_PER_LATENT, SPATIAL_FACTOR, VideoAutoencoder
from backend.models.kinora.finisher import Finisher
from backend.models.kinora.member import Member, read_member
from backend.models.kinora.refiner import RefinerTransformer, degraded
from backend.models.kinora.spec import KINORA_POCKET
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import SOURCES, Told, VideoTransformer
from backend.models.placement import Placement, place
from backend.models.weights import problems, weights_sha256

if TYPE_CHECKING:
    from backend.models.kinora.sound_engine import PocketSoundMaker

_CACHED_PROMPTS = 32


@dataclass(frozen=True)
class PromptEmbeds:
    """embeds (1, L, D) float32 and mask (1, L) bool of one prompt, on the engine's device."""

    embeds: Tensor
    mask: Tensor


@dataclass(frozen=True)
class PocketNetworks:
    """The networks, in float32; refiner and finisher are None where their weights are not installed."""

    vae: VideoAutoencoder
    text_encoder: TextEncoder
    transformer: VideoTransformer
    refiner: RefinerTransformer | None = None
    finisher: Finisher | None = None


def load(weights_dir: Path, device: str) -> "PocketEngine":
    """Return the engine with the weights in `weights_dir`/kinora-pocket, on `device`.

    Every file is checked against its sha256 first: WeightsError names the first that is missing or damaged,
    and what is of another version.
    Raises ResourceError for a device that is not there.
    """
    found = problems(weights_dir, KINORA_POCKET)
    if found:
        raise WeightsError(found[0])
    placement = place(device)
    folder = weights_dir / KINORA_POCKET.folder
    networks = PocketNetworks(
        vae=read_member(VideoAutoencoder, folder / "vae"),
        text_encoder=read_member(TextEncoder, folder / "text_encoder"),
        transformer=read_member(VideoTransformer, folder / "transformer"),
        refiner=_installed(RefinerTransformer, folder / "refiner"),
        finisher=_installed(Finisher, folder / "finisher"),
    )
    return PocketEngine(networks, placement, weights_sha256=weights_sha256(folder), folder=folder)


class PocketEngine:
    """Implements the engine protocol. Products are in the placement's dtype, all else in float32."""

    def __init__(
        self, networks: PocketNetworks, placement: Placement, *, weights_sha256: str, folder: Path
    ) -> None:
        """folder: where the sound members lie, which are loaded when the first sound is made."""
        self.spec = KINORA_POCKET
        self.device = str(placement)
        self.weights_sha256 = weights_sha256
        self._placement = placement
        self._folder = folder
        self._sound_maker: PocketSoundMaker | None = None
        placement.settle(networks.text_encoder, is_exact=True)
        for module in (networks.vae, networks.transformer, networks.refiner, networks.finisher):
            if module is not None:
                placement.settle(module)
        self._networks = networks
        self._appearance_channels = int(networks.vae.config["latent_channels"])
        self._embedded = functools.lru_cache(maxsize=_CACHED_PROMPTS)(self._embed)

    def encode_prompt(self, prompt: str) -> PromptEmbeds:
        """Return the embeddings of `prompt`, kept for the prompts used last; of "", the null text."""
        return self._embedded(prompt)

    def latent_shape(self, *, num_frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Return (32, 1 + (num_frames - 1) / 4, height / 8, width / 8)."""
        num_latents = 1 + (num_frames - 1) // FRAMES_PER_LATENT
        return 2 * self._appearance_channels, num_latents, height // SPATIAL_FACTOR, width // SPATIAL_FACTOR

    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (B, 32, F, H, W) float32 per pass, from one batch of them unless sequential."""
        groups = [[each] for each in passes] if self._placement.is_sequential else [passes]
        return [
            each for group in groups for each in self._forward(latents, sigma, conditioning, group, scale)
        ]

    @torch.no_grad()
    def encode(self, frames: np.ndarray) -> Tensor:
        """Return latents (1, 32, F, H, W) of `frames` (4n + 1, H, W, 3) uint8; their motion half is zero."""
        pixels = torch.from_numpy(frames).to(self._placement.device).permute(3, 0, 1, 2)[None]
        with self._placement.autocast():
            appearance = self._networks.vae.encode(pixels.float() / 127.5 - 1).float().cpu()
        return torch.cat([appearance, torch.zeros_like(appearance)], dim=1)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H, W, 3) uint8 of one half of `latents` (1, 32, F, H, W)."""
        first = 0 if layer == "picture" else self._appearance_channels
        half = slice(first, first + self._appearance_channels)
        with self._placement.autocast():
            shown = latents[:, half].to(self._placement.device)
            pixels = self._networks.vae.decode(shown, is_flow=layer == "motion").float()
        frames = ((pixels[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return frames.permute(1, 2, 3, 0).cpu().numpy()

    def preview(self, latents: Tensor, *, layer: Layer = "picture") -> np.ndarray:
        """Return frames (T, H / 2, W / 2, 3) uint8: the means of 2 x 2 latents decode to it."""
        return self.decode(torch.nn.functional.avg_pool3d(latents, (1, 2, 2)), layer=layer)

    def refiner(self, degradation_step: int) -> "PocketRefiner":
        """Return the refiner for drafts degraded to that step; WeightsError where it is not installed."""
        if self._networks.refiner is None:
            raise WeightsError(
                "The refiner of Kinora Pocket is not installed; train it or restore its folder."
            )
        return PocketRefiner(self, self._networks.refiner, self._placement, degradation_step)

    @torch.no_grad()
    def finish(self, frames: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return `frames` (T, H, W, 3) uint8 finished, `low` being the enlarged draft of their shape.

        One by one, which takes little memory and gives a frame the same pixels in any clip. WeightsError
        where the finisher is not installed.
        """
        if self._networks.finisher is None:
            raise WeightsError(
                "The finisher of Kinora Pocket is not installed; train it or restore its folder."
            )
        finished = np.empty_like(frames)
        for index, pair in enumerate(zip(frames, low, strict=True)):
            seen = (torch.from_numpy(each).to(self._placement.device).permute(2, 0, 1)[None] for each in pair)
            with self._placement.autocast():
                pixels = self._networks.finisher(*(each.float() / 127.5 - 1 for each in seen))[0]
            pixels = ((pixels.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
            finished[index] = pixels.permute(1, 2, 0).cpu().numpy()
        return finished

    def soundtrack(self) -> "PocketSoundMaker":
        """Return the sound members, loaded at the first call; WeightsError where they are not installed."""
        if self._sound_maker is None:
            from backend.models.kinora.sound_engine import PocketSoundMaker, load_networks

            self._sound_maker = PocketSoundMaker(self, load_networks(self._folder), self._placement)
        return self._sound_maker

    @torch.no_grad()
    def _embed(self, prompt: str) -> PromptEmbeds:
        embeds, mask = self._networks.text_encoder([prompt])
        return PromptEmbeds(embeds, mask)

    @torch.no_grad()
    def _forward(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        scale: int,
    ) -> Sequence[Tensor]:
        device = self._placement.device
        hidden_states = torch.cat([self._visible(latents, conditioning, each) for each in passes]).to(device)
        prompts = [shown_text(self, conditioning, each) for each in passes]
        copies = latents.shape[0]
        embeds, mask = batch_of(prompts, copies=copies)
        scores = torch.tensor([-1.0 if each.motion_score is None else each.motion_score for each in passes])
        given = _given(conditioning, passes, latents.shape[2])
        with self._placement.autocast():
            velocity = self._networks.transformer(
                hidden_states,
                torch.full((hidden_states.shape[0],), sigma, device=device),
                embeds,
                mask,
                scale=scale,
                told=self._told(conditioning, scores.repeat_interleave(copies), latents.shape[2]),
                given=None if given is None else given.repeat_interleave(copies, 0).to(device),
            )
        return velocity.float().cpu().chunk(len(passes))

    def _told(self, conditioning: Conditioning, scores: Tensor, num_latents: int) -> Told:
        """Return what the passes with these motion `scores` (B,) are told: all else is the same for each."""
        stride, camera, count = conditioning.stride, conditioning.camera, len(scores)
        kind = "picture" if num_latents == 1 else "view" if camera is not None else "clip"
        kind = "story" if stride > 1 else kind
        return Told(
            motion_score=scores,
            stride=torch.full((count,), float(stride)),
            source=torch.full((count,), SOURCES.index(kind)),
            camera=None if camera is None else camera.expand(count, -1, -1),
        ).to(self._placement.device)

    def _visible(self, latents: Tensor, conditioning: Conditioning, which: Pass) -> Tensor:
        """Return `latents` as the pass sees them: given frames clean or motion channels hidden."""
        if conditioning.given is not None and which.image:
            latents = conditioning.given.placed(latents)
        if which.motion_channels:
            return latents
        appearance = latents[:, : self._appearance_channels]
        return torch.cat([appearance, torch.zeros_like(latents[:, self._appearance_channels :])], dim=1)


class PocketRefiner:
    """The second stage behind the refiner protocol, for drafts degraded to one step."""

    def __init__(
        self, engine: PocketEngine, network: RefinerTransformer, placement: Placement, degradation_step: int
    ) -> None:
        self._engine, self._network = engine, network
        self._placement, self._step = placement, degradation_step

    def start(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Return a_k * latents + sqrt(1 - a_k²) * noise (FlashVideo, arXiv 2502.05179 Sec. 3.3)."""
        return degraded(latents, noise, step=torch.full((len(latents),), self._step))

    @torch.no_grad()
    def velocities(
        self,
        latents: Tensor,
        sigma: float,
        conditioning: Conditioning,
        passes: Sequence[Pass],
        *,
        scale: int = 1,
    ) -> list[Tensor]:
        """Return one velocity (B, 16, F, H, W) float32 per pass, made in turn, since a batch needs memory."""
        assert scale == 1  # it has one patch size
        device = self._placement.device
        results = []
        for each in passes:
            prompt = shown_text(self._engine, conditioning, each)
            with self._placement.autocast():
                velocity = self._network(
                    latents.to(device),
                    torch.full((len(latents),), sigma, device=device),
                    prompt.embeds,
                    prompt.mask,
                    degradation=torch.full((len(latents),), self._step, device=device),
                )
            results.append(velocity.float().cpu())
        return results


def shown_text(engine: PocketEngine, conditioning: Conditioning, which: Pass) -> PromptEmbeds:
    """Return the text that the pass sees."""
    prompt = engine.encode_prompt("") if which.text == "none" else getattr(conditioning, which.text)
    assert isinstance(prompt, PromptEmbeds)
    return prompt


def _given(conditioning: Conditioning, passes: Sequence[Pass], num_latents: int) -> Tensor | None:
    """Return which latent frames (P, F) each of the passes is given, None where there are none to give."""
    if conditioning.given is None:
        return None
    given = torch.zeros(len(passes), num_latents, dtype=torch.bool)
    for row, each in enumerate(passes):
        given[row, list(conditioning.given.frames)] = each.image
    return given


def _installed(member: type[Member], folder: Path) -> Member | None:
    return read_member(member, folder) if folder.exists() else None


def batch_of(prompts: Sequence[PromptEmbeds], *, copies: int) -> tuple[Tensor, Tensor]:
    """Return embeds (len(prompts) * copies, L, D) and mask (…, L), padded to the longest prompt."""
    length = max(prompt.mask.shape[1] for prompt in prompts)
    embeds = [_padded(prompt.embeds.transpose(1, 2), length).transpose(1, 2) for prompt in prompts]
    masks = [_padded(prompt.mask, length) for prompt in prompts]
    return torch.cat(embeds).repeat_interleave(copies, 0), torch.cat(masks).repeat_interleave(copies, 0)


def _padded(values: Tensor, length: int) -> Tensor:
    """Return `values` (…, L) with zeros (False) up to `length`."""
    return torch.nn.functional.pad(values, (0, length - values.shape[-1]))
