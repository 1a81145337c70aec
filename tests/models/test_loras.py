"""LoRA files: what they do to a model is the product of their factors, and no model but theirs takes them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import RequestError, ResourceError, WeightsError
from backend.models import registry
from backend.models.abilities import LoraEngine
from backend.models.adding import install_folder
from backend.models.engine import Conditioning, Pass
from backend.models.installed import read, write
from backend.models.loras import lora_path, read_loras, require_loras, store_lora
from backend.pipelines.sampling import initial_noise
from backend.request_parts import LoraUse
from tests.models.tiny_open import WAN_EXPERTS, write_ltx, write_ltx2, write_wan

RANK = 2
# Factors apart or multiplied differ by the order of sums, in bfloat16 by some units of 2^-8.
TOLERANCE = 0.05
PARTS = {"wan": "blocks.1.attn1.to_q", "experts": "blocks.1.attn1.to_q"}
PARTS |= {"ltx": "transformer_blocks.1.attn1.to_q", "ltx2": "transformer_blocks.1.audio_attn1.to_q"}


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where one model of each family is added."""
    folder = tmp_path_factory.mktemp("models")
    sources = {
        "wan": write_wan(folder / "sources" / "wan"),
        "experts": write_wan(folder / "sources" / "experts", WAN_EXPERTS),
        "ltx": write_ltx(folder / "sources" / "ltx"),
        "ltx2": write_ltx2(folder / "sources" / "ltx2"),
    }
    for name, source in sources.items():
        install_folder(source, name=name, models_dir=folder)
    return folder


@pytest.fixture
def load(models_dir: Path) -> Iterator[Callable[..., LoraEngine]]:
    """Yield what loads a model, by another memory plan than its own if one is named."""

    def loaded(name: str, plan: str = "whole") -> LoraEngine:
        installed = read(models_dir, name)
        write(models_dir, replace(installed, memory_plan=plan))
        engine = registry.load_engine(name, weights_dir=models_dir, device="cpu", models_dir=models_dir)
        write(models_dir, installed)
        assert isinstance(engine, LoraEngine)
        return engine

    yield loaded


def weight_of(engine: LoraEngine, part: str, expert: str = "transformer") -> torch.nn.Parameter:
    module = getattr(engine._parts, expert).get_submodule(part)  # type: ignore[attr-defined]
    weight: torch.nn.Parameter = getattr(module, "base_layer", module).weight
    return weight


