"""What a clip will take: against the live tensors of real networks, and what the page is told to change."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    LTX2VideoTransformer3DModel,
    LTXVideoTransformer3DModel,
    WanTransformer3DModel,
)
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from backend.models.installed import Installed
from backend.models.kinora.spec import KINORA_POCKET
from backend.models.memory_plans import needed_bytes
from backend.models.wan_video.spec import spec as wan_spec
from backend.models.work_memory import WORK_MEMORY
from backend.pipelines.estimate import Estimate, Machine, Weights, disk_bytes, estimate
from backend.requests import ClipRequest

GB = 10**9
PARAMETERS = {"transformer": 1_400_000_000, "text_encoder": 5_700_000_000, "vae": 127_000_000}
FACTS = {
    "kind": "text",
    "has_two_experts": False,
    "frames": 4,
    "pixels": 16,
    "shift": 3.0,
    "pair_share": 1 / (4 * 1536 + 8960),
    "parameters": PARAMETERS,
}
WAN = wan_spec(Installed("wan", "Wan", "wan_video", "/nowhere", "apache-2.0", FACTS))
REQUEST = ClipRequest(prompt="-", engine="wan", duration_seconds=81 / 16, aspect_ratio="16:9")


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, without the weights of `network`, and their most."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._sizes = {each.untyped_storage()._cdata: 0 for each in network.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for storage in (each.untyped_storage() for each in tree_leaves(result) if torch.is_tensor(each)):
            if storage._cdata not in self._sizes:
                self._sizes[storage._cdata] = storage.nbytes()
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)
                weakref.finalize(storage, self._forget, storage._cdata)
        return result

    def _forget(self, key: int) -> None:
        self._now -= self._sizes.pop(key, 0)


def peak_bytes(build: Callable[[], Any], run: Callable[[Any], object]) -> int:
    """Return the peak of `run` on the network that `build` makes, without its weights or any arithmetic."""
    with FakeTensorMode(), torch.no_grad():
        network = build().eval()
        with LiveBytes(network) as live:
            run(network)
        return live.peak


def in_16_bits(build: Callable[[], Any]) -> Any:
    """Return what `build` makes, with weights in bfloat16."""
    torch.set_default_dtype(torch.bfloat16)
    try:
        return build()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("num_frames", [17, 81])
def test_decoding_of_wan_takes_what_is_foretold(num_frames: int) -> None:
    latents = (1, 16, (num_frames - 1) // 4 + 1, 60, 104)
    measured = peak_bytes(AutoencoderKLWan, lambda vae: vae.decode(torch.zeros(latents)))
    foretold = WORK_MEMORY["wan_video"].decoding_bytes(
        num_frames=num_frames, width=832, height=480, is_tiled=False
    )
    assert foretold == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize(
    ("family", "kind"), [("ltx_video", AutoencoderKLLTXVideo), ("ltx2_video", AutoencoderKLLTX2Video)]
)
@pytest.mark.parametrize("num_frames", [33, 161])
def test_decoding_of_ltx_takes_what_is_foretold(num_frames: int, family: str, kind: type) -> None:
    latents = (1, 128, (num_frames - 1) // 8 + 1, 15, 26)
    measured = peak_bytes(kind, lambda vae: vae.decode(torch.zeros(latents)))
    foretold = WORK_MEMORY[family].decoding_bytes(
        num_frames=num_frames, width=832, height=480, is_tiled=False
    )
    assert foretold == pytest.approx(measured, rel=0.05)


def test_sampling_of_wan_takes_what_is_foretold() -> None:
    config = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 2}
    measured = peak_bytes(
        lambda: in_16_bits(lambda: WanTransformer3DModel(**config)),
        lambda network: network(
            hidden_states=torch.zeros(1, 16, 21, 60, 104, dtype=torch.bfloat16),
            timestep=torch.zeros(1),
            encoder_hidden_states=torch.zeros(1, 512, 4096, dtype=torch.bfloat16),
        ),
    )
    tokens, values = 21 * 30 * 52, 4 * 1536 + 8960
    foretold = WORK_MEMORY["wan_video"].sampling_bytes(tokens=tokens, values=values, value_bytes=2)
    assert foretold == pytest.approx(measured, rel=0.05)


def test_sampling_of_ltx_video_takes_what_is_foretold() -> None:
    tokens = 21 * 15 * 26
    measured = peak_bytes(
        lambda: in_16_bits(lambda: LTXVideoTransformer3DModel(num_layers=2)),
        lambda network: network(
            hidden_states=torch.zeros(1, tokens, 128, dtype=torch.bfloat16),
            encoder_hidden_states=torch.zeros(1, 128, 4096, dtype=torch.bfloat16),
            timestep=torch.zeros(1),
            encoder_attention_mask=torch.ones(1, 128, dtype=torch.bfloat16),
            num_frames=21,
            height=15,
            width=26,
        ),
    )
    foretold = WORK_MEMORY["ltx_video"].sampling_bytes(tokens=tokens, values=8 * 2048, value_bytes=2)
    assert foretold == pytest.approx(measured, rel=0.05)


def test_sampling_of_ltx2_video_takes_what_is_foretold() -> None:
    tokens, sounds = 21 * 15 * 26, 168
    measured = peak_bytes(
        lambda: in_16_bits(lambda: LTX2VideoTransformer3DModel(num_layers=2)),
        lambda network: network(
            hidden_states=torch.zeros(1, tokens, 128, dtype=torch.bfloat16),
            audio_hidden_states=torch.zeros(1, sounds, 128, dtype=torch.bfloat16),
            encoder_hidden_states=torch.zeros(1, 128, 3840, dtype=torch.bfloat16),
            audio_encoder_hidden_states=torch.zeros(1, 128, 3840, dtype=torch.bfloat16),
            timestep=torch.zeros(1, tokens),
            audio_timestep=torch.zeros(1),
            sigma=torch.zeros(1),
            num_frames=21,
            height=15,
            width=26,
            audio_num_frames=sounds,
            use_cross_timestep=True,
        ),
    )
    foretold = WORK_MEMORY["ltx2_video"].sampling_bytes(tokens=tokens, values=8 * 4096, value_bytes=2)
    assert foretold == pytest.approx(measured, rel=0.05)


def on(gigabytes: float, *, device: str = "cuda, bfloat16", plan: str = "auto", **changes: Any) -> Estimate:
    """Return the estimate of `REQUEST` on a device with that much memory."""
    machine = Machine(device, round(gigabytes * GB), free_disk_bytes=10 * GB)
    weights = Weights(PARAMETERS, plan, "wan_video")
    request = REQUEST.model_copy(update=changes)
    return estimate(request, WAN, weights=weights, machine=machine, speed=None)


def test_a_large_card_gets_no_warning() -> None:
    found = on(80)
    assert found.warnings == () and found.seconds is None
    assert (found.num_frames, found.width, found.height) == (81, 832, 480)
    assert found.memory_bytes == pytest.approx(needed_bytes(PARAMETERS, "whole") + 8.2 * GB, rel=0.02)


def test_a_plan_that_does_not_fit_is_told_with_one_that_does() -> None:
    (warning,) = on(16, plan="whole").warnings
    assert "the graphics card has 16.0 GB" in warning
    assert "set the memory plan of Wan to 'models' on the Models page" in warning


def test_the_plan_that_the_engine_will_choose_is_the_one_that_counts() -> None:
    assert on(16).warnings == ()
    assert on(16).memory_bytes < on(80).memory_bytes


def test_where_no_plan_fits_a_shorter_clip_is_told_that_does() -> None:
    (warning,) = on(2.5, plan="blocks-fp8").warnings
    seconds = float(warning.rpartition("at most ")[2].removesuffix(" s."))
    assert on(2.5, plan="blocks-fp8", duration_seconds=seconds).warnings == ()
    assert on(2.5, plan="blocks-fp8", duration_seconds=seconds + 0.25).warnings != ()


def test_a_cpu_holds_all_weights_whatever_the_plan() -> None:
    found = on(100, device="cpu, float32", plan="blocks")
    assert found.memory_bytes > 2 * needed_bytes(PARAMETERS, "whole")


def test_a_full_disk_is_told_before() -> None:
    machine = Machine("cpu, float32", 0, free_disk_bytes=1000)
    found = estimate(ClipRequest(prompt="-"), KINORA_POCKET, weights=Weights({}), machine=machine, speed=None)
    assert "of disk and 1.0 kB are free" in found.warnings[0]


def test_the_disk_of_variations_adds_up() -> None:
    assert disk_bytes(REQUEST, WAN, variations=4) == 4 * disk_bytes(REQUEST, WAN)
