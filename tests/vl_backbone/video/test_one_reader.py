"""Training of backbones and editing read clips through one door: equal pixels, equal refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fdvd.media.video import read_frames as read_for_editing
from tests.fdvd.media.video.video_files import card, write_video
from vl_backbone.common.errors import InputError
from vl_backbone.video.reader import index_frames
from vl_backbone.video.reader import read_frames as read_for_training


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rotation": 90},
        {"rotation": 180, "hflip": True},
        {"matrix": "ITU601"},
        {"matrix": "ITU709", "full_range": True},
    ],
)
def test_one_clip_gives_equal_pixels_by_both_doors(tmp_path: Path, how: dict[str, object]) -> None:
    path = write_video(tmp_path / "a.mp4", [card(96, 64, n) for n in range(5)], **how)  # type: ignore[arg-type]
    edited = [frame.rgb for frame in read_for_editing(path)]
    trained = [rgb for _, rgb in read_for_training(index_frames(path), range(5))]
    assert len(edited) == len(trained) == 5
    assert all(np.array_equal(a, b) for a, b in zip(edited, trained, strict=True))


def test_playlists_and_addresses_are_opened_by_neither(tmp_path: Path) -> None:
    """A file that names other files must not make FFmpeg open them; a name like an address is a name."""
    write_video(tmp_path / "a.mp4", [card(96, 64)] * 2)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'a.mp4'}\n#EXT-X-ENDLIST\n", encoding="utf-8")
    for path in (playlist, Path(f"concat:{tmp_path / 'a.mp4'}"), Path("http://127.0.0.1:9/a.mp4")):
        with pytest.raises(InputError):
            index_frames(path)
        with pytest.raises(InputError):
            next(iter(read_for_editing(path)))
