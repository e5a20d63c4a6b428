"""The command line as a test calls it: in this process, away from the checkout, with no settings around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from nerava.__main__ import app
from tests.helpers.logs import log_as_before

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the log as it was: commands set it up anew, some of them for warnings alone."""
    with log_as_before():
        yield


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `nerava` with some arguments; a traceback fails the test."""
    for name in os.environ:
        if name.startswith(("NERAVA_", "PIP_")) or name in {"COLUMNS", "FORCE_COLOR", "XDG_CACHE_HOME"}:
            monkeypatch.delenv(name)
    # No index, and no fetched data: what a test needs, it brings.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NERAVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def call(*arguments: str | Path) -> Result:
        result = runner.invoke(app, [str(one) for one in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture
def books(run: Run, url: str) -> str:
    """Address of a database with forty replayed sessions, sealed; on both engines."""
    done = run("replay", "--dataset", "sample", "--limit", "40", "--campaigns", "3", "--database", url)
    assert done.exit_code == 0, done.output
    assert run("ledger", "seal", "--database", url).exit_code == 0
    return url
