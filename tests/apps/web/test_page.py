"""The page as gradio sees it, and its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.web.edit_service import EditService
from apps.web.jobs import Jobs
from apps.web.limits import Limits
from apps.web.login import read_login
from apps.web.page import build_page, launch_options
from apps.web.parts import Shared
from apps.web.store import ResultStore
from gan_mapping import FaceEditor
from vl_backbone.common.errors import UsageError


@pytest.fixture
def shared(small_editor: FaceEditor, tmp_path: Path) -> Shared:
    limits = Limits()
    return Shared(EditService(small_editor, limits), ResultStore(tmp_path, limits), Jobs())


def test_the_page_names_its_endpoints(shared: Shared) -> None:
    page = build_page(shared)
    names = {d["api_name"] for d in page.config["dependencies"] if d["api_visibility"] == "public"}
    assert names >= {"edit", "generate"}
    assert names <= {"edit", "generate", "superres", "video"}
    assert page.analytics_enabled is False


def test_all_work_waits_in_one_bounded_queue(shared: Shared) -> None:
    page = build_page(shared)
    assert page._queue.max_size == 64
    working = [f for f in page.fns.values() if f.queue and f.fn is not None and f.concurrency_id == "editor"]
    assert working
    assert {f.concurrency_limit for f in working} == {1}
    unbounded = [f.name for f in page.fns.values() if f.queue and f.fn and f.concurrency_id != "editor"]
    assert unbounded in ([], ["leave"])


def test_the_page_says_its_limits(shared: Shared) -> None:
    text = str(build_page(shared, "http://example.test:1").config)
    for words in ("40 MB", "40 megapixels", "up to 64 wait", "http://example.test:1", "/edit"):
        assert words in text
    assert launch_options(Limits(upload_mb=3))["max_file_size"] == 3 * 2**20


def test_no_login_asks_for_nothing() -> None:
    assert read_login(None, None, None) is None
    assert read_login("", "", None) is None


def test_a_login_lets_in_only_its_own(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pässword \r\nsecond line\n", encoding="utf-8")
    for check in (read_login("me", "pässword ", None), read_login("me", "other", file)):
        assert check is not None
        assert check("me", "pässword ")
        for user, password in (("me", "pässword"), ("me", ""), ("you", "pässword "), ("", "")):
            assert not check(user, password)


def test_half_a_login_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\nsecret\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for user, password, file, sentence in (
        ("me", None, None, "no password"),
        (None, "secret", None, "no user name"),
        ("me", "secret", tmp_path / "empty", "first line is empty"),
        ("me", None, tmp_path / "missing", "cannot be read"),
        ("me", None, tmp_path / "binary", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=sentence):
            read_login(user, password, file)
