"""After one lost answer to COMMIT, no later failure may be told as "not executed"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import exc

from nerava.platform.db import Database, OutcomeUnknown, unit_of_work
from nerava.platform.db.errors import DatabaseUnavailable


class Failing(Database):
    """A database whose attempts fail one after the other as they are told."""

    def __init__(self, folder: Path, failures: list[Exception]) -> None:
        super().__init__(f"sqlite:///{folder / 'x.sqlite3'}")
        self.failures = failures

    def _once(self, work: Callable[..., Any]) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return super()._once(work)


LOST = unit_of_work._CommitLost  # noqa: SLF001 - what an attempt ends with
GONE = psycopg.OperationalError("connection refused")


@pytest.mark.parametrize(
    "later",
    [
        [GONE] * 5,
        [exc.TimeoutError()],
        [DatabaseUnavailable()],
        [psycopg.errors.DiskFull()],
        [psycopg.errors.CheckViolation()],
        [LOST()] * 5,
    ],
    ids=["refused", "no connection free", "no turn", "disk full", "a definite error", "lost again"],
)
def test_it_stays_unknown_whatever_fails_afterwards(tmp_path: Path, later: list[Exception]) -> None:
    database = Failing(tmp_path, [LOST(), *later])

    with pytest.raises(OutcomeUnknown) as unknown:
        database.run(lambda _session: None, repeatable=True)
    assert unknown.value.__cause__ in later
    database.close()


def test_without_a_lost_answer_nothing_was_executed(tmp_path: Path) -> None:
    database = Failing(tmp_path, [GONE] * 9)

    with pytest.raises(DatabaseUnavailable):
        database.run(lambda _session: None, repeatable=True)
    database.close()


def test_a_repetition_that_succeeds_tells_its_result(tmp_path: Path) -> None:
    database = Failing(tmp_path, [LOST(), GONE])

    assert database.run(lambda _session: 7, repeatable=True) == 7
    database.close()
