"""The page about what people see when others fail says what they see."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.resilience import PAGE, QUICK, every_row, line, money_rows, page, redis_rows, till_rows


def test_what_the_page_says_about_a_failing_provider_is_seen_again(sqlite_template: Path) -> None:
    written = PAGE.read_text()
    for seen in money_rows(sqlite_template, QUICK):
        assert line(seen) in written


def test_what_the_page_says_about_tills_is_seen_again(sqlite_template: Path) -> None:
    written = PAGE.read_text()
    for seen in till_rows(sqlite_template, QUICK):
        assert line(seen) in written


def test_what_the_page_says_about_redis_is_seen_again() -> None:
    written = PAGE.read_text()
    for seen in redis_rows():
        assert line(seen) in written


@pytest.mark.chaos
def test_the_whole_page_is_seen_again(sqlite_template: Path) -> None:
    assert page(every_row(sqlite_template)) == PAGE.read_text()
