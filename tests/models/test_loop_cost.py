"""Our loop costs what diffusers' own costs, in time and in memory."""

import gc
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import torch

from backend.models.adding import install_folder
from backend.models.engine import Conditioning
from backend.models.wan_video.engine import WanEngine, load
from backend.pipelines.clip import sample_latents
from backend.requests import ClipRequest
from tests.models.tiny_open import WAN_TEXT, TinyWan, write_wan

STEPS, SIDE, SECONDS, ROUNDS = 4, 128, 0.6, 16
# A network that is much more work than what surrounds it.
HEAVY = TinyWan(extra={"num_attention_heads": 8, "attention_head_dim": 48, "ffn_dim": 1536, "num_layers": 4})
MOST_OVERHEAD = 1.03
MOST_WEIGHTS = 1.05  # for what is no weight: positions, buffers, the embeddings of prompts


def loaded(folder: Path, kind: TinyWan) -> WanEngine:
    write_wan(folder / "tiny", kind)
    installed = install_folder(folder / "tiny", name="tiny", models_dir=folder / "models", short_side=SIDE)
    return load(installed, "cpu")


def seconds(run: Callable[[], object]) -> float:
    """Return the time of the processor in which `run` is done; other programs do not count."""
    started = time.process_time()
    run()
    return time.process_time() - started


def test_the_loop_takes_as_long_as_that_of_diffusers(tmp_path: Path) -> None:
    engine = loaded(tmp_path, HEAVY)
    parts = engine._parts
    parts.set_progress_bar_config(disable=True)
    fields = {"prompt": "a ball", "engine": "tiny", "seed": 3, "duration_seconds": SECONDS}
    asked = ClipRequest.model_validate({**fields, "num_inference_steps": STEPS, "guidance_scale": 4.0})
    text = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))

    def theirs() -> None:
        parts(
            prompt_embeds=text.prompt,
            negative_prompt_embeds=text.negative,
            height=SIDE,
            width=SIDE,
            num_frames=engine.spec.num_frames(SECONDS),
            num_inference_steps=STEPS,
            guidance_scale=4.0,
            generator=torch.Generator().manual_seed(3),
            output_type="latent",
        )

    def ours() -> None:
        sample_latents(engine, asked, conditioning=text)

    ours(), theirs()
    ratio, best = inf, (inf, inf)
    for _ in range(ROUNDS):  # other programs on the machine only ever add to a time
        best = (min(best[0], seconds(ours)), min(best[1], seconds(theirs)))
        ratio = best[0] / best[1]
        if ratio <= MOST_OVERHEAD:
            break
    assert ratio <= MOST_OVERHEAD


def test_no_second_copy_of_the_weights_is_held(tmp_path: Path) -> None:
    before = live_storages()
    engine = loaded(tmp_path, WAN_TEXT)
    held = {place: size for place, size in live_storages().items() if place not in before}
    modules = [part for part in engine._parts.components.values() if isinstance(part, torch.nn.Module)]
    weights = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
    }
    assert sum(held.values()) <= MOST_WEIGHTS * sum(weights.values())


def live_storages() -> dict[int, int]:
    """Return address -> bytes of everything that tensors hold."""
    gc.collect()
    tensors = [each for each in gc.get_objects() if type(each) in (torch.Tensor, torch.nn.Parameter)]
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}
