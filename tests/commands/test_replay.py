"""`nerava replay` names the rows that are no sessions, and what else it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.commands.test_ledger import ONE_MORE, tamper

HEADER = "reference,site,station,timezone,started_at,ended_at,energy_wh,user,power_w_max\n"
GOOD = "s-1,Depot,D-1,America/Chicago,2025-10-01T04:30:03-05:00,2025-10-01T08:18:38-05:00,31786,u-1,22000\n"
BACKWARDS = (
    "s-2,Depot,D-1,America/Chicago,2025-10-02T09:00:00-05:00,2025-10-02T08:00:00-05:00,31786,u-1,22000\n"
)
WORDS = "s-3,Depot,D-1,America/Chicago,2025-10-03T04:00:00-05:00,2025-10-03T08:00:00-05:00,plenty,u-1,22000\n"


def test_dirty_rows_are_named_and_the_clean_ones_go_through(run: Run, url: str, tmp_path: Path) -> None:
    file = tmp_path / "sessions.csv"
    file.write_text(HEADER + GOOD + BACKWARDS + WORDS)
    command = ("replay", "--file", file, "--campaigns", "3", "--database", url)

    told = run(*command)
    result = json.loads(run(*command, "--json").stdout)

    assert told.exit_code == 0
    assert "Rows that are no sessions" in told.stdout
    assert [one["reference"] for one in result["rows_refused"]] == ["s-2", "s-3"]
    assert all(
        str(one["row"]) in told.stdout and one["reason"] in told.stdout for one in result["rows_refused"]
    )
    assert (result["rows"], result["sessions"]["total"]) == (3, 1)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("missing.csv", None, "no file"),
        ("empty.csv", "", "empty"),
        ("headless.csv", "a,b,c\n1,2,3\n", ""),
        ("sessions.pdf", "%PDF", "format"),
    ],
)
def test_a_file_that_holds_no_sessions_is_refused(
    run: Run, tmp_path: Path, name: str, body: str | None, reason: str
) -> None:
    file = tmp_path / name
    if body is not None:
        file.write_text(body)

    told = run("replay", "--file", file, "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}")

    assert told.exit_code == 2
    assert reason in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--dataset", "sample", "--campaigns", "4"), "3 and 20 campaigns"),
        ((), "name either --dataset or --file"),
        (("--dataset", "sample", "--file", "x.csv"), "name either --dataset or --file"),
        (("--dataset", "nowhere"), "there is acn, sample"),
    ],
)
def test_what_is_asked_for_must_exist(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    told = run("replay", *arguments, "--database", f"sqlite:///{tmp_path / 'n.sqlite3'}")

    assert told.exit_code == 2
    assert reason in told.stderr


def test_a_broken_ledger_ends_a_replay_with_1(run: Run, books: str) -> None:
    tamper(books, ONE_MORE)

    told = run("replay", "--dataset", "sample", "--limit", "40", "--campaigns", "3", "--database", books)

    assert told.exit_code == 1
    assert "The audit found a break." in told.stdout


def test_the_campaigns_fit_a_screen_of_80_columns_a_line_each(run: Run, tmp_path: Path) -> None:
    at = f"sqlite:///{tmp_path / 'n.sqlite3'}"

    told = run("replay", "--dataset", "sample", "--campaigns", "20", "--database", at)

    lines = told.stdout.splitlines()
    table = lines[next(at for at, line in enumerate(lines) if line.startswith("Campaigns")) + 3 :]
    campaigns = table[: table.index("")]
    assert max(map(len, lines)) <= 80
    assert len(campaigns) == 20
    assert all(line.rsplit(maxsplit=1)[-1].replace(",", "").isdigit() for line in campaigns)
