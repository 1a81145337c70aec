"""Linear layers with weights in eight bits: half the memory of bfloat16, and any device can do it.

One scale for each row, as torchao's Int8WeightOnlyConfig has it; that package is not used, since diffusers
loads it at every start wherever it is installed.
"""

import torch
from torch import Tensor

_LARGEST = 127


class Int8Linear(torch.nn.Linear):
    """A linear layer whose weight (outputs, inputs) is int8; `scale` (outputs,) times a row is the row."""

    scale: Tensor

    def __init__(self, layer: torch.nn.Linear) -> None:
        torch.nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight = layer.weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / _LARGEST
        rounded = (weight / scale[:, None]).round().to(torch.int8)
        self.weight = torch.nn.Parameter(rounded, requires_grad=False)
        self.register_buffer("scale", scale.to(layer.weight.dtype))
        self.bias = layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """Return what the layer makes of `input` (…, inputs): (…, outputs)."""
        output = torch.nn.functional.linear(input, self.weight.to(input.dtype)) * self.scale
        return output if self.bias is None else output + self.bias


def store_in_int8(network: torch.nn.Module) -> None:
    """Replace the linear layers in the blocks of `network`, one by one, so that no second copy is held."""
    blocks = [module for module in network.children() if isinstance(module, torch.nn.ModuleList)]
    for block in blocks:
        for parent in list(block.modules()):
            for name, layer in list(parent.named_children()):
                if type(layer) is torch.nn.Linear:
                    setattr(parent, name, Int8Linear(layer))
