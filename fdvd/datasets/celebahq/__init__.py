"""Folders of aligned faces: CelebA-HQ, Multi-Modal CelebA-HQ and FFHQ-style ones."""

from __future__ import annotations

from fdvd.datasets.celebahq.check import check_folder, describe_folder
from fdvd.datasets.celebahq.folder import Face, FaceFolder, open_folder
from fdvd.datasets.celebahq.lists import read_list
from fdvd.datasets.problems import Problem

__all__ = ["Face", "FaceFolder", "Problem", "check_folder", "describe_folder", "open_folder", "read_list"]
