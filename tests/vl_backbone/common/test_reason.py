"""Reasons for sentences: the system's words, without numbers and file names."""

from __future__ import annotations

import errno
import os

from vl_backbone.common.reason import reason_of


def test_the_system_s_words_come_without_number_and_name() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/File.png")
    assert reason_of(error) == reason_of(error, "not text") == os.strerror(errno.ENOSPC).lower()


def test_an_error_without_the_system_s_words_gets_others() -> None:
    assert reason_of(OSError("the disk is full")) == "the disk is full"
    assert reason_of(ValueError("Bad byte"), "not UTF-8 text") == "not UTF-8 text"
    assert reason_of(ValueError()) == "valueerror"
