"""Pictures on their way in and out of the page: uploads judged by the page's limits, previews, data addresses."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from apps.web.limits import Limits
from fdvd.media.photos import FORMATS, Photo, load_photo
from vl_backbone.common.errors import InputError

PREVIEW_SIDE = 1600
THUMBNAIL_SIDE = 320
_QUALITY = 92


def check_file_size(path: str, limits: Limits, what: str = "photo") -> None:
    """InputError when an upload is gone or larger than the page takes."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        raise InputError(f"The {what} is no longer on the server; choose it again.") from None
    if size > limits.upload_mb * 1_000_000:
        raise InputError(f"The {what} has {size / 1e6:.0f} MB; this page takes up to {limits.upload_mb} MB.")


def file_digest(path: str, limits: Limits) -> str:
    """sha256 of an uploaded photo; InputError when it is gone or larger than the page takes."""
    check_file_size(path, limits)
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_upload(path: str, limits: Limits) -> Photo:
    """Reads an upload. Its temporary path is no news to the visitor, so sentences speak of "the photo"."""
    _check_pixels(path, limits)
    try:
        return load_photo(path)
    except InputError as error:
        raise InputError(str(error).replace(f"{path}:", "The photo", 1)) from None


def _check_pixels(path: str, limits: Limits) -> None:
    """InputError for a picture above the page's limit, read from its header; what is no picture passes."""
    try:
        Image.init()
        with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            width, height = image.size
    except Exception:  # noqa: BLE001 (the reader proper says what is wrong with a damaged file)
        return
    if width * height > limits.megapixels * 1_000_000:
        raise InputError(
            f"The photo has {width}x{height} pixels; this page takes up to {limits.megapixels} megapixels. "
            "Make it smaller first."
        )


def preview(rgb: np.ndarray, side: int = PREVIEW_SIDE) -> np.ndarray:
    """uint8 [H, W, 3] at a size a browser shows well; small pictures stay exactly as they are."""
    height, width = rgb.shape[:2]
    if max(height, width) <= side:
        return rgb
    small = Image.fromarray(rgb)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small)


def save_jpeg(rgb: np.ndarray, path: Path) -> str:
    """Writes a picture uint8 [H, W, 3] for showing; full-size results are PNG. Returns the path."""
    Image.fromarray(rgb).save(path, "JPEG", quality=_QUALITY, subsampling=0)
    return str(path)


def data_address(rgb: np.ndarray, side: int) -> str:
    """A small picture as text that an <img> can show."""
    buffer = io.BytesIO()
    Image.fromarray(preview(rgb, side)).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
