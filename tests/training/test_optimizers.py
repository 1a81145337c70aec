"""Muon and the split of parameters between it and AdamW."""

import pytest
import torch
from torch import nn

from backend.training.optimizers import Muon, build_optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(24, 24), (12, 48), (48, 12)])
def test_orthogonalised_matrix_has_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    result = orthogonalise(matrix)
    assert result.shape == shape
    assert result.dtype == matrix.dtype
    # Five steps of this quintic end between 0.68 and 1.13; bf16 adds a little.
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.25


def test_orthogonalising_keeps_the_singular_vectors() -> None:
    matrix = torch.randn(16, 32, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    core = left.T @ orthogonalise(matrix) @ right.T
    assert (core - core.diag().diag()).abs().max() < 0.1


def test_scale_of_the_gradient_does_not_matter() -> None:
    matrix = torch.randn(16, 32, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(orthogonalise(1000 * matrix), orthogonalise(matrix), atol=0.05, rtol=0)


@pytest.mark.parametrize("shape", [(8, 12), (8, 4, 3, 3)])
def test_muon_walks_to_the_minimum_of_a_quadratic(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(3)
    goal, weight = (torch.randn(shape, generator=generator) for _ in range(2))
    weight.requires_grad_()
    optimizer = Muon([weight], lr=0.1)
    start = (weight - goal).square().sum().item()
    for _ in range(150):
        optimizer.zero_grad()
        (weight - goal).square().sum().backward()
        optimizer.step()
    assert (weight - goal).square().sum().item() < 0.05 * start


def test_every_parameter_has_one_optimizer() -> None:
    model = nn.Sequential(nn.Embedding(9, 4), nn.Conv2d(4, 4, 3), nn.LayerNorm(4), nn.Linear(4, 4))
    muon, adam = build_optimizers(model, learning_rate=1e-3)
    matrices, others = ([id(p) for p in o.param_groups[0]["params"]] for o in (muon, adam))
    assert sorted(matrices + others) == sorted(map(id, model.parameters()))
    assert set(matrices) == {id(model[1].weight), id(model[3].weight)}
