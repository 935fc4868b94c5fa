"""The edits of one visit, with undo and redo."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from apps.web.edit_service import EditRequest


@dataclass(frozen=True)
class Entry:
    """One shown edit: what was asked, and the files and words of the answer.

    views: (before, after) previews of the whole photo, the face, and the generator's own drawing. photo, face:
    the full-size PNGs. thumbnail: the face, small. tuned: made by moving sliders rather than by a click.
    strip: (picture, strength) of the sentence at several strengths.
    """

    request: EditRequest
    steps: int
    folder: Path
    views: tuple[tuple[str, str], ...]
    photo: str
    face: str
    thumbnail: str
    summary: str
    tuned: bool = False
    strip: tuple[tuple[str, str], ...] = ()

    @property
    def caption(self) -> str:
        """A few words for the strip of edits."""
        request = self.request
        words = [request.text.strip()] if request.text.strip() else []
        if words and request.strength != 1:
            words.append(f"x {request.strength:g}")
        sliders = (("turn", request.pose), ("age", request.age), ("smile", request.smile))
        words += [f"{name} {value:+g}" for name, value in sliders if value]
        return " ".join(words)

    def exists(self) -> bool:
        """Whether its files are still there."""
        return Path(self.photo).is_file()


@dataclass
class History:
    """Entries in order and the one that is shown (-1: none)."""

    entries: list[Entry] = field(default_factory=list)
    position: int = -1

    @property
    def current(self) -> Entry | None:
        """The entry that is shown."""
        return self.entries[self.position] if 0 <= self.position < len(self.entries) else None

    def add(self, entry: Entry, limit: int) -> list[Entry]:
        """Shows a new entry; returns those it pushed out: undone ones, one it refines, the oldest above the limit.

        Moving a slider step by step makes one entry, not many; the click before it stays an entry of its own.
        """
        current = self.current
        gone = self.entries[self.position + 1 :]
        kept = self.entries[: self.position + 1]
        if current and self._continues(current, entry):
            gone.append(kept.pop())
        kept.append(entry)
        over = max(0, len(kept) - limit)
        gone += kept[:over]
        self.entries, self.position = kept[over:], len(kept) - over - 1
        return gone

    def exchange(self, entry: Entry, other: Entry) -> bool:
        """Puts `other` where `entry` is, if it still is somewhere; returns whether that is what is shown."""
        for index, known in enumerate(self.entries):
            if known is entry:
                self.entries[index] = other
                return index == self.position
        return False

    def move(self, step: int) -> Entry | None:
        """Undo (-1) or redo (+1); None, and nothing changes, where there is no further entry."""
        return self.show(self.position + step)

    def show(self, index: int) -> Entry | None:
        """Goes to an entry; None, and nothing changes, where there is none or its files are gone."""
        if not 0 <= index < len(self.entries) or not self.entries[index].exists():
            return None
        self.position = index
        return self.entries[index]

    @staticmethod
    def _continues(last: Entry, entry: Entry) -> bool:
        if entry.tuned:
            same = replace(entry.request, strength=0, pose=0, age=0, smile=0, refine=None)
            return last.tuned and same == replace(last.request, strength=0, pose=0, age=0, smile=0, refine=None)
        # The same request with more refinement steps takes the place of its first look.
        return last.request == entry.request and last.steps < entry.steps
