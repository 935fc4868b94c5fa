"""Errors that are meant for the user: every message says what is wrong with which input, and what to do."""


class VilaFaceError(ValueError):
    """Base of every error this project raises on purpose; its text is one plain sentence for the user."""


class WeightsError(VilaFaceError):
    """A weight file is missing, corrupt or refused (exit code 3)."""


class InputError(VilaFaceError):
    """One input (photo, sentence, setting) cannot be processed; the other inputs go on (exit code 1)."""


class UsageError(VilaFaceError):
    """The request as a whole makes no sense (exit code 2)."""
