"""The annotation layouts of the public data sets, each as a small file of its kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vl_backbone.common.errors import UsageError
from vl_backbone.downstream.captions import RetrievalLayout, read_retrieval
from vl_backbone.downstream.questions import (
    AnswerVocabulary,
    ChoiceLayout,
    OpenLayout,
    read_choices,
    read_open_questions,
)

INFO = json.dumps(
    {
        "info": {"year": "2016"},
        "videos": [
            {"video_id": "video0", "split": "train", "start time": 1.0, "end time": 3.0},
            {"video_id": "video1", "split": "test"},
        ],
        "sentences": [
            {"sen_id": 0, "video_id": "video0", "caption": "a man sings"},
            {"sen_id": 1, "video_id": "video1", "caption": "a dog runs"},
            {"sen_id": 2, "video_id": "video0", "caption": "someone sings a song"},
        ],
    }
)
TEST_1K = 'key,vid_key,video_id,sentence\nret0,msr1,video1,"a dog, running"\nret1,msr0,video0,a man sings\n'
ROWS = '{"clip_name": "video0.mp4", "caption": "a man sings", "sen_id": 1}\n'
DIDEMO = json.dumps(
    [
        {"video": "video0.mov", "description": "a cat sits.", "times": [[0, 0]]},
        {"video": "video1.avi", "description": "rain", "times": [[1, 1]]},
        {"video": "video0.mov", "description": "it leaves", "times": [[2, 2]]},
    ]
)
LSMDC = (
    'video0\t00.00.01.000\t00.00.02.000\t00.00.01.000\t00.00.02.000\tSOMEONE says "no.\n'
    "video1\t00.00.03.000\t00.00.04.000\t00.00.03.000\t00.00.04.000\tHe leaves.\n"
)
ACTIVITY = json.dumps({"video0": {"duration": 9.0, "timestamps": [[0, 4], [4, 9]], "sentences": ["One.", " Two."]}})


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two empty files that bear names of videos, one of them in a folder."""
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    (folder / "video0.mp4").touch()
    (folder / "deep" / "video1.avi").touch()
    return folder


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("layout", "name", "content", "split", "expected"),
    [
        ("msrvtt", "i.json", INFO, "train", {"video0": ("a man sings", "someone sings a song")}),
        (
            "msrvtt",
            "i.json",
            INFO,
            None,
            {"video0": ("a man sings", "someone sings a song"), "video1": ("a dog runs",)},
        ),
        ("msrvtt", "t.csv", TEST_1K, None, {"video1": ("a dog, running",), "video0": ("a man sings",)}),
        ("msrvtt", "t.jsonl", ROWS, None, {"video0": ("a man sings",)}),
        ("didemo", "d.json", DIDEMO, None, {"video0": ("a cat sits. it leaves",), "video1": ("rain",)}),
        ("lsmdc", "l.csv", LSMDC, None, {"video0": ('SOMEONE says "no.',), "video1": ("He leaves.",)}),
        ("activitynet", "a.json", ACTIVITY, None, {"video0": ("One. Two.",)}),
        ("jsonl", "j.jsonl", '{"video": "video0.mp4", "caption": "x"}', None, {"video0": ("x",)}),
    ],
)
def test_retrieval_layouts(
    tmp_path: Path,
    videos: Path,
    layout: RetrievalLayout,
    name: str,
    content: str,
    split: str | None,
    expected: dict[str, tuple[str, ...]],
) -> None:
    entries = read_retrieval(layout, written(tmp_path, name, content), videos, split)
    assert {entry.path.stem: entry.captions for entry in entries} == expected
    assert all(entry.path.is_file() for entry in entries)


