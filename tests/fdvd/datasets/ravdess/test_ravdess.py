from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdvd.datasets.ravdess import find_recordings, parse_name
from fdvd.language.captions.facts import FACTS
from vl_backbone.common.errors import InputError, UsageError


def test_the_published_example():
    """RAVDESS's own documentation explains 02-01-06-01-02-01-12.mp4 word by word."""
    recording = parse_name("Actor_12/02-01-06-01-02-01-12.mp4")
    assert recording.as_row() == {
        "actor": 12,
        "gender": "female",
        "modality": "video-only",
        "channel": "speech",
        "emotion": "fearful",
        "intensity": "normal",
        "statement": "Dogs are sitting by the door",
        "repetition": 1,
    }
    assert recording.facts() == {"female", "fearful", "speaks"}
    assert recording.name == "02-01-06-01-02-01-12"


def test_there_are_as_many_names_as_ravdess_has_files():
    count = 0
    for numbers in itertools.product(range(4), range(4), range(10), range(4), range(4), range(4), range(26)):
        try:
            recording = parse_name("-".join(f"{n:02d}" for n in numbers) + ".mp4")
        except InputError:
            continue
        assert recording.facts() <= set(FACTS)
        count += 1
    assert count == 7356


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("holiday.mp4", "is not a RAVDESS name"),
        ("1-1-6-1-2-1-12.mp4", "is not a RAVDESS name"),
        ("01-01-06-01-02-01-12-01.mp4", "is not a RAVDESS name"),
        ("٠١-01-06-01-02-01-12.mp4", "is not a RAVDESS name"),
        ("04-01-06-01-02-01-12.mp4", "modality 04 does not exist"),
        ("01-03-06-01-02-01-12.mp4", "vocal channel 03"),
        ("01-01-09-01-02-01-12.mp4", r"emotion 09 does not exist in RAVDESS \(01 to 08\)"),
        ("01-01-06-00-02-01-12.mp4", "intensity 00"),
        ("01-01-06-01-03-01-12.mp4", "statement 03"),
        ("01-01-06-01-02-03-12.mp4", "repetition 03"),
        ("01-01-06-01-02-01-25.mp4", "actor 25"),
        ("01-01-01-02-02-01-12.mp4", "no strong intensity for the neutral"),
        ("01-02-08-01-02-01-12.mp4", "no surprised songs"),
        ("01-02-03-01-02-01-18.mp4", "no songs by actor 18"),
    ],
)
def test_wrong_names_say_which_field(name, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        parse_name(name)
    assert str(caught.value).startswith(f"{name}: ")


@given(st.text(max_size=30))
def test_no_name_gives_more_than_a_sentence(name):
    try:
        parse_name(name)
    except InputError as error:
        assert str(error).startswith(name)


def test_finding_clips(tmp_path):
    names = (
        "Actor_01/02-01-03-01-01-01-01.mp4",
        "Actor_01/01-01-03-01-01-01-01.mp4",
        "Actor_02/02-01-03-01-01-01-02.mp4",
        "Actor_02/copy/02-01-03-01-01-01-02.mp4",
        "Actor_02/holiday.MP4",
        "Actor_02/03-01-03-01-01-01-02.mp4",
        "Actor_02/03-01-03-01-01-01-02.wav",
        "Actor_02/.01-01-03-01-01-01-02.mp4",
        "notes.txt",
    )
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sources, problems = find_recordings(tmp_path)
    assert [s.path.relative_to(tmp_path).as_posix() for s in sources] == [names[1], names[2]]
    assert [(p.kind, p.item) for p in problems] == [
        ("wrong-name", names[5]),
        ("duplicate", names[3]),
        ("wrong-name", names[4]),
    ]


def test_a_wrong_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        find_recordings(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no RAVDESS clips"):
        find_recordings(tmp_path)
    (tmp_path / "file.mp4").touch()
    with pytest.raises(UsageError, match="is a file"):
        find_recordings(tmp_path / "file.mp4")
    with pytest.raises(UsageError, match="holds no RAVDESS clips"):
        find_recordings(tmp_path)
