"""The named endpoints through gradio's own client, and what of other people's files they give away."""

from __future__ import annotations

import json
import re
import resource
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError
from PIL import Image

from fdvd.media.video import VideoInfo, VideoWriter, read_frames
from tests.browser.browsing import FACES, Server
from tests.paths import ASTRONAUT

pytestmark = pytest.mark.browser

NEW_FACE = ("detect", "align", "encode", "refine")


def client(server: Server, folder: Path) -> Client:
    return Client(server.address, verbose=False, download_files=str(folder), analytics_enabled=False)


def test_edit_answers_with_files_and_facts(server: Server, tmp_path: Path) -> None:
    api = client(server, tmp_path)
    photo = handle_file(str(ASTRONAUT))
    edited, face, details = api.predict(photo, "add glasses", 1.0, 0, api_name="/edit")
    original = np.asarray(Image.open(ASTRONAUT))
    assert np.any(np.asarray(Image.open(edited)) != original)
    assert Image.open(face).size == (1024, 1024)
    assert details["status"] == "ok"
    assert details["intents"]["glasses"] > 0
    assert details["faces"][0]["score"] > 0.9
    assert Path(details["outputs"]["edited"]).name == details["outputs"]["edited"]

    # The same photo again, from another client: nothing is found or encoded anew, whatever is asked.
    again = client(server, tmp_path)
    for asked in ({"text": "blond hair"}, {"text": "older", "strength": 0.4}, {"text": "", "age": 0.5, "pose": -0.2}):
        details = again.predict(image=photo, refine=0, **asked, api_name="/edit")[2]
        assert [details["timings_s"][stage] for stage in NEW_FACE] == [0, 0, 0, 0]
        assert details["timings_s"]["aim"] + details["timings_s"]["render"] > 0

    unchanged = api.predict(photo, "add glasses", 0, 0, api_name="/edit")[0]
    assert np.array_equal(np.asarray(Image.open(unchanged)), original)


def test_generate_answers_with_files_and_facts(server: Server, tmp_path: Path) -> None:
    files, details = client(server, tmp_path).predict("an old man", 2, 3, api_name="/generate")
    assert [Image.open(file).size for file in files] == [(1024, 1024)] * 2
    assert details["seeds"] == [3, 4]
    assert details["intents"]["age"] > 0


def test_superres_answers_fit_the_pixels(server: Server, tmp_path: Path) -> None:
    tiny = FACES / "old-man-16px.png"
    files, details = client(server, tmp_path).predict(handle_file(str(tiny)), "an old man", api_name="/superres")
    (answer,) = (Image.open(file) for file in files)
    assert answer.size == (1024, 1024)
    shrunk = np.asarray(answer.resize((16, 16), Image.Resampling.BOX)).astype(float)
    assert np.abs(shrunk - np.asarray(Image.open(tiny).convert("RGB"))).mean() < 4
    assert details["read_px"] == 16
    assert "no evidence of who" in details["warnings"][0]


def test_video_edits_a_clip(server: Server, tmp_path: Path) -> None:
    clip = short_clip(tmp_path / "clip.mp4")
    edited, details = client(server, tmp_path).predict(handle_file(str(clip)), "add glasses", 1.0, 0, api_name="/video")
    before, after = ([frame.rgb for frame in read_frames(path)] for path in (clip, edited))
    assert len(before) == len(after) == details["frames"] == 3
    assert before[0].shape == after[0].shape
    assert np.abs(before[1].astype(int) - after[1]).max() > 60
    assert details["intents"]["glasses"] > 0


def test_errors_reach_the_client_as_sentences(server: Server, tmp_path: Path) -> None:
    api = client(server, tmp_path)
    photo = handle_file(str(ASTRONAUT))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"this is no photo")
    for arguments, sentence in (
        ((photo, " "), "Say what to change"),
        ((photo, "smile", 1e9), "Strength must be"),
        ((photo, "smile", 1.0, -3), "Refinement steps must be"),
        ((photo, "smile", 1.0, 0, "9"), "There is no face 9"),
        ((photo, "smile", 1.0, 0, "largest", "left"), "Pose must be a number|could not convert|Error"),
        ((handle_file(str(bad)), "smile"), "not a photo in a known format"),
        ((None, "smile"), "Choose a photo first"),
    ):
        with pytest.raises((AppError, ValueError), match=sentence):
            api.predict(*arguments, api_name="/edit")
    for arguments, sentence in (((" ",), "Say who"), (("a man", 99), "number of faces"), (("a man", 1, -1), "seed")):
        with pytest.raises(AppError, match=sentence):
            api.predict(*arguments, api_name="/generate")
    for name, arguments, sentence in (
        ("/superres", (None,), "Choose a picture first"),
        ("/superres", (photo, "", 99), "number of answers"),
        ("/video", (handle_file(str(bad)), "smile"), "The clip is not a video"),
    ):
        with pytest.raises(AppError, match=sentence):
            api.predict(*arguments, api_name=name)
    assert server.complaints() == 0


