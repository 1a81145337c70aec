"""Recipe of the soundtrack model: clip and text to audio latents, as Lumina-V2A (arXiv 2502.06782 Sec. 4).

Flow matching in the latents of the published sound autoencoder. Text and clip are hidden independently, as in
MMAudio (arXiv 2412.15322), and both together for the null branch of guidance. Some clips are dubbed: their
words name all that is heard, other things than the pictures would sound like, at the same moments; so text
wins where it speaks, and the clip says when. Cuts of a second teach windows that begin within a clip. Clips
in which something strikes are drawn more often, since blows are rare and what everyone listens for. Beside
that, the reader of clips learns to name place and voices, and what moves how, of clips that are disturbed, so
that it does not learn the clips by heart: without, the soundtrack hardly told one lasting voice from another.
The soundtrack is shown disturbed clips too: it shall trust its reader as far as that can be trusted.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from backend.evaluation.onsets import NO_ONSETS, agreement, onsets
from backend.evaluation.sound_sampler import Silent, sample_sound
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.soundtrack import STEP_SECONDS, SoundtrackTransformer
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.placement import mixed_precision
from backend.training.conditions import embed_captions
from backend.training.naming import Named, disturbed, names_of
from backend.training.objectives import draw_sigmas
from backend.training.publish import load_published, save_half, seal
from backend.training.sounding import SoundingClips
from backend.training.world.captions import caption
from backend.training.world.dubbing import Heard
from backend.training.world.places import PLACES
from backend.training.world.sound_captions import full_phrase, true_phrase
from backend.training.world.voices import BLOWS, VOICES

_HELD_OUT = 128  # as for the base model: the first shard, which is the same scenes
_MEASURED = 64
_SAMPLED = 12
_SHOWN = 6
_SHIFT = 1.5  # of sigmas towards noise: when and what is decided early
_BLOW_WEIGHT = 1.5
_NAMED_AT_ONCE = 96
_NAMES_WEIGHT = 0.3
_FRAME_RATE = 16
_FRAMES_PER_LATENT = 4
_CUT_SHARE = 0.15  # of batches that are cut before a second, and of those cut after one
_PHRASE_ALONE_SHARE, _PHRASE_SHARE = 0.2, 0.35
_ENCODED_AT_ONCE = 32


@dataclass(frozen=True)
class SoundDrops:
    """Probabilities, per clip: text and clip hidden (MMAudio: 0.1 each), both hidden, and sound dubbed.

    Words are hidden more often than that: where they tell all that is heard, the clip need not be read.
    """

    text: float = 0.35
    clip: float = 0.12
    both: float = 0.08
    dubbed: float = 0.25


@dataclass(frozen=True)
class Cut:
    """A part of clips: video latents `first` .. `last` - 1 with their frames and steps of sound.

    A part that begins within a clip begins at the last frame of a latent, which it then takes for its first;
    that is at a whole second, where a step of sound begins too.
    """

    first: int
    last: int

    @property
    def frames(self) -> slice:
        return slice(_FRAMES_PER_LATENT * self.first, _FRAMES_PER_LATENT * (self.last - 1) + 1)

    @property
    def steps(self) -> slice:
        seconds = (self.frames.start / _FRAME_RATE, self.frames.stop / _FRAME_RATE)
        return slice(round(seconds[0] / STEP_SECONDS), int(np.ceil(seconds[1] / STEP_SECONDS - 1e-6)))


@dataclass(frozen=True)
class SoundBatch:
    """sound (B, 8, T, 16), video (B, 16, F', H, W) and motion (B, F, 3072) of one cut, and captions; is_seen
    (B,): which clips are shown; sigmas (B,); noise like the sound; named: disturbed clips to be named."""

    sound: Tensor
    video: Tensor
    motion: Tensor
    captions: list[str]
    is_seen: Tensor
    sigmas: Tensor
    noise: Tensor
    named: Named


class SoundtrackRecipe:
    """Trains on clips kept in memory; sounds are encoded when it starts, captions written for every draw."""

    def __init__(
        self,
        clips: SoundingClips,
        *,
        family: Path,
        device: torch.device,
        batch_size: int = 24,
        drops: SoundDrops | None = None,
        model: SoundtrackTransformer | None = None,
        compile_network: bool = True,
        is_continued: bool = False,
    ) -> None:
        """family: folder of the published text encoder and sound autoencoder, and where the soundtrack goes.

        is_continued: start from the published soundtrack; from `model`, or else a fresh one, if not.
        """
        if is_continued:
            model = load_published(SoundtrackTransformer, family / "soundtrack")
        transformer = model or SoundtrackTransformer()
        self.model = transformer
        nn.Module.to(self.model, device)  # torch's own, since diffusers' is not typed
        for block in [*transformer.blocks, *transformer.reader.layers] if compile_network else ():
            block.compile(dynamic=False)
        self._text_encoder = load_published(TextEncoder, family / "text_encoder").to(device).eval()
        self._vae = load_published(SoundAutoencoder, family / "sound_vae").to(device).eval()
        self._clips, self._device, self._batch_size = clips, device, batch_size
        self._drops = drops or SoundDrops()
        self._names = names_of(clips.heard, clips.attributes)
        self._true, self._dubbed = (self._encoded(mels) for mels in (clips.mels, clips.dubbed_mels))
        self._whole = Cut(0, clips.video.shape[2])

    def batches(self, *, start_step: int) -> Iterator[SoundBatch]:
        """Yield batches of training clips, some of them cut before or after a second."""
        rng, words = np.random.default_rng(start_step), random.Random(start_step)
        generator = torch.Generator().manual_seed(start_step)
        weights = np.array([_BLOW_WEIGHT if heard.blows else 1.0 for heard in self._clips.heard])
        weights[:_HELD_OUT] = 0
        while True:
            rows = rng.choice(len(weights), self._batch_size, replace=False, p=weights / weights.sum())
            named = rng.choice(len(weights) - _HELD_OUT, _NAMED_AT_ONCE) + _HELD_OUT
            batch = self._batch(rows.tolist(), self._drawn_cut(words), self._drops, generator, words)
            seen = disturbed(Named(batch.video, batch.motion, batch.named.names), generator)
            named_clips = disturbed(self._named(named.tolist()), generator)
            yield replace(batch, video=seen.video, motion=seen.motion, named=named_clips)

    def loss(self, batch: SoundBatch) -> tuple[Tensor, dict[str, float]]:
        error, naming = self._error(batch).mean(), self._naming(batch.named)
        figures = {"samples": len(batch.captions), "error": float(error.detach())}
        figures["naming"] = float(naming.detach())
        return error + _NAMES_WEIGHT * naming, figures

    @torch.compiler.set_stance("force_eager")
    def measure(self) -> dict[str, float]:
        """Return losses on held-out clips at fixed noise, and the onset F1 of some of them, made from video.

        By what the network is given: clip and text, either, none, and the clip of another scene.
        """
        told = {
            "": SoundDrops(0, 0, 0, 0),
            "_clip_alone": SoundDrops(1, 0, 0, 0),
            "_text_alone": SoundDrops(0, 1, 0, 0),
            "_nothing": SoundDrops(0, 0, 1, 0),
        }
        measures = {}
        for name, drops in told.items():
            batch = self._held_out(drops)
            measures[f"held_out{name}"] = float(self._error(batch).mean())
            if name == "_clip_alone":
                other = replace(batch, video=batch.video.roll(1, 0), motion=batch.motion.roll(1, 0))
                measures["held_out_other_clip"] = float(self._error(other).mean())
        return measures | self._onset_f1() | self._named_right()

    @torch.compiler.set_stance("force_eager")
    def draw_sheet(self, path: Path) -> None:
        """Write log-mels of held-out sounds over those made for the same clips, low pitches at the bottom."""
        rows = self._striking(_SHOWN)
        made = self._sampled(rows)
        true = self._clips.mels[rows, : made.shape[1]].float()
        pictures = [torch.cat([*mels], dim=0).T.flip(0) for mels in (true, made)]
        sheet = ((torch.cat(pictures) + 2.5) * 51).clamp(0, 255)
        Image.fromarray(sheet.round().to(torch.uint8).numpy()).save(path)

    def publish(self, folder: Path, *, facts: dict[str, Any]) -> None:
        """Save the transformer beside the other members and seal the family folder."""
        save_half(self.model, folder / "soundtrack", facts=facts)
        seal(folder)

    def _drawn_cut(self, words: random.Random) -> Cut:
        whole = self._whole
        middle = (whole.last // 2) // 4 * 4  # latents: four are a second
        draw = words.random()
        if not middle or draw >= 2 * _CUT_SHARE:
            return whole
        return Cut(0, middle + 1) if draw < _CUT_SHARE else Cut(middle, whole.last)

    def _batch(
        self,
        rows: list[int],
        cut: Cut,
        drops: SoundDrops,
        generator: torch.Generator,
        words: random.Random,
    ) -> SoundBatch:
        drawn = torch.rand(4, len(rows), generator=generator)
        both = drawn[2] < drops.both
        is_told, is_seen = ~((drawn[0] < drops.text) | both), ~((drawn[1] < drops.clip) | both)
        is_dubbed = (drawn[3] < drops.dubbed) & is_told  # unsaid, it could not be known
        captions = [
            self._caption(row, words, is_dubbed=dubbed, is_seen=seen) if told else ""
            for row, told, dubbed, seen in zip(
                rows, is_told.tolist(), is_dubbed.tolist(), is_seen.tolist(), strict=True
            )
        ]
        sound = torch.where(is_dubbed.view(-1, 1, 1, 1), self._dubbed[rows], self._true[rows])
        sound = sound[:, :, cut.steps].float()
        return SoundBatch(
            sound=sound,
            video=self._clips.video[rows][:, :, cut.first : cut.last].float(),
            motion=self._clips.motion[rows][:, cut.frames].float(),
            captions=captions,
            is_seen=is_seen,
            sigmas=draw_sigmas(len(rows), shift=_SHIFT, generator=generator),
            noise=torch.randn(sound.shape, generator=generator),
            named=self._named([]),
        )

    def _named(self, rows: list[int]) -> Named:
        return Named(self._clips.video[rows].float(), self._clips.motion[rows].float(), self._names[rows])

    def _caption(self, row: int, words: random.Random, *, is_dubbed: bool, is_seen: bool) -> str:
        """Return words for clip `row`: of what it shows, of what is heard, or of both."""
        heard, attributes = self._clips.heard[row], self._clips.attributes[row]
        if is_dubbed:
            dubbed = self._clips.dubbed_heard[row]
            phrase = full_phrase(dubbed, rng=words, absent=silenced(heard, dubbed))
            return phrase if words.random() < 0.5 else caption(attributes, rng=words, sound=phrase)
        phrase = true_phrase(heard, rng=words) if is_seen else full_phrase(heard, rng=words)
        draw = words.random()
        if draw < _PHRASE_ALONE_SHARE:
            return phrase
        is_said = draw < _PHRASE_ALONE_SHARE + _PHRASE_SHARE
        return caption(attributes, rng=words, sound=phrase if is_said else "")

    def _error(self, batch: SoundBatch) -> Tensor:
        """Return the mean squared error (B,) of the velocities of `batch`."""
        data, noise = batch.sound.to(self._device), batch.noise.to(self._device)
        sigma = batch.sigmas.to(self._device)
        spread = sigma.view(-1, 1, 1, 1)
        text, mask = embed_captions(self._text_encoder, batch.captions)
        with mixed_precision(self._device.type):
            predicted = self.model(
                (1 - spread) * data + spread * noise,
                sigma,
                text,
                mask,
                video=batch.video.to(self._device),
                motion=batch.motion.to(self._device),
                has_video=batch.is_seen.to(self._device),
            )
        return (predicted - (noise - data)).square().mean(dim=(1, 2, 3))

    def _naming(self, clips: Named) -> Tensor:
        """Return the cross entropy of what the reader names of `clips`, summed over names."""
        names = clips.names.to(self._device)
        return functional.binary_cross_entropy_with_logits(self._read(clips), names) * names.shape[1]

    def _read(self, clips: Named) -> Tensor:
        with mixed_precision(self._device.type):
            scores: Tensor = self.model.reader.names(
                clips.video.to(self._device), clips.motion.to(self._device)
            )
        return scores.float()

    def _named_right(self) -> dict[str, float]:
        """Return how often the reader is right on held-out clips: place, and the likeliest voice."""
        rows = [row for row in range(min(_HELD_OUT, len(self._clips))) if self._clips.heard[row].voices]
        clips = self._named(rows)
        scores = self._read(clips).cpu()
        of_place, of_voice = slice(len(PLACES)), slice(len(PLACES), len(PLACES) + len(VOICES))
        places = scores[:, of_place].argmax(1) == clips.names[:, of_place].argmax(1)
        voices = clips.names[:, of_voice].gather(1, scores[:, of_voice].argmax(1, keepdim=True))
        return {
            "place_named": float(places.float().mean()),
            "voice_named": float(voices.mean()),
            "held_out_naming": float(self._naming(clips)),
        }

    def _held_out(self, drops: SoundDrops) -> SoundBatch:
        """Return held-out clips with what `drops` leaves, at the same noise every time."""
        rows = list(range(min(_MEASURED, _HELD_OUT, len(self._clips))))
        return self._batch(rows, self._whole, drops, torch.Generator().manual_seed(1), random.Random(1))

    def _onset_f1(self) -> dict[str, float]:
        """Return how well onsets agree with true blows: in sounds made of clips alone, and in true sounds."""
        rows = self._striking(_SAMPLED)
        blows = [self._clips.heard[row].blows for row in rows]
        sounds = {"onset_f1": self._sampled(rows), "onset_f1_of_truth": self._clips.mels[rows]}
        return {
            name: sum((agreement(onsets(m), b) for m, b in zip(mels, blows, strict=True)), NO_ONSETS).f1
            for name, mels in sounds.items()
        }

    def _striking(self, count: int) -> list[int]:
        """Return the first `count` held-out clips in which something strikes."""
        return [row for row in range(_HELD_OUT) if self._clips.heard[row].blows][:count]

    def _sampled(self, rows: list[int]) -> Tensor:
        """Return mels (N, T, 64) made for the clips `rows` without words."""
        clips = self._clips
        video, motion = (each[rows].float().to(self._device) for each in (clips.video, clips.motion))
        silent = Silent.shown(video, motion, [""] * len(rows))
        noise = torch.randn(self._true[rows].shape, generator=torch.Generator().manual_seed(0))
        latents = sample_sound(self.model, self._text_encoder, silent, noise=noise.to(self._device))
        return self._vae.decode(latents).cpu()

    @torch.no_grad()
    def _encoded(self, mels: Tensor) -> Tensor:
        """Return audio latents (N, 8, T / 4, 16) float16 of `mels`."""
        parts = []
        for part in mels.split(_ENCODED_AT_ONCE):
            with mixed_precision(self._device.type):
                parts.append(self._vae.encode(part.float().to(self._device)).half().cpu())
        return torch.cat(parts)


def silenced(heard: Heard, dubbed: Heard) -> list[str]:
    """Return the voices that the dubbed sound has nothing in the place of: blows, or what lasts."""
    is_striking = bool(dubbed.blows)
    is_lasting = bool(set(dubbed.voices) - BLOWS)
    return [voice for voice in heard.voices if not (is_striking if voice in BLOWS else is_lasting)]
