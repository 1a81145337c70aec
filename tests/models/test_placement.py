import pytest
import torch

from backend.errors import ResourceError
from backend.models.placement import place


def test_the_same_machine_gives_the_same_placement() -> None:
    assert place("auto") == place("auto")


def test_cpu_computes_in_bfloat16_only_where_the_processor_multiplies_it() -> None:
    capabilities = torch.cpu.get_capabilities()
    is_native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    assert str(place("cpu")) == ("cpu, bfloat16" if is_native else "cpu, float32")


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ResourceError, match="auto, cpu, cuda, mps; you gave 'abacus'"):
        place("abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ResourceError, match=r"Device cuda .* only: .*cpu"):
        place("cuda")
