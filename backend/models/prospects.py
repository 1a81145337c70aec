"""What a model could do, before its weights are downloaded: from its small configuration files alone."""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from backend.models.adding import title_of
from backend.models.diffusers_folder import INDEX_NAME, read_folder
from backend.models.downloads import Offer, download
from backend.models.families import family_of
from backend.models.installed import Installed, ModelFile
from backend.models.memory_plans import BYTES_PER_PARAMETER

_CONFIGURATIONS = (INDEX_NAME, "config.json", "scheduler_config.json")


def prospect(wanted: Offer, *, name: str, models_dir: Path, hub: str) -> Installed:
    """Return `wanted` as it would be installed as `name`; some kilobytes are downloaded for it and removed.

    Weights that lie there in 32 bits are counted as if of 16, so its memory is the most it may be. Raises
    WeightsError for a model that Kinora cannot run or that cannot be reached.
    """
    few = tuple(each for each in wanted.files if PurePosixPath(each.path).name in _CONFIGURATIONS)
    models_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".look-", dir=models_dir) as temporary:
        folder = Path(temporary) / wanted.repository.rpartition("/")[2]
        download(replace(wanted, files=few), folder, hub=hub)
        found = read_folder(folder)
        family = family_of(found)
        facts = family.read_facts(found)
    sizes = wanted.weight_bytes()
    facts["parameters"] = {part: size // BYTES_PER_PARAMETER for part, size in sizes.items()}
    return Installed(
        name=name,
        title=title_of(wanted.repository),
        family=family.name,
        folder=str(models_dir / name),
        licence=wanted.licence,
        facts=facts,
        source=wanted.repository,
        revision=wanted.revision,
        files=tuple(ModelFile(each.path, each.sha256, each.size_bytes) for each in wanted.files),
    )
