"""The pages that say which test shows which promise name tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "RELIABILITY.md"
SECURITY: Final = ROOT / "docs" / "SECURITY.md"
MONEY: Final = ROOT / "docs" / "FINANCIAL_FLOW_TESTS.md"
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROMISED: Final = {f"R{number:02}" for number in range(1, 34)}


def names_in(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def long_forms_in(path: Path) -> set[str]:
    """Return the tests that carry the mark of the long form themselves."""
    return {
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and "pytest.mark.chaos" in map(ast.unparse, node.decorator_list)
    }


def test_every_test_on_the_page_exists() -> None:
    named = NAMED.findall(PAGE.read_text())

    assert len(named) > len(PROMISED)
    assert [test for path, test in named if test not in names_in(ROOT / path)] == []


@pytest.mark.parametrize("page", [SECURITY, MONEY], ids=["security", "money"])
def test_every_test_on_the_other_pages_exists(page: Path) -> None:
    named = NAMED.findall(page.read_text())

    assert named
    assert [test for path, test in named if test not in names_in(ROOT / path)] == []


def test_every_promise_of_security_has_its_row_with_a_test_or_what_it_waits_for() -> None:
    table = SECURITY.read_text().split("### By number")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]]
        for row in re.findall(r"^\| S.*$", table, re.MULTILINE)
    ]

    assert [number for number, *_ in rows] == [f"S{number:02}" for number in range(1, 26)]
    shown = re.compile(r"`tests/[\w/]+\.py::\w+`|^as S14$|^$|^the same, [\w, ]+$")
    for number, _, quick, full, left in rows:
        assert quick or full or left.startswith("waits for"), number
        assert all(shown.search(cell) for cell in (quick, full)), number


def test_what_the_page_calls_full_runs_in_the_long_form_and_what_it_calls_quick_does_not() -> None:
    table = SECURITY.read_text().split("### By number")[1].split("\n## ")[0]
    for row in re.findall(r"^\| S.*$", table, re.MULTILINE):
        number, _, quick, full, _ = [cell.strip() for cell in row.split("|")[1:-1]]
        assert [test for path, test in NAMED.findall(quick) if test in long_forms_in(ROOT / path)] == [], (
            number
        )
        found = [test for path, test in NAMED.findall(full) if test not in long_forms_in(ROOT / path)]
        assert found == [], number


def test_every_promise_has_its_row_and_every_broken_build_its_test() -> None:
    promises, broken = PAGE.read_text().split("## Broken builds")
    rows = set(re.findall(r"^\| (R\d\d) \|", promises, re.MULTILINE))
    listed = {name for _, name in NAMED.findall(broken)}
    caught = {
        test
        for path in (ROOT / "tests" / "chaos").glob("test_r*.py")
        for test in names_in(path)
        if re.search(r"_caught|bad_schedules|without_its_guards|anchor_outside", test)
    }

    assert rows == PROMISED
    assert caught - listed <= {"test_an_older_copy_put_in_place_of_the_books_is_seen_by_the_anchor_outside"}
