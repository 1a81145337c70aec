"""Is a made sound in time, of the right kind, and as asked? After Lumina-V2A (arXiv 2502.06782 Sec. 4).

Each figure of made sounds stands beside that of true ones, which is the most that the verifier could find.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from backend.evaluation.finding import Finding
from backend.evaluation.onsets import NO_ONSETS, Agreement, agreement
from backend.evaluation.sound_cases import Sounding, descriptions, overrides, silent
from backend.evaluation.sound_sampler import Silent, SoundMembers, make_sounds
from backend.evaluation.sound_verifier import SoundVerifier, read_sounds
from backend.evaluation.spectra import griffin_lim, spectral_distance
from backend.models.kinora.mel import HOP_LENGTH, SAMPLE_RATE, log_mel
from backend.training.world.dubbing import Heard

MakeSounds = Callable[[Silent], Tensor]
"""Sounds (B, S) at 16 kHz for B clips."""
Encode = Callable[[np.ndarray], Tensor]
"""Frames (F, H, W, 3) uint8 to latents (1, C, F', H / 8, W / 8)."""

_LEAST_LEAD = 0.3  # of the F1 of the clip itself before that of another
_LEAST_SHARE = 0.8  # of what is found in true sounds
_OVERRIDDEN = 0.7
_FAVOURING_SCALE = 2.5  # of the clip, where guidance favours words, whose scale is 4.5
_SHIFT_FRAMES = 4
_FRAME_RATE = 16
_SHIFT_TOLERANCE = 0.04  # seconds: one step of audio latents
_MOST_BLOWS_A_SECOND = 0.1
_LAGS = 60  # mel frames to either side in which a shift is looked for
_STEP_FRAMES = 4


def in_time(
    make: MakeSounds, verifier: SoundVerifier, scenes: Sequence[Sounding], encode: Encode
) -> list[Finding]:
    """Return the F1 of blows of `scenes` that strike, and of the same made for other and reversed clips."""
    clips = silent(scenes, encode=encode)
    shuffled = replace(clips, video=clips.video.roll(1, 0), motion=clips.motion.roll(1, 0))
    backwards = silent([replace(each, frames=each.frames[::-1].copy()) for each in scenes], encode=encode)
    sounds = {"made": make(clips), "shuffled": make(shuffled), "reversed": make(backwards)}
    sounds["true"] = torch.from_numpy(np.stack([each.sound for each in scenes]))
    f1 = {name: _blow_f1(read(verifier, each), scenes) for name, each in sounds.items()}
    lead = f1["made"] - max(f1["shuffled"], f1["reversed"])
    beside = f"shuffled {f1['shuffled']:.2f}, reversed {f1['reversed']:.2f}, true sounds {f1['true']:.2f}"
    return [
        Finding(
            "F1 of blows within 50 ms",
            f"{_LEAST_LEAD} above that of shuffled and of reversed video",
            f"{f1['made']:.2f} over {len(scenes)} ({beside})",
            lead >= _LEAST_LEAD,
        )
    ]


def shifted(
    make: MakeSounds, verifier: SoundVerifier, scenes: Sequence[Sounding], encode: Encode
) -> list[Finding]:
    """Return by how much sounds come later where motion features do."""
    clips = silent(scenes, encode=encode)
    first = clips.motion[:, :1].expand(-1, _SHIFT_FRAMES, -1)
    later = replace(clips, motion=torch.cat([first, clips.motion[:, :-_SHIFT_FRAMES]], dim=1))
    curves = [blow_curves(verifier, make(each)) for each in (clips, later)]
    seconds = lag_frames(*curves) * HOP_LENGTH / SAMPLE_RATE
    asked = _SHIFT_FRAMES / _FRAME_RATE
    return [
        Finding(
            f"motion {_SHIFT_FRAMES} frames later",
            f"blows {asked:.2f} s later, to {_SHIFT_TOLERANCE:.2f} s",
            f"{seconds:.2f} s over {len(scenes)}",
            abs(seconds - asked) <= _SHIFT_TOLERANCE + 1e-6,
        )
    ]


def of_the_right_kind(
    make: MakeSounds, verifier: SoundVerifier, scenes: Sequence[Sounding], encode: Encode
) -> list[Finding]:
    """Return how often the place and the most certain voice are those of the clip.

    With the words that describe the clip, none of them on its sound, as it is asked for; and from it alone.
    """
    alone = silent(scenes, encode=encode)
    told = {"": replace(alone, prompts=descriptions(scenes)), ", without words": alone}
    true = read(verifier, torch.from_numpy(np.stack([each.sound for each in scenes])))
    wanted = [each.heard for each in scenes]
    findings = []
    for how, clips in told.items():
        made = read(verifier, make(clips))
        for title, share in (("place as shown", _place_share), ("voice as shown", _voice_share)):
            ours, most = share(made, wanted), share(true, wanted)
            findings.append(
                Finding(
                    f"{title}{how}",
                    f"at least {_LEAST_SHARE:.0%} of what is read from true sounds",
                    f"{ours:.0%} over {len(scenes)} (true sounds {most:.0%})",
                    ours >= _LEAST_SHARE * most,
                )
            )
    return findings


def as_asked(
    favour: MakeSounds, verifier: SoundVerifier, scenes: Sequence[Sounding], encode: Encode
) -> list[Finding]:
    """Return how often words for another place and another voice are heard, with the clip and without.

    favour: makes sounds whose guidance follows words more than the clip.
    """
    asked = overrides(scenes)
    wanted = [each.heard for each in asked]
    clips = silent(scenes, encode=encode, prompts=[each.prompt for each in asked])
    alone = replace(clips, is_seen=torch.zeros_like(clips.is_seen))
    findings = []
    for title, each in (("words over another clip", clips), ("words alone", alone)):
        made = read(verifier, favour(each))
        place, voice = _place_share(made, wanted), _voice_share(made, wanted)
        findings.append(
            Finding(
                f"{title}: place and voice as said",
                f"at least {_OVERRIDDEN:.0%} each",
                f"{place:.0%} and {voice:.0%} over {len(scenes)}",
                min(place, voice) >= _OVERRIDDEN,
            )
        )
    return findings


def still_clips(
    make: MakeSounds, verifier: SoundVerifier, scenes: Sequence[Sounding], encode: Encode
) -> list[Finding]:
    """Return how many blows a second are heard of clips in which nothing moves."""
    sounds = make(silent(scenes, encode=encode))
    seconds = sounds.numel() / SAMPLE_RATE
    rate = sum(len(each.blows) for each in read(verifier, sounds)) / seconds
    return [
        Finding(
            "blows a second where nothing moves",
            f"at most {_MOST_BLOWS_A_SECOND}",
            f"{rate:.2f} in {seconds:.0f} s",
            rate <= _MOST_BLOWS_A_SECOND,
        )
    ]


@torch.no_grad()
def codec(members: SoundMembers, scenes: Sequence[Sounding]) -> list[Finding]:
    """Return how far sounds are from themselves after sound autoencoder and vocoder."""
    sounds = _whole_steps(torch.from_numpy(np.stack([each.sound for each in scenes])))
    mels = members.vae.decode(members.vae.encode(log_mel(sounds)))
    ours, theirs = (
        float(spectral_distance(made, sounds)) for made in (members.vocoder(mels), griffin_lim(mels))
    )
    return [
        Finding(
            "spectral distance after encoding and decoding",
            "below that of Griffin-Lim on the same mels",
            f"{ours:.2f} against {theirs:.2f} over {len(scenes)}",
            ours < theirs,
        )
    ]


def speed(make: MakeSounds, scenes: Sequence[Sounding], encode: Encode) -> list[Finding]:
    """Return how long the sound of one clip of two seconds takes, without its encoding."""
    clip = silent(scenes[:1], encode=encode)
    make(clip)
    started = time.perf_counter()
    seconds = make(clip).shape[1] / SAMPLE_RATE
    taken = 2 * (time.perf_counter() - started) / seconds
    return [Finding("time for two seconds of sound", "at most 10 s", f"{taken:.1f} s", taken <= 10)]


def all_of_sound(
    members: SoundMembers,
    verifier: SoundVerifier,
    scenes: dict[str, list[Sounding]],
    encode: Encode,
) -> list[Finding]:
    """Return all findings on `members`; scenes: by kind, as `sounding_scenes` names them."""

    def make(clips: Silent) -> Tensor:
        return make_sounds(members, clips, seed=0)

    def favour(clips: Silent) -> Tensor:
        return make_sounds(members, clips, seed=0, video_guidance_scale=_FAVOURING_SCALE)

    striking, moving = scenes["striking"], [*scenes["striking"], *scenes["lasting"]]
    return [
        *in_time(make, verifier, striking, encode),
        *shifted(make, verifier, striking, encode),
        *of_the_right_kind(make, verifier, moving, encode),
        *as_asked(favour, verifier, moving, encode),
        *still_clips(make, verifier, scenes["still"], encode),
        *codec(members, moving),
        *speed(make, striking, encode),
    ]


def read(verifier: SoundVerifier, sounds: Tensor) -> list[Heard]:
    """Return what is heard in each of `sounds` (B, S) at 16 kHz."""
    return read_sounds(verifier, log_mel(sounds))


@torch.no_grad()
def blow_curves(verifier: SoundVerifier, sounds: Tensor) -> Tensor:
    """Return how likely a blow is at every mel frame (B, T) of `sounds`."""
    curves: Tensor = verifier(log_mel(sounds))[2].sigmoid()
    return curves


def lag_frames(before: Tensor, after: Tensor) -> int:
    """Return by how many frames the curves `after` (B, T) come later than `before`, where they agree most."""
    totals = {}
    for lag in range(-_LAGS, _LAGS + 1):
        ours = before[:, max(0, -lag) : before.shape[1] - max(0, lag)]
        theirs = after[:, max(0, lag) : after.shape[1] - max(0, -lag)]
        totals[lag] = float((ours * theirs).sum())
    return max(totals, key=lambda lag: totals[lag])


def _blow_f1(made: Sequence[Heard], scenes: Sequence[Sounding]) -> float:
    pairs = zip(made, scenes, strict=True)
    total: Agreement = sum((agreement(m.blows, s.heard.blows) for m, s in pairs), NO_ONSETS)
    return total.f1


def _place_share(made: Sequence[Heard], wanted: Sequence[Heard]) -> float:
    return float(np.mean([m.place == w.place for m, w in zip(made, wanted, strict=True)]))


def _voice_share(made: Sequence[Heard], wanted: Sequence[Heard]) -> float:
    pairs = zip(made, wanted, strict=True)
    return float(np.mean([bool(m.voices) and m.voices[0] in w.voices for m, w in pairs]))


def _whole_steps(sounds: Tensor) -> Tensor:
    length = _STEP_FRAMES * HOP_LENGTH
    return sounds[:, : sounds.shape[1] // length * length]
