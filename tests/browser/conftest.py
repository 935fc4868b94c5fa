"""The running page and the browser, shared by all tests of the page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.browsing import Server, find_browser


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page with its usual settings; ended with Ctrl-C."""
    running = Server(tmp_path_factory.mktemp("serve"))
    try:
        yield running
    except BaseException:
        running.process.kill()
        raise
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = find_browser()
    if found is None:
        pytest.skip("there is no Chromium or Chrome on this machine")
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture
def astronaut_pixels() -> Any:
    import numpy as np
    from PIL import Image

    from tests.browser.browsing import ASTRONAUT

    return np.asarray(Image.open(ASTRONAUT))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for what a test downloads."""
    return tmp_path
