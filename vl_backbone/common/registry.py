"""Loaders by name: those of this project, those that a program registers, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar

import torch

from vl_backbone.common.errors import InputError
from vl_backbone.weights import WeightStore

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """What can be loaded by name. A loader takes the device and the weight store, and gives the ready part.

    An installed package adds to it by an entry point (in its pyproject.toml:
    `[project.entry-points."vilaface.backbones"]`, `my-backbone = "my_package:load"`), a program by `register`.
    """

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, Callable[[torch.device, WeightStore], Part]]
    ) -> None:
        """kind: "backbone", for messages; group: of the entry points."""
        self.kind, self._group = kind, group
        self._loaders = dict(built_in)

    def register(self, name: str, loader: Callable[[torch.device, WeightStore], Part]) -> None:
        """InputError when the name is taken by another loader."""
        if self._loaders.get(name, loader) is not loader:
            raise InputError(f"There is a {self.kind} {name!r} already; choose another name.")
        self._loaders[name] = loader

    def names(self) -> list[str]:
        """All that can be loaded now."""
        return sorted({*self._loaders, *(point.name for point in entry_points(group=self._group))})

    def find(self, name: str) -> Callable[[torch.device, WeightStore], Part] | None:
        """The loader of that name, None when there is none. Installed packages are asked last."""
        if name in self._loaders:
            return self._loaders[name]
        for point in entry_points(group=self._group):
            if point.name == name:
                loader: Callable[[torch.device, WeightStore], Part] = point.load()
                return loader
        return None

    def load(self, name: str, device: torch.device, store: WeightStore) -> Part:
        """The part of that name; InputError names the known ones otherwise."""
        loader = self.find(name)
        if loader is None:
            raise InputError(f"Unknown {self.kind} {name!r}; known are {', '.join(self.names())}.")
        return loader(device, store)
