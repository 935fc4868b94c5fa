"""Why the system refused something, in its own words."""

from __future__ import annotations


def reason_of(error: BaseException, otherwise: str = "") -> str:
    """What the system says about an error ("no space left on device"), in lower case, to go into a sentence.

    Without the error number and the file name that Python adds. otherwise: for errors that the system has no words
    for (text that is not UTF-8); kept as given; without it, the error's own text, or else the name of its class.
    """
    said = getattr(error, "strerror", None)
    return otherwise if otherwise and not said else str(said or str(error) or type(error).__name__).lower()
