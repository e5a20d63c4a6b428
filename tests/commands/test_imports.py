"""`nerava import` takes lists and extracts, says what it could not read, and says the same to machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerava.integrations.extracts import COUNTRYSIDE, HELSINKI, stored_extract
from tests.commands.conftest import Run
from tests.discovery.conftest import stored_or_skipped

LIST = """\
thing,reference,name,latitude,longitude,category,plugs,operator,timezone
site,s1,Harbour,60.1677,24.9530,,2 x IEC_62196_T2 22000;CHADEMO 50000,Valo,Europe/Helsinki
place,p1,Kahvila Lumo,60.1680,24.9530,cafe,,,
place,p2,Nowhere,,24.95,cafe,,,
place,p3,Strange,60.16,24.95,tavern,,,
shed,p4,Shed,60.16,24.95,,,,
place,p5,Short
"""


def test_a_list_comes_in_and_each_row_that_does_not_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(LIST)
    database = f"sqlite:///{tmp_path / 'n.sqlite3'}"
    arguments = ("import", "csv", str(tmp_path / "mine.csv"), "--name", "mine", "--database", database)

    told = json.loads(run(*arguments, "--json").stdout)
    again = run(*arguments)

    assert (told["source"], told["added"], told["rejected"], told["linked"]) == ("csv:mine", 2, 4, 1)
    assert [(one["row"], one["reference"], one["reason"]) for one in told["rejects"]] == [
        (4, "p2", "value"),
        (5, "p3", "value"),
        (6, "p4", "thing"),
        (7, "p5", "columns"),
    ]
    assert again.exit_code == 0
    assert "as they were" in again.stdout
    assert "tavern" in again.stdout


def test_a_column_that_nobody_reads_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("thing,reference,name,latitude,longitude,openinghours\n")

    told = run("import", "csv", str(tmp_path / "mine.csv"), "--name", "mine",
               "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}")  # fmt: skip

    assert told.exit_code == 2
    assert "'openinghours' is read by nobody" in " ".join(told.stderr.split())


def test_what_is_no_extract_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.osm.pbf").write_bytes(b"no map")

    told = run(
        "import", "osm", str(tmp_path / "broken.osm.pbf"), "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}"
    )

    assert told.exit_code == 2
    assert "The file cannot be read" in told.stderr


@pytest.mark.needs_data
def test_an_extract_brings_its_map_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.delenv("NERAVA_DATA_DIR")
    fields = stored_or_skipped(COUNTRYSIDE)
    assert stored_extract(fields.parent, HELSINKI) is not None
    monkeypatch.setenv("NERAVA_DATA_DIR", str(tmp_path / "data"))

    told = run("import", "osm", str(fields), "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}", "--json")

    document = json.loads(told.stdout)
    assert Path(document["map"]) == tmp_path / "data" / "maps" / "countryside.mbtiles"
    assert (document["tiles"] > 5, document["rejected"], document["linked"]) == (True, 0, 0)
