"""What given latent frames tell of all others before any network looks: they stay, or fade into each other.

Most of a clip stays where it is. A network that has to draw what it is shown again, patch by patch, spends
itself on that; here it only says where the plain guess is to be trusted (as pointer networks copy words, See
et al., arXiv 1704.04368).
"""

import torch
from torch import Tensor, nn

_LIKENESS_AFTER = (1.0, 0.85, 0.81, 0.79, 0.78, 0.76, 0.75, 0.74, 0.74)
"""Correlation of a latent frame with one so many frames away: measured over training clips, as the next."""
_LIKENESS_BETWEEN = (1.0, 0.87, 0.85, 0.84, 0.84)
"""The same with the fade between two, of which the nearer one is so many frames away."""


class GivenGuess(nn.Module):
    """Guesses all latent frames from given ones.

    The first latent is one frame and each later one four, so that the same picture looks different in them:
    two linear maps translate between both, without which they correlate by 0.13, with them by 0.89.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.to_later, self.to_first = nn.Linear(channels, channels), nn.Linear(channels, channels)
        for each in (self.to_later, self.to_first):
            nn.init.eye_(each.weight)
            nn.init.zeros_(each.bias)

    def forward(self, latents: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the guess (B, C, F, H, W) of each frame and its correlation (B, F) with what is to come.

        latents (B, C, F, H, W), clean where `given` (B, F). A frame between two given ones is their fade,
        another the nearest given one; a correlation of 0 says that none is.
        """
        first = latents[:, :, :1]
        as_later = torch.cat([_mapped(first, self.to_later), latents[:, :, 1:]], dim=2)
        guess, likeness = _stayed(as_later, given)
        is_given = given[:, :1, None, None, None].transpose(1, 2)
        begun = torch.where(is_given, first, _mapped(guess[:, :, :1], self.to_first))
        return torch.cat([begun, guess[:, :, 1:]], dim=2), likeness

    @torch.no_grad()
    def fit(self, latents: Tensor) -> None:
        """Set the maps by least squares on clips (N, C, F >= 2, H, W), each to the variance of its target."""
        first, second = (latents[:, :, frame].movedim(1, -1).flatten(0, -2).float() for frame in (0, 1))
        for layer, given, wanted in ((self.to_later, first, second), (self.to_first, second, first)):
            bordered = torch.cat([given, torch.ones_like(given[:, :1])], dim=1)
            found = torch.linalg.lstsq(bordered, wanted).solution
            found = found * wanted.std() / (bordered @ found).std()
            layer.weight.copy_(found[:-1].T)
            layer.bias.copy_(found[-1])


def guessed_velocity(state: Tensor, sigma: Tensor, guess: Tensor, likeness: Tensor) -> Tensor:
    """Return the least-squares velocity (B, C, F, H, W), noise - data, of `state` where data is near `guess`.

    With r the `likeness` (B, F), data is r * guess and a rest of variance 1 - r²; sigma (B,).
    """
    sigma = sigma.float().view(-1, 1, 1, 1, 1)
    likeness = likeness[:, None, :, None, None]
    expected, rest = likeness * guess, 1 - likeness.square()
    keep = (sigma - (1 - sigma) * rest) / ((1 - sigma).square() * rest + sigma.square())
    return keep * (state - (1 - sigma) * expected) - expected


def _stayed(latents: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return each frame as the nearest given ones tell it, and the correlations (B, F)."""
    count = given.shape[1]
    place = torch.arange(count, device=given.device).expand_as(given)
    before = torch.where(given, place, -1).cummax(1).values
    after = torch.where(given, place, count).flip(1).cummin(1).values.flip(1)
    has_before, has_after = before >= 0, after < count
    share = torch.where(has_before, (place - before) / (after - before).clamp_min(1), 1.0) * has_after
    earlier, later = (_picked(latents, each.clamp(0, count - 1)) for each in (before, after))
    share = share.to(latents.dtype)[:, None, :, None, None]
    likeness = _likeness(place - before, after - place, has_before, has_after)
    return (1 - share) * earlier + share * later, likeness


def _picked(latents: Tensor, frames: Tensor) -> Tensor:
    """Return the latent frame `frames` (B, F) of every clip for each of its frames."""
    rows = torch.arange(len(latents), device=latents.device)[:, None]
    return latents.transpose(1, 2)[rows, frames].transpose(1, 2)


def _likeness(since: Tensor, until: Tensor, has_before: Tensor, has_after: Tensor) -> Tensor:
    """Return correlations (B, F) by the distances to the given frames on either side, where there are any."""
    after, between = (
        torch.tensor(table, device=since.device) for table in (_LIKENESS_AFTER, _LIKENESS_BETWEEN)
    )
    alone = torch.where(has_before, since, until).clamp(0, len(after) - 1)
    nearest = torch.minimum(since, until).clamp(0, len(between) - 1)
    found = torch.where(has_before & has_after, between[nearest], after[alone])
    return found * (has_before | has_after)


def _mapped(latents: Tensor, layer: nn.Linear) -> Tensor:
    """Return `layer` of the channels of `latents` (B, C, F, H, W), float32."""
    return layer(latents.movedim(1, -1)).float().movedim(-1, 1)
