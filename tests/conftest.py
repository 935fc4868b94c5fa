"""What all tests share."""

import signal


def pytest_configure() -> None:
    """A shell's background jobs, and so tests run as one, are started deaf to Ctrl-C; a user's commands are not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
