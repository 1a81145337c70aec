"""The video autoencoder at a small width with random weights: layout, causality, normalisation, saving."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.models.kinora.autoencoder import VideoAutoencoder


@pytest.fixture(scope="module")
def autoencoder() -> VideoAutoencoder:
    """An autoencoder in which no branch is zero, so that every path is felt."""
    generator = torch.Generator().manual_seed(0)
    model = VideoAutoencoder(
        quarter_width=16, eighth_width=24, encoder_blocks=(1, 2), decoder_blocks=(1, 2), head_width=4
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
        model.latent_mean.copy_(torch.randn(2, 16, generator=generator))
        model.latent_std.copy_(torch.rand(2, 16, generator=generator) + 0.5)
    return model.eval().requires_grad_(False)


def clip(num_frames: int, *, seed: int = 1) -> Tensor:
    shape = (1, 3, num_frames, 16, 24)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def with_other_frames(pixels: Tensor, frames: slice) -> Tensor:
    changed = pixels.clone()
    changed[:, :, frames] = clip(pixels.shape[2], seed=2)[:, :, frames]
    return changed


@pytest.mark.parametrize(("num_frames", "num_latents"), [(1, 1), (9, 3), (33, 9)])
def test_latents_are_a_quarter_of_the_frames_and_an_eighth_of_the_size(
    autoencoder: VideoAutoencoder, num_frames: int, num_latents: int
) -> None:
    pixels = clip(num_frames)
    latents = autoencoder.encode(pixels)
    decoded = autoencoder.decode(latents)
    assert latents.shape == (1, 16, num_latents, 2, 3)
    assert decoded.shape == pixels.shape
    assert decoded.abs().max() <= 1


def test_later_frames_do_not_change_earlier_latents(autoencoder: VideoAutoencoder) -> None:
    pixels = clip(9)
    before, after = autoencoder.encode(pixels), autoencoder.encode(with_other_frames(pixels, slice(5, 9)))
    # The same sums in another order of a batch: equal but for rounding.
    torch.testing.assert_close(before[:, :, :2], after[:, :, :2], atol=1e-4, rtol=1e-5)
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 0.01


def test_later_frames_do_not_change_earlier_decoded_frames(autoencoder: VideoAutoencoder) -> None:
    pixels = clip(9)
    before, after = (
        autoencoder.decode(autoencoder.encode(p)) for p in (pixels, with_other_frames(pixels, slice(5, 9)))
    )
    torch.testing.assert_close(before[:, :, :5], after[:, :, :5], atol=1e-5, rtol=0)
    assert (before[:, :, 5:] - after[:, :, 5:]).abs().max() > 1e-3


def test_earlier_frames_are_felt_in_later_latents(autoencoder: VideoAutoencoder) -> None:
    pixels = clip(9)
    before, after = autoencoder.encode(pixels), autoencoder.encode(with_other_frames(pixels, slice(1, 5)))
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 1e-3


def test_one_frame_is_encoded_as_the_first_frame_of_a_clip(autoencoder: VideoAutoencoder) -> None:
    pixels = clip(9)
    alone, among = autoencoder.encode(pixels[:, :, :1]), autoencoder.encode(pixels)
    torch.testing.assert_close(alone, among[:, :, :1], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("is_flow", "row"), [(False, 0), (True, 1)])
def test_latents_are_normalised_by_the_statistics_of_their_kind(
    autoencoder: VideoAutoencoder, is_flow: bool, row: int
) -> None:
    mean, _ = autoencoder.moments(clip(5))
    latents = autoencoder.encode(clip(5), is_flow=is_flow)
    centre, spread = (s[row].view(1, 16, 1, 1, 1) for s in (autoencoder.latent_mean, autoencoder.latent_std))
    torch.testing.assert_close(latents * spread + centre, mean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("is_flow", [False, True])
def test_decoding_undoes_the_normalisation(autoencoder: VideoAutoencoder, is_flow: bool) -> None:
    mean, _ = autoencoder.moments(clip(5))
    decoded = autoencoder.decode(autoencoder.encode(clip(5), is_flow=is_flow), is_flow=is_flow)
    torch.testing.assert_close(decoded, autoencoder.decode_unnormalised(mean).clamp(-1, 1), atol=1e-4, rtol=0)


def test_saved_autoencoder_loads_as_it_was(autoencoder: VideoAutoencoder, tmp_path: Path) -> None:
    autoencoder.save_pretrained(tmp_path)
    loaded = VideoAutoencoder.from_pretrained(tmp_path, use_safetensors=True)
    before, after = autoencoder.state_dict(), loaded.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(loaded.encode(clip(5)), autoencoder.encode(clip(5)))


def test_new_autoencoder_decodes_every_latent_by_itself() -> None:
    model = VideoAutoencoder(quarter_width=8, eighth_width=8, head_width=4).eval()
    latents = torch.randn(1, 16, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    changed = latents.clone()
    changed[:, :, 1] += 1
    with torch.no_grad():
        before, after = model.decode_unnormalised(latents), model.decode_unnormalised(changed)
    assert (before[:, :, 5:] - after[:, :, 5:]).abs().max() < 1e-6
    assert (before[:, :, 1:5] - after[:, :, 1:5]).abs().max() > 1e-3
