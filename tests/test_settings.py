"""Every knob is documented, defaults start without anything, and what must not start does not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from nerava.settings import ServerSettings, Settings, TokenSettings, knobs, unknown_names
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


def test_names_of_an_earlier_product_are_read_with_a_warning_and_ours_come_first(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NREL_API_KEY", "k" * 40)
    key = load_settings().nlr.key
    assert key is not None
    assert key.get_secret_value() == "k" * 40
    assert "NREL_API_KEY is read for NERAVA_NLR__KEY" in caplog.text
    assert "kkk" not in caplog.text
    caplog.clear()
    monkeypatch.setenv("NERAVA_NLR__KEY", "o" * 40)
    key = load_settings().nlr.key
    assert key is not None
    assert (key.get_secret_value(), caplog.text) == ("o" * 40, "")


def test_numbers_of_a_call_can_be_changed_and_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "NERAVA_OUTBOUND__CALLS"
    monkeypatch.setenv(variable, '{"nlr nearest": {"total_s": 4.5, "attempts": 2}}')
    [(name, policy)] = load_settings().outbound.policies.items()
    assert (name, policy.total_s, policy.attempts, policy.read_s) == ("nlr nearest", 4.5, 2, 4)
    for nonsense in (
        '{"nlr furthest": {"total_s": 4}}',
        '{"nlr nearest": {"attempts": 4}}',
        '{"nlr nearest": {"read_s": 7}}',
        '{"nlr nearest": {"patience": 7}}',
        '{"smtp send": {"total_s": 7}}',
    ):
        monkeypatch.setenv(variable, nonsense)
        with pytest.raises(ConfigurationRefused, match=variable):
            load_settings()


def test_while_developing_an_installation_without_a_name_is_where_it_listens() -> None:
    server = ServerSettings(host="127.0.0.1", port=8123)
    named = TokenSettings(issuer="https://rewards.city.example/")
    assert Settings(env="development", server=server).address == "http://127.0.0.1:8123"
    assert Settings(env="development", server=server, tokens=named).address == "https://rewards.city.example"
    assert Settings(env="test", server=server).address == TokenSettings().issuer
