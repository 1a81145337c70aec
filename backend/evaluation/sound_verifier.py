"""The sound verifier: a small classifier of true soundtracks that reads from a sound what is heard, and when.

Place and voices are read from means and maxima over time, blows from every frame of 10 ms.
"""

from itertools import pairwise

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

from backend.evaluation.onsets import peaks
from backend.models.kinora.mel import HOP_LENGTH, NUM_MELS, SAMPLE_RATE
from backend.training.world.dubbing import Heard

_STRIDES = 3  # halvings of the mels
_HEARD = 0.5  # probability


class SoundVerifier(ModelMixin, ConfigMixin):  # type: ignore[misc]  # config_name differs in diffusers
    """Names the place, the voices and the blows of normalised log-mels (B, T, 64)."""

    @register_to_config
    def __init__(self, places: list[str], voices: list[str], width: int = 24, hidden: int = 96) -> None:
        super().__init__()
        sizes = [1, *(width * number for number in range(1, _STRIDES + 1))]
        self.look = nn.Sequential(
            *(
                layer
                for before, after in pairwise(sizes)
                for layer in (
                    nn.Conv2d(before, after, 3, stride=(1, 2), padding=1),
                    nn.GroupNorm(8, after),
                    nn.SiLU(),
                )
            )
        )
        self.narrow = nn.Conv1d(sizes[-1] * NUM_MELS // 2**_STRIDES, hidden, 1)
        self.time = nn.ModuleList(
            nn.Conv1d(hidden, hidden, 5, padding=2 * dilation, dilation=dilation) for dilation in (1, 2, 4)
        )
        self.place = nn.Linear(2 * hidden, len(places))
        self.voice = nn.Linear(2 * hidden, len(voices))
        self.blow = nn.Conv1d(hidden, 1, 1)

    def forward(self, mels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of places (B, 8), of voices (B, 10), each by itself, and of blows (B, T)."""
        x = self.look(mels.unsqueeze(1))  # (B, C, T, 8)
        x = self.narrow(x.transpose(2, 3).flatten(1, 2))
        for layer in self.time:
            x = x + nn.functional.silu(layer(x))
        pooled = torch.cat([x.mean(-1), x.amax(-1)], dim=1).float()
        return self.place(pooled), self.voice(pooled), self.blow(x).float().squeeze(1)


@torch.no_grad()
def read_sounds(verifier: SoundVerifier, mels: Tensor) -> list[Heard]:
    """Return what `verifier` hears in each of `mels` (B, T, 64), the most certain voice first."""
    places, voices, blows = verifier(mels)
    names, all_places = list(verifier.config["voices"]), list(verifier.config["places"])
    read = []
    for place, voice, blow in zip(places, voices.sigmoid(), blows.sigmoid(), strict=True):
        order = [int(index) for index in voice.argsort(descending=True) if voice[index] > _HEARD]
        times = [
            frame * HOP_LENGTH / SAMPLE_RATE for frame in peaks(blow.cpu().float().numpy(), above=_HEARD)
        ]
        read.append(Heard(all_places[int(place.argmax())], tuple(names[i] for i in order), tuple(times)))
    return read


def blow_targets(heard: list[Heard], num_frames: int) -> Tensor:
    """Return 1 at the frames (B, T) within 15 ms of a blow, 0 elsewhere."""
    frames = torch.arange(num_frames) * HOP_LENGTH / SAMPLE_RATE
    targets = torch.zeros(len(heard), num_frames)
    for row, each in zip(targets, heard, strict=True):
        for moment in each.blows:
            row[(frames - moment).abs() <= 0.015] = 1
    return targets