@pytest.mark.parametrize(
    ("layout", "name", "content", "reason"),
    [
        ("msrvtt", "i.json", "[]", "videos"),
        ("msrvtt", "i.json", '{"videos": [3], "sentences": []}', "video 1"),
        ("msrvtt", "i.json", '{"videos": [], "sentences": []}', "no sentences"),
        ("msrvtt", "t.csv", "key,sentence\na,b\n", "video_id"),
        ("msrvtt", "t.csv", "", "nothing"),
        ("didemo", "d.json", "{}", "list"),
        ("didemo", "d.json", '[{"video": "a"}]', "description"),
        ("lsmdc", "l.csv", "clip\t1\t2\n", "sentence"),
        ("activitynet", "a.json", '{"v": {"sentences": "x"}}', "sentences"),
        ("activitynet", "a.json", "{", "not JSON"),
    ],
)
def test_bad_retrieval_files_are_named(
    tmp_path: Path, videos: Path, layout: RetrievalLayout, name: str, content: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        read_retrieval(layout, written(tmp_path, name, content), videos)
    assert name in str(caught.value)


def test_splits_and_folders_that_are_not_there(tmp_path: Path, videos: Path) -> None:
    path = written(tmp_path, "i.json", INFO)
    with pytest.raises(UsageError, match="no sentences of the split 'dev'"):
        read_retrieval("msrvtt", path, videos, "dev")
    with pytest.raises(UsageError, match="split"):
        read_retrieval("didemo", path, videos, "train")
    with pytest.raises(UsageError, match="no such folder"):
        read_retrieval("msrvtt", path, tmp_path / "none")


def test_names_never_lead_out_of_the_folder(tmp_path: Path, videos: Path) -> None:
    (tmp_path / "secret.mp4").touch()
    for name in ("../secret.mp4", "/etc/passwd", "..", "a/../../secret"):
        rows = written(tmp_path, "t.jsonl", json.dumps({"clip_name": name, "caption": "x"}))
        (entry,) = read_retrieval("msrvtt", rows, videos)
        assert entry.path.parent == videos and not entry.path.exists()


@pytest.mark.parametrize(
    ("layout", "name", "content"),
    [
        ("msrvtt-qa", "q.json", '[{"answer": "Red", "id": 1, "question": "what colour?", "video_id": 0}]'),
        ("msrvtt-qa", "q.jsonl", '{"answer": "red", "question": "what colour?", "video_id": "video0"}'),
        (
            "tgif-frameqa",
            "q.csv",
            "gif_name\tquestion\tanswer\ttype\tvid_id\tdescription\nvideo0\twhat colour?\tred\t2\tF1\tx\n",
        ),
    ],
)
def test_open_questions(tmp_path: Path, videos: Path, layout: OpenLayout, name: str, content: str) -> None:
    (question,) = read_open_questions(layout, written(tmp_path, name, content), videos)
    assert (question.question, question.answer, question.path) == ("what colour?", "red", videos / "video0.mp4")


@pytest.mark.parametrize(
    ("layout", "name", "content", "texts"),
    [
        (
            "tgif-action",
            "q.csv",
            "gif_name\tquestion\ta1\ta2\ta3\tanswer\tvid_id\tkey\nvideo0\twhat is it ?\tx\ty\tz\t1\tA\t1\n",
            ("what is it ? x", "what is it ? y", "what is it ? z"),
        ),
        ("msrvtt-mc", "m.jsonl", '{"clip_name": "video0.mp4", "options": ["x", "y"], "answer": 1}', ("x", "y")),
        ("msrvtt-mc", "m.csv", "video_id,a0,a1,answer\nvideo0,x,y,1\n", ("x", "y")),
    ],
)
def test_choices(
    tmp_path: Path, videos: Path, layout: ChoiceLayout, name: str, content: str, texts: tuple[str, ...]
) -> None:
    (choice,) = read_choices(layout, written(tmp_path, name, content), videos)
    assert (choice.texts, choice.answer, choice.path) == (texts, 1, videos / "video0.mp4")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"clip_name": "a", "options": ["x"], "answer": 0}', "two or more"),
        ('{"clip_name": "a", "options": ["x", "y"], "answer": 2}', "0 to 1"),
        ('{"clip_name": "a", "options": ["x", "y"], "answer": "y"}', "0 to 1"),
        ('{"clip_name": "a", "options": ["x", "y"]}', "answer"),
        (
            '{"clip_name": "a", "options": ["x", "y"], "answer": 0}\n'
            '{"clip_name": "a", "options": ["x", "y", "z"], "answer": 0}',
            "same number",
        ),
    ],
)
def test_bad_choices_are_named(tmp_path: Path, videos: Path, content: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_choices("msrvtt-mc", written(tmp_path, "m.jsonl", content), videos)


def test_answer_vocabulary(tmp_path: Path, videos: Path) -> None:
    rows = [{"answer": a, "question": "q", "video_id": 0} for a in ("red", "blue", "red", "white", "blue", "green")]
    questions = read_open_questions("msrvtt-qa", written(tmp_path, "q.json", json.dumps(rows)), videos)
    vocabulary = AnswerVocabulary.of(questions, 3)
    assert vocabulary.answers == ("blue", "red", "green")
    assert AnswerVocabulary.read(written(tmp_path, "a.json", vocabulary.to_json())) == vocabulary
    assert AnswerVocabulary.read(written(tmp_path, "b.json", '{"red": 1, "blue": 0}')).answers == ("blue", "red")
    assert [vocabulary.lookup()(answer) for answer in ("red", "white")] == [1, -1]
    for bad in ("[]", '["a", "a"]', '{"a": 5}', "3"):
        with pytest.raises(UsageError):
            AnswerVocabulary.read(written(tmp_path, "c.json", bad))
