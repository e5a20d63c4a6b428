"""`nerava import nlr` and `ocm` bring stations in from directories on the net, here simulated ones."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.commands.conftest import Run


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators, monkeypatch: pytest.MonkeyPatch) -> Simulators:
    for name, key in (("nlr", running.nlr.key), ("ocm", running.ocm.key)):
        monkeypatch.setenv(f"NERAVA_{name.upper()}__MODE", "simulator")
        monkeypatch.setenv(f"NERAVA_{name.upper()}__KEY", key)
        monkeypatch.setenv(f"NERAVA_{name.upper()}__BASE_URL", running.url_of(name))
    return running


def test_one_state_is_brought_in_and_again_changes_nothing(run: Run, simulators: Simulators) -> None:
    told = run("import", "nlr", "--state", "nv", "--json")
    assert told.exit_code == 0, told.stderr
    stations = simulators.nlr.stations(state="NV", fuel_type_code="ELEC")
    assert json.loads(told.stdout)["added"] == len(stations)
    assert json.loads(run("import", "nlr", "--state", "NV", "--json").stdout)["same"] == len(stations)
    assert run("import", "nlr", "--state", "XX").exit_code == 2


def test_open_charge_map_is_brought_in_source_by_source(run: Run, simulators: Simulators) -> None:
    told = json.loads(run("import", "ocm", "--country", "fi", "--json").stdout)
    assert [one["source"] for one in told["sources"]] == ["ocm:1"]
    assert told["sources"][0]["added"] > 10
    boxed = json.loads(run("import", "ocm", "--box", "33,-119,35,-117", "--json").stdout)
    assert [one["source"] for one in boxed["sources"]] == ["ocm:2"]
    assert run("import", "ocm").exit_code == 2
    assert run("import", "ocm", "--box", "1,2,3").exit_code == 2


def test_a_directory_that_is_off_or_says_no_is_an_error_that_says_so(
    run: Run, running: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = run("import", "nlr", "--json")
    assert (off.exit_code, json.loads(off.stdout)["error"]) == (2, "directory-off")
    monkeypatch.setenv("NERAVA_NLR__MODE", "simulator")
    monkeypatch.setenv("NERAVA_NLR__KEY", "k" * 40)
    monkeypatch.setenv("NERAVA_NLR__BASE_URL", running.url_of("nlr"))
    denied = json.loads(run("import", "nlr", "--json").stdout)
    assert denied["error"] == "directory-unreadable"


@pytest.mark.parametrize(
    "given",
    [
        {"NERAVA_NLR__MODE": "live"},
        {"NERAVA_NLR__MODE": "simulator", "NERAVA_NLR__KEY": "k"},
        {"NERAVA_NLR__MODE": "live", "NERAVA_NLR__KEY": "k", "NERAVA_NLR__BASE_URL": "http://127.0.0.1:1"},
        {"NERAVA_NLR__BASE_URL": "https://developer.nrel.gov"},
    ],
    ids=lambda given: "-".join(given.values()),
)
def test_settings_that_do_not_fit_together_are_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert json.loads(run("import", "nlr", "--json").stdout)["error"] == "settings-invalid"
