"""Every knob is documented, defaults start without anything, and what must not start does not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from nerava.settings import knobs, unknown_names
from nerava.startup_checks import ConfigurationRefused, load_settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


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
