"""Small random networks of Pocket, saved as its weights are, so that its engine runs without training."""

from pathlib import Path

import torch

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.sound_autoencoder import SoundAutoencoder
from backend.models.kinora.soundtrack import SoundtrackTransformer
from backend.models.kinora.spec import KINORA_POCKET
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import VideoTransformer
from backend.models.kinora.vocoder import Vocoder
from backend.models.weights import write_checksums

SMALL_TRANSFORMER = {
    "width": 32,
    "num_layers": 2,
    "num_heads": 2,
    "mlp_width": 48,
    "text_width": 16,
    "condition_width": 16,
    "modulation_width": 8,
    "local_width": 8,
    "local_blocks": 1,
}


def write_small_pocket(weights_dir: Path) -> None:
    """Write the networks into `weights_dir`/kinora-pocket with their checksums."""
    folder = weights_dir / KINORA_POCKET.folder
    torch.manual_seed(0)
    networks = {
        "vae": VideoAutoencoder(
            quarter_width=8, eighth_width=16, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=8
        ),
        "text_encoder": TextEncoder(width=16, num_layers=1, num_heads=2, num_buckets=64),
        "transformer": VideoTransformer(**SMALL_TRANSFORMER),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            # Branches that start at zero would hide what they see.
            torch.nn.init.normal_(parameter, std=0.2)
        network.save_pretrained(folder / name)
    write_checksums(folder)


def write_small_sound(folder: Path) -> None:
    """Write the sound members into `folder`, without checksums."""
    torch.manual_seed(1)
    networks = {
        "sound_vae": SoundAutoencoder(widths=(8, 8, 8), norm_num_groups=4),
        "vocoder": Vocoder(width=16, num_layers=1, hidden_width=16),
        "soundtrack": SoundtrackTransformer(
            width=32, num_layers=1, num_heads=2, mlp_width=16, text_width=16, condition_width=16
        ),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        network.save_pretrained(folder / name)