def test_thirty_edits_at_once_are_all_answered_in_order(server: Server, tmp_path: Path) -> None:
    names = ("man.jpg", "woman.jpg", "old-man.jpg")
    for name in names:
        client(server, tmp_path).predict(handle_file(str(FACES / name)), "smile", 1.0, 0, api_name="/edit")
    config = httpx.get(f"{server.address}/config", timeout=60).json()
    function = next(d["id"] for d in config["dependencies"] if d["api_name"] == "edit")
    held = resident_mb(server)
    strengths = [round(0.1 * i, 1) for i in range(1, 11)]
    photos = [upload(server, FACES / name) for name in names]
    asked: dict[str, tuple[int, float]] = {}
    for strength in strengths:
        for user, photo in enumerate(photos):
            data = [photo, "older", strength, 0, "largest", 0, 0, 0]
            body = {"fn_index": function, "session_hash": f"user{user}", "data": data}
            answer = httpx.post(f"{server.address}/gradio_api/queue/join", json=body, timeout=120)
            asked[answer.json()["event_id"]] = (user, strength)
    for user, name in enumerate(names):
        answers = completed(server, f"user{user}", len(strengths))
        assert [asked[event] for event, _ in answers] == [(user, strength) for strength in strengths]
        for (_, output), strength in zip(answers, strengths, strict=True):
            details = output["data"][2]
            assert (details["input"], details["strength"], details["status"]) == (name, strength, "ok")
            assert [details["timings_s"][stage] for stage in NEW_FACE] == [0, 0, 0, 0]
            assert httpx.get(output["data"][0]["url"], timeout=60).status_code == 200
    assert resident_mb(server) - held < 400


def upload(server: Server, path: Path) -> dict[str, Any]:
    """Sends a file; the value for an input."""
    with path.open("rb") as file:
        answer = httpx.post(f"{server.address}/gradio_api/upload", files={"files": (path.name, file)}, timeout=60)
    return {"path": answer.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def completed(server: Server, session: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """(event, output) of a session's finished requests, in the order in which the server finished them."""
    done: list[tuple[str, dict[str, Any]]] = []
    address = f"{server.address}/gradio_api/queue/data?session_hash={session}"
    with httpx.stream("GET", address, timeout=600) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                assert message["success"], message
                done.append((message["event_id"], message["output"]))
            if len(done) == count:
                return done
    raise AssertionError(f"the stream ended after {len(done)} of {count} answers")


def test_a_full_queue_turns_away_with_a_sentence(tmp_path: Path) -> None:
    small = Server(tmp_path, "--queue", "2", "--max-upload-mb", "1")
    try:
        api = client(small, tmp_path / "files")
        jobs = [api.submit("an old man", 2, seed, api_name="/generate") for seed in range(12)]
        answers = []
        for job in jobs:
            try:
                answers.append(len(job.result(timeout=600)[0]))
            except (AppError, QueueError) as error:
                answers.append(str(error))
        assert 2 in answers
        assert any("Queue is full" in str(answer) for answer in answers)
        heavy = tmp_path / "heavy.png"
        noise = np.random.default_rng(0).integers(0, 255, (800, 800, 3), dtype=np.uint8)
        Image.fromarray(noise).save(heavy)
        with pytest.raises(Exception, match=r"(?i)maximum|too large|413|up to 1 MB"):
            api.predict(handle_file(str(heavy)), "smile", api_name="/edit")
    finally:
        small.stop()


def test_files_of_the_server_and_of_others_stay_closed(server: Server, tmp_path: Path) -> None:
    api = client(server, tmp_path)
    secret = server.folder / "secret.txt"
    secret.write_text("s3cret")
    results = next(path for path in server.temporary.rglob("results"))
    for path in (secret, Path("/etc/passwd"), results, results.parent, server.log):
        address = f"{server.address}/gradio_api/file={urllib.parse.quote(str(path))}"
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(address, timeout=60)
        assert error.value.code in (403, 404)
    payload = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises((AppError, ValueError)) as refused:
        post(server, "/gradio_api/call/edit", {"data": [payload, "smile", 1, 0, "largest", 0, 0, 0]})
    assert "s3cret" not in str(refused.value)
    names = {path.parent.name for path in results.rglob("*.png")}
    assert all(re.fullmatch(r"result-[a-z0-9_]{8}", name) for name in names)
    assert api.predict("a man", 1, 0, api_name="/generate")[1]["status"] == "ok"
    secret.unlink()


def post(server: Server, path: str, body: dict[str, Any]) -> str:
    """One call without gradio's client; AppError when the answer is an error."""
    request = urllib.request.Request(
        server.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            event = json.load(answer)["event_id"]
    except urllib.error.HTTPError as error:
        raise AppError(str(error)) from None
    with urllib.request.urlopen(f"{server.address}{path}/{event}", timeout=600) as stream:
        text = stream.read().decode()
    if "event: error" in text:
        raise AppError(text)
    return text


def short_clip(path: Path) -> Path:
    """Three frames of a face."""
    face = np.asarray(Image.open(FACES / "man.jpg").resize((320, 320)))
    with VideoWriter(path, VideoInfo.made(320, 320, 3), audio=False) as writer:
        for number in range(3):
            writer.write(face, number)
    return path


def resident_mb(server: Server) -> float:
    """Memory of the server's process."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6
