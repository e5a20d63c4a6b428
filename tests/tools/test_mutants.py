"""What became of the mutants is told by module, and the floor is held for each of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import mutants

KILLED, SURVIVED, RAN_FOR_EVER, NOT_TRIED = 1, 0, -24, None


def tried(folder: Path, module: str, *codes: int | None) -> None:
    path = folder / "mutants" / "src" / f"{module}.py.meta"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"exit_code_by_key": {f"{module}_{i}": one for i, one in enumerate(codes)}}))


def said(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_at_the_floor_is_well_and_its_survivor_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried(folder, "good", *[KILLED] * 18, RAN_FOR_EVER, SURVIVED)
    tried(folder, "empty")

    assert mutants.main() == 0
    assert said(capsys)[1:] == [["src/good.py", "20", "18", "1", "1", "95.0"], ["survived:", "good_19"]]


def test_one_module_below_the_floor_is_enough_to_fail(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried(folder, "good", *[KILLED] * 900)
    tried(folder, "worse", *[KILLED] * 17, SURVIVED, NOT_TRIED)

    assert mutants.main() == 1
    assert said(capsys)[1:] == [
        ["src/good.py", "900", "900", "0", "0", "100.0"],
        ["src/worse.py", "19", "17", "0", "2", "89.4"],
        ["survived:", "worse_17"],
        ["not", "checked:", "worse_18"],
    ]


def test_nothing_tried_is_nothing_shown(folder: Path) -> None:
    assert mutants.main() == 1
