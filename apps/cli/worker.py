"""One given file after the other, as `edit` and `superres` do them: a bad one fails alone, in its own JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from apps.cli import common
from apps.cli.common import Row
from apps.cli.rows import outcome
from vl_backbone.common.errors import InputError, VilaFaceError
from vl_backbone.common.strict_json import to_json

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor


class Settings(Protocol):
    """What every command that works on given files is told."""

    @property
    def out(self) -> Path: ...
    @property
    def preset(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def generator(self) -> str | None: ...


SettingsT = TypeVar("SettingsT", bound=Settings)


class Worker(ABC, Generic[SettingsT]):
    """Does one file after the other; the networks are loaded when the first sound one needs them."""

    def __init__(self, settings: SettingsT, sources: Sequence[Path]) -> None:
        """sources: all files that are given; none of them is written over."""
        self.settings = settings
        self._inputs = {source.absolute().resolve() for source in sources}
        self._editor: FaceEditor | None = None

    @abstractmethod
    def new_row(self, source: Path) -> Row:
        """The JSON of a file before anything was done with it."""

    @abstractmethod
    def work(self, source: Path, name: str, row: Row) -> None:
        """Does that file, writes its results as NAME.* and fills in the row."""

    @property
    def editor(self) -> FaceEditor:
        if self._editor is None:
            self._editor = common.load_editor(self.settings.preset, self.settings.device, self.settings.generator)
        return self._editor

    def run(self, source: Path, name: str, debug: bool = False) -> Row:
        """Does one file and writes its JSON; every failure but missing weights and wrong usage ends up in the row."""
        row = self.new_row(source)
        with outcome(row, debug):
            self.work(source, name, row)
        try:
            common.write_text(self.target(f"{name}.json"), to_json(row, indent=2) + "\n")
        except VilaFaceError as error:
            row["status"] = "failed"
            row["error"] = row["error"] or str(error)
        return row

    def target(self, file: str) -> Path:
        """A path in the output folder; InputError rather than writing over a file that was given."""
        path = self.settings.out / file
        if path.parent.resolve() / path.name in self._inputs:
            raise InputError(f"{path}: is one of the given files and would be overwritten; choose another --out")
        return path


def run_all(
    worker: Worker[SettingsT], sources: Sequence[Path], as_json: bool, debug: bool, tell: Callable[[Row], None]
) -> int:
    """Does all files and prints each one's row, as JSON or by `tell`; returns how many failed.

    Raises UsageError for an unknown preset or device, an unusable output folder or wrong settings, WeightsError for
    missing weights.
    """
    common.check_device_name(worker.settings.device)
    with common.console.status("Starting."):
        from fdvd.media.photos import stems
        from gan_mapping.mappers.presets import load_preset

        load_preset(worker.settings.preset)
    common.output_folder(worker.settings.out)
    failed = 0
    for source, name in zip(sources, stems(sources), strict=True):
        row = worker.run(source, name, debug)
        failed += row["status"] != "ok"
        if as_json:
            common.print_json(row)
            common.say_failure(row)
        else:
            tell(row)
    return failed
