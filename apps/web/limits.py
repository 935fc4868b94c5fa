"""What the web page allows, in one place: the page tells its visitors these numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vl_backbone.common.checks import require_counts


@dataclass(frozen=True)
class Limits:
    """Bounds of one running page.

    upload_mb: largest file a visitor may send, in megabytes (10^6 bytes).
    megapixels: largest picture, in 10^6 pixels.
    queue: requests that may wait; one is worked on at a time.
    faces: faces of a photo that are offered, and faces made by one request.
    refine: most refinement steps of one request.
    clip_s: longest clip, in seconds.
    keep_s: seconds that uploads and results stay on disk at the longest.
    linger_s: seconds that the files of a visitor stay after the page was closed (phones drop connections).
    history: edits of a visit that can be undone.
    cache_mb: memory for photos whose faces are known, in megabytes; the photo in hand is always kept.
    """

    upload_mb: int = 40
    megapixels: int = 40
    queue: int = 64
    faces: int = 16
    refine: int = 100
    clip_s: int = 15
    keep_s: int = 2 * 3600
    linger_s: int = 10 * 60
    history: int = 20
    cache_mb: int = 800

    def __post_init__(self) -> None:
        require_counts(self, (field.name for field in fields(self) if field.name != "refine"))
        require_counts(self, ("refine",), least=0)
