"""Every knob is documented, defaults start without anything, and what must not start does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from nerava.settings import DatabaseSettings, Settings, TokenSettings, WorkerSettings, knobs, unknown_names
from nerava.startup_checks import EX_CONFIG, ConfigurationRefused, check_start, load_settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"
POSTGRESQL = DatabaseSettings(url="postgresql+psycopg://nerava@db.example/nerava")
NAMED = TokenSettings(issuer="https://rewards.city.example")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NERAVA_")]:
        monkeypatch.delenv(name)


def test_the_document_lists_every_setting_with_its_default_and_nothing_else() -> None:
    rows = re.findall(r"^\| `(NERAVA_\w+)` \| `(.*?)` \| (.+) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert rows == [(knob.name, knob.default, knob.meaning) for knob in knobs()]


def test_every_setting_says_what_it_means_and_durations_have_units() -> None:
    for knob in knobs():
        assert knob.meaning
        last = knob.name.rpartition("__")[2].lower()
        if any(word in last for word in ("timeout", "wait", "pause", "life", "grace", "drain", "kept")):
            assert last.endswith(("_ms", "_s", "_days")), knob.name


def test_the_environment_sets_nested_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_ENV", "test")
    monkeypatch.setenv("NERAVA_DATABASE__POOL_SIZE", "7")
    settings = load_settings()
    assert (settings.env, settings.database.pool_size) == ("test", 7)
    with pytest.raises(ValidationError):
        settings.env = "production"  # type: ignore[misc]


def test_wrong_values_and_unknown_names_are_told_by_name_never_by_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NERAVA_ENV", "hunter2")
    monkeypatch.setenv("NERAVA_SERVER__PORT", "hunter2")
    monkeypatch.setenv("NERAVA_DATABSE__URL", "hunter2")
    with pytest.raises(ConfigurationRefused) as refused:
        load_settings()
    told = [finding.setting for finding in refused.value.findings]
    assert told == ["NERAVA_DATABSE__URL", "NERAVA_ENV", "NERAVA_SERVER__PORT"]
    assert "hunter2" not in str(refused.value)
    assert unknown_names({"NERAVA_ENV": "x", "NERAVA_NOPE": "x", "OTHER": "x"}) == ["NERAVA_NOPE"]


def test_a_group_that_is_no_json_is_told_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_DATABASE", "hunter2")
    with pytest.raises(ConfigurationRefused) as refused:
        load_settings()
    assert "NERAVA_DATABASE" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "prod", "PRODUCTION", "local"])
def test_only_the_four_profiles_exist(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NERAVA_ENV", value)
    with pytest.raises(ConfigurationRefused, match="NERAVA_ENV"):
        check_start(load_settings())


@pytest.mark.parametrize(
    "settings",
    [
        Settings(env="production", database=POSTGRESQL, tokens=NAMED),
        Settings(env="production", single_node=True, tokens=NAMED),
        Settings(env="staging", database=POSTGRESQL, tokens=NAMED),
        Settings(env="development"),
        Settings(env="test"),
    ],
)
def test_good_configurations_start(settings: Settings) -> None:
    check_start(settings)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings(), "NERAVA_ENV"),
        (Settings(env="production", tokens=NAMED), "NERAVA_DATABASE__URL"),
        (Settings(env="staging", tokens=NAMED), "NERAVA_DATABASE__URL"),
        (Settings(env="production", database=POSTGRESQL), "NERAVA_TOKENS__ISSUER"),
        (Settings(env="test", worker=WorkerSettings(in_web_process=False)), "NERAVA_WORKER__IN_WEB_PROCESS"),
    ],
)
def test_bad_configurations_do_not(settings: Settings, named: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        check_start(settings)
    assert [finding.setting for finding in refused.value.findings] == [named]


def run(script: str, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, *flags, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_checks_import_no_web_framework_and_no_database() -> None:
    script = (
        "import sys, nerava.startup_checks; "
        "print([one for one in ('fastapi', 'starlette', 'uvicorn', 'sqlalchemy') if one in sys.modules])"
    )
    assert run(script).stdout.strip() == "[]"


def test_python_without_assertions_is_refused() -> None:
    script = (
        "from nerava.settings import Settings; from nerava.startup_checks import check_start; "
        "check_start(Settings(env='test'))"
    )
    assert run(script).returncode == 0
    refused = run(script, "-O")
    assert refused.returncode != 0
    assert "PYTHONOPTIMIZE" in refused.stderr


@pytest.mark.parametrize(
    "environment", [{}, {"NERAVA_ENV": "prod"}, {"NERAVA_ENV": "test", "NERAVA_TYPO": "1"}]
)
def test_serve_exits_with_78_and_names_the_setting(tmp_path: Path, environment: dict[str, str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "nerava", "serve", "--database", f"sqlite:///{tmp_path}/x.sqlite3"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == EX_CONFIG, answer.stdout + answer.stderr
    assert "NERAVA_" in answer.stdout + answer.stderr
