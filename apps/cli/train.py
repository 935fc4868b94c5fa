"""`vilaface train`: the linear mappers, the backbone and its downstream tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli.common import DebugOption, exit_codes, progress_bar, quiet_libraries, say
from apps.configs import recipe_path
from vl_backbone.common.errors import UsageError

if TYPE_CHECKING:
    from vl_backbone.training.loop import Progress

train_app = typer.Typer(help="Train the project's own parts.", no_args_is_help=True)

RecipeOption = Annotated[Path, typer.Option("--config", help="YAML with the recipe; see docs/pretraining.md.")]
StageOption = Annotated[
    str, typer.Option("--config", help="YAML file with the recipe; stage1, stage2 are samples to copy.")
]
RunFolderOption = Annotated[Path, typer.Option("--out", help="Folder for state, log and model; made when missing.")]
TrainDeviceOption = Annotated[str, typer.Option("--device", help='"auto" (a GPU when there is one) or "cpu".')]


@train_app.callback()
def train() -> None:
    """Train the project's own parts."""


@train_app.command("mapper")
def train_mapper(
    config: Annotated[
        str, typer.Option(help="mini, mini-imagenet, smoke, or a YAML file with the fields of RecipeConfig.")
    ] = "mini",
    work: Annotated[Path | None, typer.Option(help="Folder for faces and features (16 GB for `mini`).")] = None,
    out: Annotated[Path, typer.Option(help="Mapper file to write.")] = Path("mini.safetensors"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Fit only vision, directions or text; repeatable.")
    ] = None,
    others: Annotated[
        Path | None,
        typer.Option("--from", help="With --only: mapper file with the other parts; default the shipped one."),
    ] = None,
) -> None:
    """Fit vision, text and offset mappers and the attribute reader from redrawn faces and labels. Resumes."""
    with exit_codes():
        quiet_libraries()
        from gan_mapping.editing.loading import choose_device
        from gan_mapping.generators.registry import load_generator
        from gan_mapping.mappers.files import save_mappers
        from gan_mapping.perception.networks import load_identity
        from gan_mapping.training.closed_form.recipe import fit_mappers, load_config
        from gan_mapping.training.closed_form.refit import chosen_parts, load_kept
        from vl_backbone import load_backbone
        from vl_backbone.weights import WeightStore, default_home

        path = recipe_path("mappers", config)
        recipe = load_config(path)
        if others and not only:
            raise UsageError("--from names where the parts come from that --only leaves out; give --only too.")
        chosen_parts(only or ())
        kept = load_kept(others, recipe.backbone, recipe.generator) if only else None
        backbone, generator = load_backbone(recipe.backbone), load_generator(recipe.generator)
        folder = work or default_home() / "training" / path.stem
        say(f"Working in {folder}.")
        identity = load_identity(recipe.identity, choose_device("cpu"), WeightStore())
        mappers = fit_mappers(recipe, backbone, generator, identity, folder, say, only or (), kept)
        save_mappers(mappers, out)
        say(f"Wrote {out}.")


