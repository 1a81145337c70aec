"""Sound autoencoder and vocoder on small random weights: shapes, normalisation, inversion, sizes, saving."""

import math
from pathlib import Path

import pytest
import torch
from diffusers.models.modeling_utils import ModelMixin

from backend.models.kinora.mel import (
    EDGE,
    SAMPLE_RATE,
    WINDOW_LENGTH,
    basis,
    log_mel,
    magnitudes,
    window,
)
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.vocoder import Vocoder, _oscillator_phases, envelope, overlap_add


def noise(samples: int = 6400, *, count: int = 2) -> torch.Tensor:
    return 0.3 * torch.randn(count, samples, generator=torch.Generator().manual_seed(1))


def autoencoder() -> SoundAutoencoder:
    torch.manual_seed(0)
    made = SoundAutoencoder(widths=(8, 8, 8), norm_num_groups=4)
    made.latent_mean.normal_()
    made.latent_std.uniform_(0.5, 2)
    return made.eval().requires_grad_(False)


def vocoder() -> Vocoder:
    torch.manual_seed(0)
    return Vocoder(width=16, num_layers=2, hidden_width=24).eval().requires_grad_(False)


def test_latents_are_four_times_smaller_each_way() -> None:
    made, mels = autoencoder(), log_mel(noise())
    latents = made.encode(mels)
    assert latents.shape == (2, 8, 10, 16)
    assert made.decode(latents).shape == mels.shape == (2, 40, 64)


def test_mel_frames_that_fill_no_latent_are_refused() -> None:
    with pytest.raises(ValueError, match="42"):
        autoencoder().encode(torch.zeros(1, 42, 64))


def test_decoding_undoes_the_normalisation() -> None:
    made, mels = autoencoder(), log_mel(noise())
    mean, _ = made.moments(mels)
    expected = made.decode_unnormalised(mean)
    assert torch.allclose(made.decode(made.encode(mels)), expected, atol=1e-4)


def test_overlapping_frames_of_a_spectrum_are_its_sound() -> None:
    sound = noise()
    padded = torch.nn.functional.pad(sound[:, None], (EDGE, EDGE), mode="reflect")[:, 0]
    shape = window(sound.device)
    frames = padded.unfold(1, WINDOW_LENGTH, 160) * shape
    assert torch.allclose(overlap_add(torch.fft.rfft(frames)), sound, atol=1e-5)


def test_the_envelope_of_a_flat_spectrum_is_flat() -> None:
    mels = log_mel(noise(count=1))
    flat = torch.full_like(mels, 0.0)
    level = envelope(flat)
    per_filter = magnitudes(flat)[0, 0] / basis(flat.device).sum(1)
    assert level.shape == (1, 40, 321)
    assert level.min() >= per_filter.min() - 1e-5 and level.max() <= per_filter.max() + 1e-4


def test_a_fresh_vocoder_is_about_as_loud_as_its_mels() -> None:
    mels = log_mel(noise())
    made = log_mel(vocoder()(mels))
    # In units of some 23 dB; phases that do not fit yet take from the level.
    assert float((made - mels).mean().abs()) < 0.7


def test_a_vocoder_holds_a_tone_between_multiples_of_the_frame_rate() -> None:
    """The oscillator of the bin at 325 Hz alone gives a steady tone of 325 Hz."""
    spectrum = torch.zeros(1, 100, 321)
    spectrum[..., 13] = 1.0
    sound = overlap_add(torch.polar(spectrum, _oscillator_phases(torch.zeros(1, 100, 321))))[0, 1600:-1600]
    times = torch.arange(len(sound)) / SAMPLE_RATE
    waves = torch.stack([(2 * math.pi * 325 * times).cos(), (2 * math.pi * 325 * times).sin()], 1)
    residual = sound - waves @ torch.linalg.lstsq(waves, sound[:, None]).solution[:, 0]
    assert residual.norm() < 1e-3 * sound.norm()


@pytest.mark.parametrize("num_frames", [8, 41])
def test_sound_is_as_long_as_its_mels(num_frames: int) -> None:
    sound = vocoder()(torch.randn(3, num_frames, 64))
    assert sound.shape == (3, 160 * num_frames)
    assert torch.isfinite(sound).all()


@pytest.mark.parametrize("made", [autoencoder(), vocoder()], ids=["autoencoder", "vocoder"])
def test_a_saved_member_loads_as_it_was(made: ModelMixin, tmp_path: Path) -> None:
    made.save_pretrained(tmp_path)
    loaded = type(made).from_pretrained(tmp_path)
    assert all(torch.equal(a, loaded.state_dict()[name]) for name, a in made.state_dict().items())


def test_both_members_of_full_size_fit_into_4_mb() -> None:
    numbers = sum(p.numel() for made in (SoundAutoencoder(), Vocoder()) for p in made.parameters())
    assert 2 * numbers < 3.9e6
