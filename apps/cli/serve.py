"""`vilaface serve`: the web page."""

from __future__ import annotations

import errno
import os
import signal
import socket
import tempfile
import threading
from typing import Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, PresetOption
from vl_backbone.errors import UsageError


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Open a public link through gradio's servers.")
    ] = False,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Open the web page on this machine; Ctrl-C ends it."""
    with common.exit_codes(debug):
        common.check_device_name(device)
        check_address(host, port)
        with common.console.status("Starting."):
            try:
                import gradio  # noqa: F401
            except ImportError:
                raise UsageError("The web page needs gradio: pip install 'vilaface[demo]'.") from None
            from gan_mapping.presets import load_preset

            load_preset(preset)
        # Uploads and results live only as long as the page does.
        with tempfile.TemporaryDirectory(prefix="vilaface-", ignore_cleanup_errors=True) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            _serve(host, port, share, preset, device)


def _serve(host: str, port: int, share: bool, preset: str, device: str) -> None:
    from apps.web.handlers import Handlers
    from apps.web.page import build_page, launch_options

    page = build_page(Handlers(common.load_editor(preset, device)))
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            **launch_options(),
        )
    except OSError as error:
        raise UsageError(f"The page cannot be opened on {host}:{port} ({error}).") from None
    # Also where SIGINT came ignored (a background job of a shell), and for a polite kill.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        common.say(f"VilaFace is at http://{host}:{port} - Ctrl-C ends it.")
        if share and page.share_url:
            common.say(f"Anyone who has this link can use it: {page.share_url}", "yellow")
        threading.Event().wait()
    except KeyboardInterrupt:
        common.say("The page is closed.")
    finally:
        page.close(verbose=False)


def check_address(host: str, port: int) -> None:
    """UsageError when nothing can listen there, before the networks are loaded."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise UsageError(f"Port {port} is in use on {host}; choose another one with --port.") from None
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"Cannot listen on {host}:{port} ({reason}); choose another --host or --port.") from None
