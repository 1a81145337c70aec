"""Weights of latent channels, by what a decoder makes of them."""

import pytest
import torch

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.training.visibility import channel_weights


@pytest.mark.parametrize("is_flow", [False, True])
def test_what_is_never_decoded_weighs_nothing_and_what_shows_more_weighs_more(is_flow: bool) -> None:
    torch.manual_seed(0)
    vae = VideoAutoencoder(quarter_width=8, eighth_width=8, decoder_blocks=(1, 1), head_width=4).eval()
    kernel = vae.from_latents.weight.data
    kernel[:, 1] = 0
    kernel[:, 3] = 3 * kernel[:, 2]
    weights = channel_weights(vae, torch.randn(2, 16, 3, 4, 4), is_flow=is_flow)
    assert weights.shape == (16,) and weights.mean().item() == pytest.approx(1)
    assert weights[1] == 0 and weights[3] > 2 * weights[2]
