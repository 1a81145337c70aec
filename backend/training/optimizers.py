"""Optimizers for our small networks: Muon for matrices, AdamW for everything else.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; learning-rate matching of arXiv
2502.16982) moves every matrix by the orthogonalised momentum. torch's own class takes 2D parameters only;
convolution kernels are matrices here after flattening all but the first dimension.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from backend.models.placement import native_dtype

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """Return nearly the semi-orthogonal matrix nearest to `matrix` (M, N), by Newton-Schulz iteration."""
    a, b, c = _NEWTON_SCHULZ
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).to(native_dtype(matrix.device.type))
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised per matrix, scaled so that AdamW's learning rates carry over."""

    def __init__(self, params: Iterable[Tensor], *, lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # torch's closures are not supported
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, lr=group["lr"], momentum=group["momentum"])

    def _move(self, parameter: Tensor, gradient: Tensor, *, lr: float, momentum: float) -> None:
        state = self.state[parameter]
        average = state.setdefault("average", torch.zeros_like(gradient))
        average.lerp_(gradient, 1 - momentum)
        update = gradient.lerp(average, momentum).flatten(1)
        scale = 0.2 * max(update.shape) ** 0.5
        parameter.add_(orthogonalise(update).view_as(parameter), alpha=-lr * scale)


def build_optimizers(model: nn.Module, *, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for hidden matrices and AdamW for vectors and embeddings of `model` that are trained."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim >= 2 and id(p) not in tables]
    others = [p for p in trained if p.ndim < 2 or id(p) in tables]
    return [
        Muon(matrices, lr=learning_rate),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.99), weight_decay=0.0),
    ]