@train_app.command("mapper-images")
def train_mapper_images(
    config: Annotated[
        str, typer.Option("--config", help="images, images-smoke, or a YAML file; see docs/training.md.")
    ],
    out: RunFolderOption,
    device: TrainDeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Fine-tune the mappers through the generator with picture losses. Interrupt freely: it goes on where it was."""
    with exit_codes(debug), training_progress() as report:
        from gan_mapping.training.through_generator.image_config import load_image_config
        from gan_mapping.training.through_generator.image_recipe import MODEL_FILE, train_on_pictures

        recipe = load_image_config(recipe_path("mapper_images", config))
        train_on_pictures(recipe, out, report=report, say=say, cpu=on_cpu(device))
        say(f"Wrote {out / MODEL_FILE}.")


@train_app.command("superres")
def train_superres(
    faces: Annotated[int, typer.Option(min=500, help="How many faces are drawn.")] = 8500,
    work: Annotated[Path | None, typer.Option(help="Folder for the faces (0.8 MB each).")] = None,
    out: Annotated[Path, typer.Option(help="Mapper file to write.")] = Path("superres.safetensors"),
    debug: DebugOption = False,
) -> None:
    """Fit the pixel mapper of super-resolution on drawn faces. Interrupt freely: it resumes."""
    with exit_codes(debug):
        quiet_libraries()
        from gan_mapping.superres.training import train_pixel_mapper
        from vl_backbone.weights import default_home

        folder = work or default_home() / "training" / "superres"
        say(f"Working in {folder}.")
        train_pixel_mapper(faces, folder, out, say)
        say(f"Wrote {out}.")


@train_app.command("preview-heads")
def train_preview_heads(
    work: Annotated[Path | None, typer.Option(help="Folder for the training's state (12 MB).")] = None,
    out: Annotated[Path, typer.Option(help="Weight file to write.")] = Path("preview-heads.safetensors"),
    config: Annotated[str, typer.Option(help="A YAML file with the fields of HeadRecipe.")] = "preview-heads",
    debug: DebugOption = False,
) -> None:
    """Train the heads that draw small pictures of the default generator. Interrupt freely: it resumes."""
    with exit_codes(debug):
        quiet_libraries()
        from gan_mapping.generators.registry import MobileStyleGANGenerator, load_generator
        from gan_mapping.training import preview_heads
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.weights import default_home

        recipe = load_yaml(preview_heads.HeadRecipe, recipe_path("preview_heads", config))
        folder = work or default_home() / "training" / "preview-heads"
        say(f"Working in {folder}.")
        generator = load_generator()
        assert isinstance(generator, MobileStyleGANGenerator)
        preview_heads.train_preview_heads(recipe, generator, folder / "state.safetensors", out, say)
        say(f"Wrote {out}.")


@train_app.command("backbone")
def train_backbone(
    config: StageOption,
    out: RunFolderOption,
    device: TrainDeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Pre-train HD-VILA, stage 1 or 2. Interrupt freely: the same command goes on where it was."""
    with exit_codes(debug), training_progress() as report:
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.pretraining.recipe import PretrainingConfig, pretrain

        recipe = load_yaml(PretrainingConfig, recipe_path("backbone", config))
        pretrain(recipe, out, report=report, say=say, cpu=on_cpu(device))
        say(f"Wrote the model to {out}.")


@train_app.command("hdvila-mini")
def train_hdvila_mini(
    clips: Annotated[Path, typer.Option(help="FDVD-synth folder, made by `vilaface data synth`.")],
    work: Annotated[Path, typer.Option(help="Folder for faces, trunk maps and training states (several GB).")],
    out: Annotated[Path, typer.Option(help="Weight file to write.")] = Path("hdvila-mini.safetensors"),
    config: Annotated[str, typer.Option(help="A YAML file with the fields of MiniRecipe.")] = "hdvila-mini",
    debug: DebugOption = False,
) -> None:
    """Pre-train the small default backbone on generated faces and clips. Interrupt freely: it resumes."""
    with exit_codes(debug):
        quiet_libraries()
        from gan_mapping.generators.registry import load_generator
        from gan_mapping.hdvila_mini.recipe import MAX_TOKENS, MiniRecipe, pretrain_mini
        from vl_backbone.backbones.registry import load_efficientnet, minilm_folder, minilm_state
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.hdvila.mini_weights import save_mini
        from vl_backbone.pretraining.tokens import WordPieces
        from vl_backbone.weights import WeightStore

        recipe = load_yaml(MiniRecipe, recipe_path("hdvila_mini", config))
        store = WeightStore()
        bases = load_efficientnet(store).state_dict(), minilm_state(store)
        tokenizer = WordPieces(minilm_folder(store), MAX_TOKENS)
        model, figures = pretrain_mini(recipe, bases, tokenizer, load_generator(), clips, work, say)
        save_mini(model, out, recipe.frozen_text_layers, figures)
        say(f"Wrote {out}.")


@train_app.command("retrieval")
def train_retrieval(
    config: RecipeOption,
    out: RunFolderOption,
    device: TrainDeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Fine-tune a pre-trained backbone for text-to-video retrieval; goes on where it was interrupted."""
    with exit_codes(debug), training_progress() as report:
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.downstream.recipes import RetrievalConfig, train_retrieval

        train_retrieval(load_yaml(RetrievalConfig, config), out, report=report, say=say, cpu=on_cpu(device))
        say(f"Wrote the model to {out}.")


@train_app.command("qa")
def train_qa(
    config: RecipeOption,
    out: RunFolderOption,
    device: TrainDeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Fine-tune a pre-trained backbone for video question answering; goes on where it was interrupted."""
    with exit_codes(debug), training_progress() as report:
        from vl_backbone.common.yaml_config import load_yaml
        from vl_backbone.downstream.recipes import QuestionConfig, train_questions

        train_questions(load_yaml(QuestionConfig, config), out, report=report, say=say, cpu=on_cpu(device))
        say(f"Wrote the model to {out}.")


def on_cpu(device: str) -> bool:
    """Whether training must stay on the CPU; UsageError for anything but "auto" and "cpu"."""
    if device not in ("auto", "cpu"):
        raise UsageError(f'--device must be "auto" or "cpu" here, got {device!r}; choose GPUs by CUDA_VISIBLE_DEVICES.')
    return device == "cpu"


@contextmanager
def training_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar with the latest figures, for people who watch; yields what `fit` reports to."""
    quiet_libraries()
    with progress_bar() as bar:
        task = bar.add_task("training", total=None)

        def report(progress: Progress) -> None:
            figures = " ".join(f"{name} {value:.4g}" for name, value in progress.figures.items())
            bar.update(task, completed=progress.step, total=progress.total, description=figures)

        yield report
