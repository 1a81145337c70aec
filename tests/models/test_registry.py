import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import RequestError
from backend.models import registry

TINY = ("tests.tiny_engine:make",)


def test_pocket_is_the_first_engine() -> None:
    assert registry.specs()[0].name == "kinora-pocket"


def test_extra_engines_come_after_the_table() -> None:
    assert [spec.name for spec in registry.specs(extra_engines=TINY)] == ["kinora-pocket", "tiny"]


def test_unknown_engine_is_a_request_error_that_names_the_known_ones() -> None:
    with pytest.raises(RequestError, match="kinora-pocket; you gave 'sora'") as caught:
        registry.spec("sora")
    assert caught.value.field == "engine"


def test_load_engine_gives_the_engine_of_that_name(tmp_path: Path) -> None:
    engine = registry.load_engine("tiny", weights_dir=tmp_path, device="cpu", extra_engines=TINY)
    assert engine.spec == registry.spec("tiny", extra_engines=TINY)


def test_specifications_load_without_torch() -> None:
    code = (
        "import sys; from backend.models import registry, weights; "
        f"registry.specs(extra_engines={TINY!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_size_and_length_of_every_engine_fits_its_latents() -> None:
    for spec in registry.specs(extra_engines=TINY):
        every, first = spec.frame_rule
        for duration in spec.duration_range:
            assert spec.num_frames(duration) % every == first
        assert all(side % 8 == 0 for size in spec.sizes.values() for side in size)
