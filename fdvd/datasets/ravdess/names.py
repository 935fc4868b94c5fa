"""RAVDESS file names: seven two-digit numbers, such as 01-01-06-01-02-01-12.mp4.

In order: modality, vocal channel, emotion, intensity, statement, repetition, actor.
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from pathlib import PurePath

from vl_backbone.common.errors import InputError

MODALITIES = {1: "audio-video", 2: "video-only", 3: "audio-only"}
CHANNELS = {1: "speech", 2: "song"}
EMOTIONS = {
    1: "neutral",
    2: "calm",
    3: "happy",
    4: "sad",
    5: "angry",
    6: "fearful",
    7: "disgusted",
    8: "surprised",
}
INTENSITIES = {1: "normal", 2: "strong"}
STATEMENTS = {1: "Kids are talking by the door", 2: "Dogs are sitting by the door"}
REPETITIONS = {1: "first", 2: "second"}
ACTORS = range(1, 25)
SONG_EMOTIONS = range(1, 7)
ACTOR_WITHOUT_SONG = 18
AGE_RANGE = (21, 33)
"""Years; all actors are young adults."""

_FIELDS = ("modality", "vocal channel", "emotion", "intensity", "statement", "repetition", "actor")
_KNOWN = (MODALITIES, CHANNELS, EMOTIONS, INTENSITIES, STATEMENTS, REPETITIONS, ACTORS)


@dataclass(frozen=True, order=True)
class Recording:
    """One recording by the numbers of its file name. Sorted as the names are."""

    modality: int
    channel: int
    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    @property
    def name(self) -> str:
        """The file name without its ending."""
        return "-".join(f"{number:02d}" for number in astuple(self))

    @property
    def performance(self) -> tuple[int, ...]:
        """What was played: equal for the audio-video and the video-only file of one take."""
        return astuple(self)[1:]

    @property
    def gender(self) -> str:
        """Actors with odd numbers are male, with even ones female."""
        return "male" if self.actor % 2 else "female"

    def facts(self) -> frozenset[str]:
        """What the name states, in the words of fdvd.language.captions."""
        facts = {self.gender, EMOTIONS[self.emotion], "sings" if CHANNELS[self.channel] == "song" else "speaks"}
        if INTENSITIES[self.intensity] == "strong":
            facts.add("strong_emotion")
        return frozenset(facts)

    def as_row(self) -> dict[str, str | int]:
        """The fields in words."""
        return {
            "actor": self.actor,
            "gender": self.gender,
            "modality": MODALITIES[self.modality],
            "channel": CHANNELS[self.channel],
            "emotion": EMOTIONS[self.emotion],
            "intensity": INTENSITIES[self.intensity],
            "statement": STATEMENTS[self.statement],
            "repetition": self.repetition,
        }


def parse_name(name: str) -> Recording:
    """The recording of a file name (folders and ending do not matter).

    InputError that names the wrong field for what RAVDESS does not hold.
    """
    stem = PurePath(name).name.split(".", 1)[0]
    if not re.fullmatch(r"[0-9]{2}(-[0-9]{2}){6}", stem):
        raise InputError(
            f"{name}: is not a RAVDESS name; seven two-digit numbers are expected, such as 01-01-06-01-02-01-12.mp4"
        )
    numbers = [int(part) for part in stem.split("-")]
    for field, number, known in zip(_FIELDS, numbers, _KNOWN, strict=True):
        if number not in known:
            raise InputError(f"{name}: {field} {number:02d} does not exist in RAVDESS (01 to {max(known):02d})")
    recording = Recording(*numbers)
    if recording.emotion == 1 and recording.intensity == 2:
        raise InputError(f"{name}: RAVDESS has no strong intensity for the neutral emotion")
    if recording.channel == 2 and recording.emotion not in SONG_EMOTIONS:
        raise InputError(f"{name}: RAVDESS has no {EMOTIONS[recording.emotion]} songs")
    if recording.channel == 2 and recording.actor == ACTOR_WITHOUT_SONG:
        raise InputError(f"{name}: RAVDESS has no songs by actor {ACTOR_WITHOUT_SONG}")
    return recording
