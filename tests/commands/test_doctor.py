"""`nerava doctor` looks into a SQLite file, and ends with 1 where something is not as it has to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerava import migrations
from nerava.commands.opening import settings_for
from nerava.commands.running import sole_server
from tests.commands.conftest import Run

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def test_a_sound_file_is_told_as_that_and_who_serves_it(run: Run, url: str) -> None:
    def told() -> dict[str, str]:
        answer = run("doctor", "--database", url, "--json")
        assert answer.exit_code == 0, answer.output
        found: dict[str, str] = json.loads(answer.stdout)["file"]
        return found

    found = told()
    assert (found["integrity"], found["journal"], found["synchronous"]) == ("ok", "wal", "full")
    assert (found["schema"], found["served by"]) == (migrations.head(), "nobody now")
    assert "%" in found["free disk"]
    with sole_server(settings_for(url)):
        assert told()["served by"] == "a process that runs now"
    assert told()["served by"] == "nobody now"
    assert "streamed elsewhere" in " ".join(run("doctor", "--database", url).stdout.split())


def test_a_file_that_is_none_or_torn_or_empty_ends_with_1(run: Run, url: str, tmp_path: Path) -> None:
    books = Path(url.removeprefix("sqlite:///"))
    torn, empty = tmp_path / "torn.sqlite3", tmp_path / "empty.sqlite3"
    torn.write_bytes(books.read_bytes()[:4_096] + b"?" * 40_960)
    empty.touch()
    for file, why in (
        (tmp_path / "none.sqlite3", "there is none"),
        (torn, "integrity"),
        (empty, "wrong"),
    ):
        answer = run("doctor", "--database", f"sqlite:///{file}", "--json")
        assert answer.exit_code == 1, answer.output
        assert why in answer.stdout
