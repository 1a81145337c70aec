"""Small random networks of Pocket, saved as its weights are, so that its engine runs without training."""

from pathlib import Path

import torch

from backend.models.kinora.autoencoder import VideoAutoencoder
from backend.models.kinora.spec import KINORA_POCKET
from backend.models.kinora.text_encoder import TextEncoder
from backend.models.kinora.transformer import VideoTransformer
from backend.models.weights import write_checksums


def write_small_pocket(weights_dir: Path) -> None:
    """Write the networks into `weights_dir`/kinora-pocket with their checksums."""
    folder = weights_dir / KINORA_POCKET.folder
    torch.manual_seed(0)
    networks = {
        "vae": VideoAutoencoder(
            quarter_width=8, eighth_width=16, encoder_blocks=(1, 1), decoder_blocks=(1, 1), head_width=8
        ),
        "text_encoder": TextEncoder(width=16, num_layers=1, num_heads=2, num_buckets=64),
        "transformer": VideoTransformer(
            width=32, num_layers=2, num_heads=2, mlp_width=48, text_width=16, condition_width=16
        ),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            # Branches that start at zero would hide what they see.
            torch.nn.init.normal_(parameter, std=0.2)
        network.save_pretrained(folder / name)
    write_checksums(folder)
