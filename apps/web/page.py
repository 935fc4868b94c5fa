"""The web page: one gradio Blocks, no model code. The tabs are in `apps.web.tabs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from apps.web import endpoints, words
from apps.web.limits import Limits
from apps.web.parts import LIGHT, Shared, plain_html, visitor
from apps.web.tabs import about, edit, generate, superres, video
from apps.web.theme import theme

STYLE = Path(__file__).with_name("style.css")
_EDIT = "edit"


def build_page(shared: Shared, address: str = "http://127.0.0.1:7860") -> gr.Blocks:
    """The page for one editor; address: where its visitors find it, for the text about endpoints."""
    limits = shared.limits
    page: gr.Blocks
    with gr.Blocks(title="VilaFace", analytics_enabled=False, delete_cache=(300, limits.keep_s)) as page:
        # First, so that no event of a tab has taken their names.
        names = endpoints.build(shared)
        plain_html(words.HEADER)
        with gr.Tabs() as tabs:
            with gr.Tab("Edit", id=_EDIT):
                edit_tab = edit.build(shared)
            with gr.Tab("Super-resolve"):
                superres.build(shared)
            with gr.Tab("Generate"):
                generate_tab = generate.build(shared)
            with gr.Tab("Video"):
                video.build(shared)
            with gr.Tab("About"):
                about.build(shared, names, address)
        plain_html(words.NOTE)
        to_edit = generate_tab.send.click(lambda: gr.Tabs(selected=_EDIT), None, tabs, **LIGHT)
        edit.receive(edit_tab, to_edit, generate_tab.chosen)
        page.unload(_leaver(shared))
    # The endpoints' own door is the same queue, so that nobody jumps it.
    page.queue(default_concurrency_limit=1, max_size=limits.queue, api_open=False)
    return page


def launch_options(limits: Limits) -> dict[str, Any]:
    """Looks and safety settings, for Blocks.launch."""
    return {
        "theme": theme(),
        "css": STYLE.read_text(encoding="utf-8"),
        "show_error": True,
        "footer_links": [],
        # A little above our own limit: gradio counts in units of 2^20 bytes, so its refusal names the same number.
        "max_file_size": limits.upload_mb * 2**20,
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "state_session_capacity": 1000,
    }


def _leaver(shared: Shared) -> Any:
    def leave(request: gr.Request) -> None:
        """The visitor closed the page: running work ends, files go soon."""
        shared.jobs.cancel(visitor(request))
        shared.store.close(visitor(request))

    return leave
