"""Reading photos that people bring, and writing pictures back.

Nothing a file contains may crash or stall the program: every failure is an InputError with one sentence.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import tempfile
import unicodedata
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of

Picture = NDArray[np.uint8]

MAX_MEGAPIXELS = 100
# EPS and PDF are left out on purpose: they would start an interpreter.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
_GREY16 = ("I;16", "I;16B", "I;16L", "I;16N")
_KEPT_MODES = ("L", "LA", "RGB", "RGBA", "I;16")  # an edited photo keeps these; others become RGB or RGBA
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
# What Pillow's decoders raise for damaged files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Photo:
    """One upright photo.

    rgb: uint8 [H, W, 3] RGB in 0..255 for processing (16-bit scaled down, transparency over white).
    native: the same picture, upright, in the file's own mode; what is not edited comes back from here.
    warnings: sentences for the user. icc_profile: the file's colour profile, or None.
    """

    rgb: Picture
    native: Image.Image
    warnings: tuple[str, ...] = ()
    icc_profile: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in px."""
        return self.native.size

    @classmethod
    def from_image(cls, image: Image.Image, warnings: Iterable[str] = ()) -> Photo:
        """A photo from a picture in memory; its EXIF orientation is applied."""
        notes = list(warnings)
        profile = image.info.get("icc_profile")
        try:
            image = ImageOps.exif_transpose(image)
        except _DECODER_ERRORS:
            notes.append("the EXIF data are damaged, so the photo is taken as it is stored")
            image = image.copy()
        return cls(_to_rgb(image), image, tuple(notes), profile if isinstance(profile, bytes) else None)

    def with_edit(self, edited: Picture) -> Image.Image:
        """The photo with the pixels of `edited` (uint8 [H, W, 3] RGB) where they differ from `rgb`.

        Equal pixels keep the native value exactly; with nothing changed the result is the native picture.
        Grey, RGB and 16-bit grey photos, with or without alpha, keep their mode; others become RGB or RGBA.
        """
        if edited.shape != self.rgb.shape or edited.dtype != np.uint8:
            raise ValueError(f"expected uint8 {list(self.rgb.shape)}, got {edited.dtype} {list(edited.shape)}")
        changed = (edited != self.rgb).any(axis=2)
        if not changed.any():
            return self._finished(self.native.copy())
        native = self._editable()
        if native.mode in _GREY16:
            pixels = np.array(native)
            pixels[changed] = luminance(edited)[changed].astype(np.uint16) * 257
            return self._finished(Image.fromarray(pixels))
        pixels = np.array(native)
        new = luminance(edited)[..., None] if native.mode in ("L", "LA") else edited
        colours = pixels if pixels.ndim == 3 else pixels[..., None]
        channels = new.shape[2]
        values = new[changed].astype(np.float32)
        if native.mode in ("LA", "RGBA"):
            # `rgb` shows the photo over white; find the colour that looks like the edit under this alpha.
            alpha = colours[changed][:, channels:].astype(np.float32) / 255
            seen = np.divide(values - 255 * (1 - alpha), alpha, out=values.copy(), where=alpha > 0)
            values = np.where(alpha > 0, seen, values)
        colours[changed, :channels] = np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)
        return self._finished(Image.fromarray(pixels))

    def _editable(self) -> Image.Image:
        """The native picture in a mode whose pixels can take any colour."""
        if self.native.mode in _GREY16:
            return Image.fromarray(np.asarray(self.native).astype(np.uint16))
        if self.native.has_transparency_data:
            return self.native.convert("LA" if self.native.mode in ("L", "LA", "La") else "RGBA")
        if self.native.mode in _KEPT_MODES:
            return self.native
        return Image.fromarray(self.rgb)

    def _finished(self, image: Image.Image) -> Image.Image:
        """Attaches the colour profile where it still describes the numbers; drops orientation etc.."""
        image.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
        if self.icc_profile and _profile_fits(self.icc_profile, self.native.mode, image.mode):
            image.info["icc_profile"] = self.icc_profile
        return image


def _profile_fits(profile: bytes, before: str, after: str) -> bool:
    """Whether a profile of a `before` picture still describes an `after` picture."""
    if before == after:
        return True
    space = {b"GRAY": ("L", "LA", "I;16", "1"), b"RGB ": ("RGB", "RGBA", "P")}
    return after in space.get(profile[16:20], ())


