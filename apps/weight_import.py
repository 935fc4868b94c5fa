"""`vilaface weights import`: from whatever file the user has to a safetensors file in the store.

The store knows nothing of networks, and the networks' readers nothing of the store; here the two meet.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightStore
from vl_backbone.weights.files import explain_os_errors

if TYPE_CHECKING:
    from torch import Tensor

    from gan_mapping.generators.readers import GeneratorFile

GENERATOR = "stylegan2-ffhq"
BACKBONE = "hdvila-official"
CLIP = "clip"
CONFIG_FILE = "config.json"
Select = Callable[[Mapping[str, "Tensor"]], "dict[str, Tensor]"]


@dataclass(frozen=True)
class ImportedFile:
    """path: where the file lies in the store now. notes: what the user should know about it."""

    path: Path
    notes: tuple[str, ...]


def import_weights(file: Path, name: str, store: WeightStore | None = None) -> ImportedFile:
    """Takes a weight file into the store under `name`, converted to safetensors; nothing in it is executed.

    A StyleGAN2 generator (.pkl, .pt, .safetensors) keeps its configuration; of the parts of a preset only what is
    needed is kept, and checked. Raises WeightsError, with nothing changed, when the file is refused.
    """
    from gan_mapping.generators.readers import NotAGeneratorError, read_generator

    store = store or WeightStore()
    store.check_import_name(name)
    if not file.is_file():
        raise WeightsError(f"{file} does not exist or is no regular file.")
    if name == BACKBONE:
        return ImportedFile(_store_backbone(file, store), ())
    if name == CLIP:
        return ImportedFile(_store_clip(file, store), ())
    select = _selections().get(name)
    if select is not None:
        return ImportedFile(_store_tensors(file, name, store, select), ())
    try:
        generator = read_generator(file)
    except NotAGeneratorError as error:
        if name == GENERATOR:
            raise WeightsError(f"{error} {GENERATOR} must be a StyleGAN2 generator.") from None
        return ImportedFile(_store_tensors(file, name, store), ())
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "generator.safetensors"
        with explain_os_errors(f"Converting {file.name}"):
            generator.save(converted)
        path = store.import_file(converted, name, file.name)
    return ImportedFile(path, (_summary(generator), *generator.notes, _shared_w(generator, name, store)))


def _store_tensors(file: Path, name: str, store: WeightStore, select: Select | None = None) -> Path:
    """Any named tensors: a .safetensors file as it is, a PyTorch file converted; select: what to keep of it."""
    from gan_mapping.generators.readers import sniff
    from vl_backbone.hdvila.state_file import read_state, write_state

    if sniff(file) == "safetensors" and select is None:
        if file.suffix.lower() != ".safetensors":
            raise WeightsError(f"{file.name} is a safetensors file; rename it to end in .safetensors.")
        return store.import_file(file, name)
    state = read_state(file)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "weights.safetensors"
        write_state(select(state) if select else state, converted)
        return store.import_file(converted, name, file.name)


def _store_backbone(file: Path, store: WeightStore) -> Path:
    """An HD-VILA checkpoint; a config.json beside it gives the official fields, else they are the published ones."""
    from vl_backbone.backbones.hdvila_official import convert_official

    beside = file.parent / CONFIG_FILE
    try:
        fields = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"The {CONFIG_FILE} beside {file.name} cannot be read: {error}.") from None
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "backbone.safetensors"
        with explain_os_errors(f"Converting {file.name}"):
            convert_official(file, fields if "hidden_size" in fields else {}, converted)
        return store.import_file(converted, BACKBONE, file.name)


def _store_clip(file: Path, store: WeightStore) -> Path:
    """A CLIP in transformers' format; config.json and tokenizer.json lie beside its weights."""
    from gan_mapping.perception.clip import convert_clip

    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "clip.safetensors"
        convert_clip(file, converted)
        return store.import_file(converted, CLIP, file.name)


def _selections() -> dict[str, Select]:
    """Names of the presets' parts -> check of the tensors, returning those to keep."""
    from gan_mapping.perception.inception_resnet import without_head
    from gan_mapping.perception.lpips import trunk_state

    return {
        "inception-resnet-vggface2": without_head,
        "vgg16-imagenet": lambda state: trunk_state("vgg", state),
        "alexnet-imagenet": lambda state: trunk_state("alex", state),
    }


def _summary(generator: GeneratorFile) -> str:
    config = generator.config
    classes = f", {config.c_dim} classes" if config.c_dim else ""
    return (
        f"StyleGAN2 generator, {config.resolution} px, w+ {config.num_ws}x{config.w_dim}{classes}; {generator.origin}."
    )


def _shared_w(generator: GeneratorFile, name: str, store: WeightStore) -> str:
    """Whether the mappers of the mini preset can drive this generator, measured."""
    from gan_mapping.mappers.transfer import compare_mapping, load_mobile_mapping

    try:
        mobile = load_mobile_mapping(store)
    except WeightsError:
        return "Whether it shares W with mobile-stylegan-ffhq is checked once that is there: `vilaface weights fetch`."
    comparison = compare_mapping(generator.network(), mobile)
    if comparison.shared:
        return (
            f"Its W is that of mobile-stylegan-ffhq ({comparison.reason}): the mini preset can draw with it, "
            f"`vilaface edit --generator {name} ...`."
        )
    return (
        f"Its W is not that of mobile-stylegan-ffhq ({comparison.reason}): the mini preset's mappers cannot drive it; "
        "it needs mappers of its own."
    )
