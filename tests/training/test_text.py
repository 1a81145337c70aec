"""The text encoder's recipe: what is asked of it, and that it learns it."""

import torch

from backend.models.kinora.text_encoder import TextEncoder
from backend.training.optimizers import build_optimizers
from backend.training.text import TextNamer, TextRecipe
from backend.training.world import words

CPU = torch.device("cpu")


def test_every_attribute_of_the_world_has_a_head() -> None:
    heads = TextNamer(TextEncoder(width=16, num_layers=1, num_heads=2, num_buckets=64)).heads
    sizes = {name: head.out_features for name, head in heads.items()}
    for slot in (0, 1):
        assert sizes[f"shape_{slot}"] == len(words.SHAPES)
        assert sizes[f"colour_{slot}"] == len(words.COLOURS)
        assert sizes[f"motion_{slot}"] == len(words.MOTIONS)
    assert sizes["relation"] == 1 + len(words.RELATIONS)
    assert sizes["place"] == len(words.PLACES)
    assert sizes["camera"] == len(words.CAMERAS)


def test_a_batch_names_the_scenes_of_its_captions() -> None:
    captions, labels = next(TextRecipe(device=CPU, batch_size=64).batches(start_step=3))
    assert len(captions) == 64
    assert {len(values) for values in labels.values()} == {64}
    is_single = labels["relation"] == 0
    assert (labels["shape_1"][is_single] < 0).all() and (labels["shape_1"][~is_single] >= 0).all()
    assert any(not text for text in captions)


def test_a_few_steps_lower_the_loss() -> None:
    torch.manual_seed(0)
    recipe = TextRecipe(device=CPU, batch_size=32)
    optimizers, batches, losses = (
        build_optimizers(recipe.model, learning_rate=2e-3),
        recipe.batches(start_step=0),
        [],
    )
    for _ in range(12):
        loss, _ = recipe.loss(next(batches))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
