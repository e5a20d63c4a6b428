"""`nerava map` lists base maps and chooses the one that is shown."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.commands.conftest import Run


def drawn(folder: Path, name: str, age_s: int) -> None:
    """Leave a map without tiles in a folder, drawn some seconds ago."""
    file = folder / "maps" / f"{name}.mbtiles"
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as written:
        written.execute("CREATE TABLE metadata (name TEXT, value TEXT)")
        told = {"name": name, "bounds": "24,60,25,61", "minzoom": "10", "maxzoom": "15"}
        written.executemany("INSERT INTO metadata VALUES (?, ?)", told.items())
        written.commit()
    at = file.stat().st_mtime - age_s
    os.utime(file, (at, at))


def told(run: Run, *arguments: str) -> Any:
    done = run("map", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_newest_map_is_shown_until_one_is_chosen(run: Run, tmp_path: Path) -> None:
    assert told(run, "list") == {"folder": str(tmp_path / "data" / "maps"), "shown": None, "maps": []}
    drawn(tmp_path / "data", "helsinki", 60)
    drawn(tmp_path / "data", "farms", 0)
    found = told(run, "list")
    assert [one["name"] for one in found["maps"]] == ["farms", "helsinki"]
    assert found["shown"] == "farms"
    assert found["maps"][1]["bounds"] == [24, 60, 25, 61]

    assert told(run, "use", "helsinki") == {"shown": "helsinki"}
    drawn(tmp_path / "data", "newer", -60)
    assert told(run, "list")["shown"] == "helsinki"
    assert told(run, "use") == {"shown": "newer"}


def test_a_map_that_is_not_there_is_not_chosen_and_one_that_went_is_not_missed(
    run: Run, tmp_path: Path
) -> None:
    drawn(tmp_path / "data", "helsinki", 0)
    for name in ("nowhere", "../maps/helsinki"):
        refused = run("map", "use", name, "--json")
        assert (refused.exit_code, json.loads(refused.stdout)["error"]) == (2, "no-map")
    drawn(tmp_path / "data", "farms", 60)
    told(run, "use", "farms")
    (tmp_path / "data" / "maps" / "farms.mbtiles").unlink()
    assert told(run, "list")["shown"] == "helsinki"
