"""`vilaface serve`: the web page."""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apps.cli import common
from apps.cli.common import DebugOption, DeviceOption, PresetOption
from vl_backbone.common.errors import UsageError
from vl_backbone.common.reason import reason_of

if TYPE_CHECKING:
    import gradio as gr

    from apps.web.login import Check
    from apps.web.parts import Shared

SWEEP_S = 30


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Open a public link through gradio's servers.")
    ] = False,
    auth_user: Annotated[
        str | None,
        typer.Option("--auth-user", envvar="VILAFACE_AUTH_USER", help="Ask visitors for this name and a password."),
    ] = None,
    auth_password_file: Annotated[
        Path | None,
        typer.Option(
            "--auth-password-file",
            help="File whose first line is the password; or set VILAFACE_AUTH_PASSWORD.",
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option("--root-path", help="Where a proxy shows the page, such as /faces or https://host/faces.")
    ] = "",
    max_upload_mb: Annotated[int, typer.Option("--max-upload-mb", min=1, help="Largest photo file.")] = 40,
    max_megapixels: Annotated[int, typer.Option("--max-megapixels", min=1, max=100, help="Largest photo.")] = 40,
    queue: Annotated[int, typer.Option("--queue", min=1, help="Requests that may wait; one is worked on.")] = 64,
    preset: PresetOption = "mini",
    device: DeviceOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Open the web page on this machine; Ctrl-C ends it.

    Uploads and results live in a temporary folder, are removed while the page runs, and are gone when it ends.
    """
    with common.exit_codes(debug):
        common.check_device_name(device)
        check_address(host, port)
        with common.console.status("Starting."):
            try:
                import gradio  # noqa: F401
            except ImportError:
                raise UsageError("The web page needs gradio: pip install 'vilaface[demo]'.") from None
            from apps.web.limits import Limits
            from apps.web.login import read_login
            from gan_mapping.mappers.presets import load_preset

            load_preset(preset)
            limits = Limits(upload_mb=max_upload_mb, megapixels=max_megapixels, queue=queue)
            login = read_login(auth_user, os.environ.get("VILAFACE_AUTH_PASSWORD"), auth_password_file)
        _warn_when_open(host, share, login)
        # Uploads and results live only as long as the page does.
        with tempfile.TemporaryDirectory(prefix="vilaface-", ignore_cleanup_errors=True) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            from apps.web.edit_service import EditService
            from apps.web.jobs import Jobs
            from apps.web.parts import Shared
            from apps.web.store import ResultStore

            store = ResultStore(Path(folder) / "results", limits)
            shared = Shared(EditService(common.load_editor(preset, device), limits), store, Jobs())
            _serve(shared, host, port, share, login, root_path)
        # A render may still run in a thread of its own; libraries abort when the interpreter ends under it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _serve(shared: Shared, host: str, port: int, share: bool, login: Check | None, root_path: str) -> None:
    from apps.web.page import build_page, launch_options

    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    page = build_page(shared, root_path if root_path.startswith("http") else address + root_path)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            share=share,
            auth=login,
            root_path=root_path,
            prevent_thread_lock=True,
            quiet=True,
            **launch_options(shared.limits),
        )
    except OSError as error:
        raise UsageError(f"The page cannot be opened on {host}:{port} ({error}).") from None
    _run_until_stopped(page, shared, address, share)


def _run_until_stopped(page: gr.Blocks, shared: Shared, address: str, share: bool) -> None:
    # Also where SIGINT came ignored (a background job of a shell), and for a polite kill.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        common.say(f"VilaFace is at {address} - Ctrl-C ends it.")
        if share and page.share_url:
            common.say(f"Anyone who has this link can use it: {page.share_url}", "yellow")
        while not threading.Event().wait(SWEEP_S):
            shared.store.sweep()
    except KeyboardInterrupt:
        common.say("The page is closed.")
    finally:
        page.close(verbose=False)


def _warn_when_open(host: str, share: bool, login: Check | None) -> None:
    """One line when others can reach a page that asks for no password."""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if login is None and (share or not local):
        common.say("Anyone who reaches this address can use the page; --auth-user asks for a password.", "yellow")


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
        reason = reason_of(error)
        raise UsageError(f"Cannot listen on {host}:{port} ({reason}); choose another --host or --port.") from None
