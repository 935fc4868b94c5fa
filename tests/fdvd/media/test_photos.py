"""Reading photos, handing back edits in the photo's own mode, writing PNGs, naming outputs."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from fdvd.media.photos import MAX_MEGAPIXELS, Photo, load_photo, save_png, stems
from vl_backbone.common.errors import InputError

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (24, 31, 4), dtype=np.uint8)


def _picture(mode: str) -> Image.Image:
    """A small random picture of the mode; 'P+' and 'RGB+' and 'L+' have a transparent colour."""
    if mode in ("I;16", "I"):
        values = RNG.integers(0, 65536, (24, 31)).astype(np.uint16 if mode == "I;16" else np.int32)
        return Image.fromarray(values)
    if mode == "F":
        return Image.fromarray(RNG.random((24, 31), dtype=np.float32))
    base = Image.fromarray(COLOURS)
    if mode == "P*":  # a palette with an alpha of its own
        return base.quantize(64)
    image = base.convert("LA") if mode == "LA" else base.convert("RGBA" if mode == "RGBA" else "RGB")
    image = image.convert(mode.rstrip("+"))
    if mode == "P+":
        image.info["transparency"] = 3
    if mode == "L+":
        image.info["transparency"] = int(np.asarray(image)[0, 0])
    if mode == "RGB+":
        image.info["transparency"] = tuple(int(v) for v in np.asarray(image)[0, 0])
    return image


ALL_MODES = [
    "1",
    "L",
    "L+",
    "LA",
    "P",
    "P+",
    "P*",
    "RGB",
    "RGB+",
    "RGBA",
    "I;16",
    "I",
    "F",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
]


@pytest.mark.parametrize("mode", ALL_MODES)
def test_an_unchanged_photo_comes_back_in_its_own_mode_and_values(mode: str, tmp_path: Path) -> None:
    image = _picture(mode)
    photo = Photo.from_image(image)
    assert photo.rgb.dtype == np.uint8 and photo.rgb.shape == (24, 31, 3) and photo.size == (31, 24)
    back = photo.with_edit(photo.rgb.copy())
    assert back.mode == image.mode
    assert back.tobytes() == image.tobytes()
    save_png(back, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert (Photo.from_image(saved).rgb == photo.rgb).all()


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        ("L", "L"),
        ("LA", "LA"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("I;16", "I;16"),
        ("1", "RGB"),
        ("P", "RGB"),
        ("P+", "RGBA"),
        ("P*", "RGBA"),
        ("L+", "LA"),
        ("RGB+", "RGBA"),
        ("CMYK", "RGB"),
        ("YCbCr", "RGB"),
        ("I", "RGB"),
        ("F", "RGB"),
    ],
)
def test_an_edit_changes_only_the_edited_pixels(mode: str, after: str, tmp_path: Path) -> None:
    photo = Photo.from_image(_picture(mode))
    edited = photo.rgb.copy()
    edited[5:9, 7:12] = [200, 200, 200]
    image = photo.with_edit(edited)
    assert image.mode == after
    assert image.size == photo.size
    changed = (edited != photo.rgb).any(axis=2)
    same_mode = photo.native if photo.native.mode == after else None
    if same_mode is None:
        same_mode = photo.native.convert(after) if mode not in ("I", "F") else Image.fromarray(photo.rgb)
    assert (np.asarray(image)[~changed] == np.asarray(same_mode)[~changed]).all()
    save_png(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert saved.mode == after
        shown = Photo.from_image(saved).rgb
    assert (shown[~changed] == photo.rgb[~changed]).all()
    if mode not in ("LA", "RGBA", "P+", "P*", "L+", "RGB+"):
        assert (shown[changed] == 200).all()


def test_sixteen_bit_grey_keeps_its_depth() -> None:
    photo = Photo.from_image(Image.fromarray(np.array([[0, 128, 257, 65535]], dtype=np.uint16)))
    assert photo.rgb[0, :, 0].tolist() == [0, 0, 1, 255]
    edited = photo.rgb.copy()
    edited[0, 3] = 100
    assert np.asarray(photo.with_edit(edited)).tolist() == [[0, 128, 257, 25700]]


def test_an_edit_under_half_transparency_looks_as_edited() -> None:
    rgba = np.full((2, 2, 4), [10, 200, 30, 128], dtype=np.uint8)
    photo = Photo.from_image(Image.fromarray(rgba))
    edited = photo.rgb.copy()
    edited[0, 0] = [180, 150, 200]
    image = photo.with_edit(edited)
    assert np.abs(Photo.from_image(image).rgb.astype(int) - edited).max() <= 1
    assert (np.asarray(image)[..., 3] == 128).all()
    assert (np.asarray(image)[1] == rgba[1]).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), mode=st.sampled_from(["L", "LA", "RGB", "RGBA", "I;16", "P", "1"]))
def test_any_edit_keeps_every_other_pixel(seed: int, mode: str) -> None:
    rng = np.random.default_rng(seed)
    photo = Photo.from_image(_picture(mode))
    edited = np.where(rng.random((24, 31, 1)) < 0.3, rng.integers(0, 256, photo.rgb.shape), photo.rgb)
    edited = edited.astype(np.uint8)
    unchanged = (edited == photo.rgb).all(axis=2)
    assert (Photo.from_image(photo.with_edit(edited)).rgb[unchanged] == photo.rgb[unchanged]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_orientation_is_applied_once(orientation: int, suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(COLOURS[..., :3]).resize((62, 40), Image.Resampling.BICUBIC)
    stored.save(tmp_path / f"a{suffix}", exif=exif)
    with Image.open(tmp_path / f"a{suffix}") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    photo = load_photo(tmp_path / f"a{suffix}")
    assert photo.size == ((62, 40) if orientation < 5 else (40, 62))
    assert (photo.rgb == expected).all()
    save_png(photo.with_edit(photo.rgb), tmp_path / "out.png")
    again = load_photo(tmp_path / "out.png")
    assert (again.rgb == photo.rgb).all()


def test_animations_give_their_first_picture_and_say_so(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "green")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
        photo = load_photo(tmp_path / name)
        assert photo.rgb[5, 5].tolist() == [255, 0, 0]
        assert len(photo.warnings) == 1 and "animated" in photo.warnings[0]


def _huge_png(side: int) -> bytes:
    """A valid header of a side x side picture with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_photo(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and "Traceback" not in message
    return message


@pytest.mark.parametrize("side", [11_000, 30_000])
def test_bombs_are_refused_before_decoding(side: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(_huge_png(side))
    message = _refused(tmp_path / "bomb.png")
    assert f"{MAX_MEGAPIXELS} megapixels" in message
    assert "11000x11000" in message or "900 megapixels" in message


def test_bad_files_get_one_sentence(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(COLOURS).resize((300, 200)).save(good)
    Image.fromarray(COLOURS[..., :3]).resize((300, 200)).save(tmp_path / "good.jpg")
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:2000])
    assert "not a photo" in _refused(tmp_path / "text.png")
    assert "0 bytes" in _refused(tmp_path / "empty.jpg")
    assert "HEIC" in _refused(tmp_path / "photo.heic")
    assert "damaged or cut off" in _refused(tmp_path / "cut.png")
    assert "damaged or cut off" in _refused(tmp_path / "cut.jpg")
    assert "folder" in _refused(tmp_path)
    assert "no such file" in _refused(tmp_path / "missing.png")
    assert "no such file" in _refused(tmp_path / ("x" * 50) / "missing.png")
    assert "cannot be read" in _refused(tmp_path / ("x" * 300))
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in _refused(tmp_path / "pipe.png")
    assert "not a photo" in _refused(Path(__file__))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
def test_damaged_bytes_never_crash(data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.bin"
    Image.fromarray(COLOURS[..., :3]).save(path, format=name)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        photo = load_photo(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert photo.rgb.shape[:2] == photo.size[::-1]


def test_a_single_pixel_loads(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert load_photo(tmp_path / "a.png").rgb.tolist() == [[[1, 2, 3]]]


def test_the_colour_profile_stays_with_the_mode(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode, kept in (("RGB", True), ("RGBA", True), ("P", True), ("CMYK", False)):
        image = _picture(mode)
        image.info["icc_profile"] = profile if mode != "CMYK" else profile[:16] + b"CMYK" + profile[20:]
        photo = Photo.from_image(image)
        assert photo.icc_profile is not None
        for edited in (photo.rgb, 255 - photo.rgb):
            save_png(photo.with_edit(edited), tmp_path / "a.png")
            with Image.open(tmp_path / "a.png") as saved:
                assert (saved.info.get("icc_profile") == profile) is kept


def test_a_failed_write_leaves_nothing_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "new" / "a.png"
    save_png(Image.new("RGB", (4, 4), "red"), target)
    assert target.stat().st_mode & 0o444
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left"):
        save_png(Image.new("RGB", (4, 4), "blue"), target)
    assert target.read_bytes() == before
    assert [p.name for p in target.parent.iterdir()] == ["a.png"]


def test_writing_below_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save_png(Image.new("RGB", (4, 4)), tmp_path / "file" / "a.png")


def test_stems() -> None:
    assert stems(["x/a.png", "y/a.jpg", "A.webp", "b.png"]) == ["a", "a-2", "A-3", "b"]
    assert stems(["a.png", "a.jpg", "a-2.png"]) == ["a", "a-2", "a-2-2"]
    assert stems([".png", "CON.png", "a:b?.png", "née.png"]) == ["png", "_CON", "a_b_", "née"]


@given(st.lists(st.text(st.characters(codec=None), max_size=150).map(lambda t: t.replace("\0", "")), max_size=8))
def test_stems_are_unique_and_safe(names: list[str]) -> None:
    result = stems(names)
    assert len({name.casefold() for name in result}) == len(names)
    for name in result:
        assert name and len(name.encode()) < 120 and not set(name) & set('/\\<>:"|?*\0\n') and name[0] != "."