def luminance(rgb: Picture) -> Picture:
    """uint8 [H, W, 3] -> uint8 [H, W], ITU-R 601 weights; r = g = b stays as it is."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


def _to_rgb(image: Image.Image) -> Picture:
    """A picture of any mode -> uint8 [H, W, 3] RGB, transparency over white."""
    if image.mode in _GREY16 or image.mode in ("I", "F"):
        values = np.asarray(image).astype(np.float64)
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        # 'F' has no fixed range: 0..1 is usual; 'I' holds 16-bit values read from a file.
        top = 65535.0 if image.mode != "F" else (1.0 if values.max() <= 1.0 else 255.0)
        grey = np.floor(np.clip(values / top, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(white, rgba))[..., :3].copy()
    return np.array(image.convert("RGB"))


def _refuse_before_opening(path: Path) -> None:
    """Raises for what is not a readable, non-empty file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the name") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({reason_of(error)}); check its name and permissions") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a folder; name the photos in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a regular file; give a photo file")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); use another copy")


def _unreadable(path: Path) -> InputError:
    """The sentence for a file in none of the accepted formats."""
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        return InputError(f"{path}: cannot be read ({reason_of(error)}); check its permissions")
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return InputError(f"{path}: is an HEIC photo, which is not supported; save it as JPEG or PNG")
    return InputError(f"{path}: is not a photo in a known format; use a JPEG, PNG or WebP file")


def _too_large(path: Path, what: str) -> InputError:
    return InputError(f"{path}: has {what}, over the limit of {MAX_MEGAPIXELS} megapixels; make it smaller first")


def load_photo(path: str | os.PathLike[str]) -> Photo:
    """Reads a photo. Raises InputError with one sentence for anything that is not a sound photo."""
    path = Path(path)
    _refuse_before_opening(path)
    notes: list[str] = []
    with warnings.catch_warnings():
        # Pillow only warns between one and two times its own limit; ours is checked below.
        warnings.simplefilter("ignore")
        try:
            Image.init()  # not every build of Pillow has every format
            image = Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])
        except Image.DecompressionBombError as error:
            count = re.search(r"\d+", str(error))
            what = f"about {int(count[0]) / 1e6:.0f} megapixels" if count else "far too many pixels"
            raise _too_large(path, what) from None
        except _DECODER_ERRORS:
            raise _unreadable(path) from None
        with image:
            width, height = image.size
            if width * height > MAX_MEGAPIXELS * 1_000_000:
                raise _too_large(path, f"{width}x{height} pixels")
            try:
                if getattr(image, "is_animated", False) and image.format != "MPO":
                    notes.append(f"{path.name} is animated; only its first picture is used")
                image.seek(0)
                image.load()
                return Photo.from_image(image, notes)
            except Image.DecompressionBombError:
                raise _too_large(path, "far too many pixels") from None
            except _DECODER_ERRORS as error:
                raise InputError(
                    f"{path}: the photo is damaged or cut off ({reason_of(error)}); use another copy"
                ) from None


def save_png(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """Writes a PNG that is complete or not there at all; missing folders are made.

    Modes PNG does not know (CMYK, YCbCr, ...) are written as RGB or RGBA. The colour profile in
    image.info["icc_profile"] is kept where the mode is.
    """
    path = Path(path)
    profile = image.info.get("icc_profile")
    if image.mode not in _PNG_MODES:
        before = image.mode
        if before in _GREY16:
            image = Image.fromarray(np.asarray(image).astype(np.uint16))
        else:
            image = Image.fromarray(_to_rgb(image)) if not image.has_transparency_data else image.convert("RGBA")
        profile = profile if profile and _profile_fits(profile, before, image.mode) else None
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp", delete=False
        ) as file:
            temporary = file.name
            image.save(file, format="PNG", compress_level=3, icc_profile=profile)
            file.flush()
            os.fsync(file.fileno())
        _usual_permissions(temporary)
        os.replace(temporary, path)  # noqa: PTH105
        temporary = None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason_of(error)}); choose another folder") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _usual_permissions(path: str) -> None:
    """Temporary files are private; gives this one the permissions a new file would have."""
    mask = os.umask(0)
    os.umask(mask)
    Path(path).chmod(0o666 & ~mask)


def stems(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """A name for the outputs of every input: STEM, or STEM-2, STEM-3, ... where it is taken.

    Names are safe on every file system; ones that differ only in case count as equal.
    """
    taken: set[str] = set()
    names: list[str] = []
    for path in paths:
        stem = _safe(Path(path).stem)
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _safe(stem: str) -> str:
    """A file name without what some file system refuses; at most 100 bytes, so that endings can be added."""
    stem = unicodedata.normalize("NFC", stem.encode("utf-8", "replace").decode("utf-8"))
    stem = "".join("_" if c in '<>:"/\\|?*' or unicodedata.category(c)[0] == "C" else c for c in stem)
    stem = stem.encode("utf-8")[:100].decode("utf-8", "ignore").strip(" .")
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):
        stem = f"_{stem}"
    return stem or "photo"