def factors(engine: LoraEngine, part: str, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return A (rank, inputs) and B (outputs, rank) of a LoRA that changes `part` a lot."""
    outputs, inputs = weight_of(engine, part).shape
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(RANK, inputs, generator=generator), torch.randn(outputs, RANK, generator=generator)


def write_lora(path: Path, part: str, pair: tuple[torch.Tensor, torch.Tensor], *, prefix: str) -> Path:
    names = [f"{prefix}{part}.lora_{factor}.weight" for factor in "AB"]
    save_file({name: factor.contiguous() for name, factor in zip(names, pair, strict=True)}, path)
    return path


def velocities(engine: LoraEngine) -> list[torch.Tensor]:
    """Return what both experts predict, where there are two, at a high and a low noise level."""
    noise = initial_noise(engine.latent_shape(num_frames=9, height=32, width=32), seed=1)
    text = Conditioning(engine.encode_prompt("a ball"), engine.encode_prompt(""))
    return [engine.velocities(noise, sigma, text, [Pass()])[0] for sigma in (0.9, 0.5)]


def are_close(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=TOLERANCE) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", ["wan", "experts", "ltx", "ltx2"])
def test_a_lora_adds_its_product_as_strongly_as_asked_and_leaves_no_trace(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path, name: str
) -> None:
    worn, changed = load(name), load(name)
    pair = factors(worn, PARTS[name])
    source = write_lora(tmp_path / "a.safetensors", PARTS[name], pair, prefix="transformer.")
    path = lora_path(models_dir, store_lora(source, models_dir=models_dir))
    before = velocities(worn)
    worn.wear({path: 0.5})
    for expert in ("transformer", "transformer_2") if name == "experts" else ("transformer",):
        weight = weight_of(changed, PARTS[name], expert)
        weight.data += (0.5 * pair[1] @ pair[0]).to(weight.dtype)
    after = velocities(worn)
    assert are_close(after, velocities(changed))
    assert not any(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    worn.wear({path: 0.0})
    assert are_close(velocities(worn), before)
    worn.wear({})
    assert all(torch.equal(one, other) for one, other in zip(velocities(worn), before, strict=True))


@pytest.mark.parametrize(
    ("part", "prefix"),
    [
        ("blocks.1.attn1.to_q", ""),
        ("blocks.1.attn1.to_q", "base_model.model."),
        ("blocks.1.self_attn.q", ""),
        ("blocks.1.self_attn.q", "base_model.model.diffusion_model."),
    ],
)
def test_a_lora_is_worn_whatever_stands_before_its_parts(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path, part: str, prefix: str
) -> None:
    worn, usual = load("wan"), load("wan")
    pair = factors(worn, PARTS["wan"])
    for engine, source in (
        (worn, write_lora(tmp_path / "a.safetensors", part, pair, prefix=prefix)),
        (usual, write_lora(tmp_path / "b.safetensors", PARTS["wan"], pair, prefix="transformer.")),
    ):
        engine.wear({lora_path(models_dir, store_lora(source, models_dir=models_dir)): 0.5})
    assert are_close(velocities(worn), velocities(usual))
    assert not are_close(velocities(worn), velocities(load("wan")))


def test_two_loras_go_together_and_one_of_them_stays(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path
) -> None:
    both, one = load("wan"), load("wan")
    paths = []
    for seed in (1, 2):
        pair = factors(both, PARTS["wan"], seed=seed)
        source = write_lora(tmp_path / f"{seed}.safetensors", PARTS["wan"], pair, prefix="transformer.")
        paths.append(lora_path(models_dir, store_lora(source, models_dir=models_dir)))
    one.wear({paths[0]: 0.7})
    both.wear({paths[0]: 0.7, paths[1]: -0.3})
    assert not torch.equal(velocities(both)[0], velocities(one)[0])
    both.wear({paths[0]: 0.7})
    assert all(torch.equal(a, b) for a, b in zip(velocities(both), velocities(one), strict=True))


@pytest.mark.parametrize("plan", ["models", "blocks"])
def test_a_lora_does_the_same_under_every_plan_with_the_same_numbers(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path, plan: str
) -> None:
    whole, offloaded = load("wan"), load("wan", plan)
    worn_by([whole, offloaded], models_dir, tmp_path)
    for one, other in zip(velocities(whole), velocities(offloaded), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def worn_by(engines: list[LoraEngine], models_dir: Path, folder: Path) -> Path:
    """Return a LoRA that all `engines` have put on."""
    pair = factors(engines[0], PARTS["wan"])
    source = write_lora(folder / "a.safetensors", PARTS["wan"], pair, prefix="transformer.")
    path = lora_path(models_dir, store_lora(source, models_dir=models_dir))
    for engine in engines:
        engine.wear({path: 1.0})
    return path


def test_a_lora_goes_onto_weights_in_eight_bit_whole_numbers(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path
) -> None:
    whole, rounded = load("wan"), load("wan", "models-int8")
    before = velocities(rounded)
    worn_by([whole, rounded], models_dir, tmp_path)
    for one, other in zip(velocities(rounded), velocities(whole), strict=True):
        assert (one - other).norm() / other.norm() < 0.03  # that of the rounded weights without it
    rounded.wear({})
    assert all(torch.equal(a, b) for a, b in zip(velocities(rounded), before, strict=True))


def test_a_lora_is_refused_where_it_would_be_rounded(
    load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(ResourceError, match="do not go with the memory plan blocks-fp8"):
        worn_by([load("wan", "blocks-fp8")], models_dir, tmp_path)


@pytest.fixture
def stored(models_dir: Path, load: Callable[..., LoraEngine], tmp_path: Path) -> str:
    """Return the name of a LoRA for Wan, in the words of Wan's own code."""
    pair = factors(load("wan"), PARTS["wan"], seed=3)
    source = write_lora(
        tmp_path / "dawn.safetensors", "blocks.1.self_attn.q", pair, prefix="diffusion_model."
    )
    return store_lora(source, models_dir=models_dir)


def fitting(models_dir: Path, name: str) -> list[str]:
    return [lora.title for lora in read_loras(models_dir, read(models_dir, name)) if lora.title == "dawn"]


def test_each_model_lists_the_loras_that_were_made_for_it(models_dir: Path, stored: str) -> None:
    assert stored
    assert [fitting(models_dir, name) for name in PARTS] == [["dawn"], ["dawn"], [], []]


def test_a_lora_in_the_words_of_wans_own_code_is_worn(
    load: Callable[..., LoraEngine], models_dir: Path, stored: str
) -> None:
    engine = load("wan")
    before = velocities(engine)
    engine.wear({lora_path(models_dir, stored): 1.0})
    assert not torch.equal(velocities(engine)[0], before[0])


def test_a_lora_for_another_model_is_refused_in_one_sentence(models_dir: Path, stored: str) -> None:
    uses = (LoraUse(lora=stored),)
    require_loras(uses, read(models_dir, "wan"), models_dir=models_dir)
    with pytest.raises(RequestError, match=r"dawn was made for another model: .* and ltx has no such part"):
        require_loras(uses, read(models_dir, "ltx"), models_dir=models_dir)


def test_a_lora_of_another_width_is_refused_with_both(models_dir: Path, tmp_path: Path) -> None:
    pair = (torch.randn(RANK, 40), torch.randn(40, RANK))
    source = write_lora(tmp_path / "wide.safetensors", PARTS["wan"], pair, prefix="transformer.")
    uses = (LoraUse(lora=store_lora(source, models_dir=models_dir)),)
    with pytest.raises(RequestError, match="of 40 to 40 numbers, and wan has one of 24 to 24"):
        require_loras(uses, read(models_dir, "wan"), models_dir=models_dir)


def test_a_lora_that_is_not_kept_is_refused(models_dir: Path) -> None:
    with pytest.raises(RequestError, match="is not in the data folder"):
        require_loras((LoraUse(lora="0" * 64),), read(models_dir, "wan"), models_dir=models_dir)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("style.pt", b"pickle", "no safetensors file; Kinora reads no other LoRA files"),
        ("style.safetensors", b"pickle", "is no safetensors file"),
    ],
)
def test_pickles_are_refused_whatever_they_are_called(
    models_dir: Path, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=sentence):
        store_lora(tmp_path / name, models_dir=models_dir)


def test_safetensors_without_a_lora_are_refused(models_dir: Path, tmp_path: Path) -> None:
    save_file({"blocks.0.weight": torch.zeros(2, 2)}, tmp_path / "vae.safetensors")
    with pytest.raises(WeightsError, match="holds no LoRA"):
        store_lora(tmp_path / "vae.safetensors", models_dir=models_dir)


def test_a_flipped_byte_is_refused(load: Callable[..., LoraEngine], models_dir: Path, tmp_path: Path) -> None:
    engine = load("wan")
    pair = factors(engine, PARTS["wan"], seed=9)
    source = write_lora(tmp_path / "a.safetensors", PARTS["wan"], pair, prefix="transformer.")
    path = lora_path(models_dir, store_lora(source, models_dir=models_dir))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be used"):
        engine.wear({path: 1.0})
    path.unlink()
