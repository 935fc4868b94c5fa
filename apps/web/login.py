"""The optional password of the page. It never appears on a command line, where other users could read it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from vl_backbone.common.errors import UsageError
from vl_backbone.common.reason import reason_of

Check = Callable[[str, str], bool]


def read_login(user: str | None, password: str | None, password_file: Path | None) -> Check | None:
    """The check of (user, password) for a page that asks for one, or None for a page that does not.

    password: from the environment. password_file: its first line is the password. Raises UsageError for half a
    login, an unreadable file or an empty password, rather than opening a page without one.
    """
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = reason_of(error, "it is not UTF-8 text")
            raise UsageError(f"--auth-password-file {password_file}: cannot be read ({reason}).") from None
        if not password:
            raise UsageError(f"--auth-password-file {password_file}: its first line is empty; put the password there.")
    if not user and not password:
        return None
    if not user:
        raise UsageError("There is a password but no user name; give one with --auth-user or VILAFACE_AUTH_USER.")
    if not password:
        raise UsageError(
            "There is a user name but no password; give one with --auth-password-file or VILAFACE_AUTH_PASSWORD."
        )
    return _checker(user, password)


def _checker(user: str, password: str) -> Check:
    wanted = (user.encode(), password.encode())

    def check(given_user: str, given_password: str) -> bool:
        # Both are compared, in constant time, so that the time tells nothing about either.
        right_user = hmac.compare_digest(given_user.encode(), wanted[0])
        right_password = hmac.compare_digest(given_password.encode(), wanted[1])
        return right_user and right_password

    return check
