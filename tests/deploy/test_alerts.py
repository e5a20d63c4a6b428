"""Every alarm rings when it should and only then, has a runbook, and asks for metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from nerava.platform.metrics.catalogue import every_metric
from tools import dashboards

ROOT: Final = Path(__file__).resolve().parents[2]
ALERTS: Final = ROOT / "deploy" / "prometheus" / "alerts.yaml"
TESTS: Final = ROOT / "deploy" / "prometheus" / "alerts_test.yaml"
RUNBOOKS: Final = ROOT / "docs" / "runbooks.md"
OF_OTHERS: Final = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
LEFT_BY_THE_JOB: Final = {"nerava_backup_last_success_timestamp_seconds"}
"""What the job that makes copies leaves for Prometheus (docs/backup.md)."""

SCRAPED: Final = {"job", "instance", "le"}


def rules() -> list[dict[str, Any]]:
    """Return every alarm."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: str | Path) -> None:
    """Run promtool, which must find nothing."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; it comes with Debian's package prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def known_series() -> dict[str, set[str]]:
    """Return the labels of every series that the product has, by its name."""
    known = {}
    for one in every_metric():
        endings = ("_bucket", "_sum", "_count") if one.kind == "histogram" else ("",)
        known |= {one.name + ending: set(one.labels) for ending in endings}
    return known


def asked_for(expression: str) -> tuple[set[str], set[str]]:
    """Return the metrics and the labels that an expression names."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"\"", bare))
    for listed in re.findall(r"\bby \(([^)]*)\)", bare):
        labels |= {one.strip() for one in listed.split(",")}
    return set(re.findall(r"\b(?:nerava|process)_\w+|\bup\b", bare)), labels


def test_the_rules_can_be_read() -> None:
    promtool("check", "rules", ALERTS)


def test_every_alarm_rings_when_it_should_and_only_then() -> None:
    promtool("test", "rules", TESTS)


def test_every_alarm_has_a_case_in_which_it_rings_and_one_in_which_it_does_not() -> None:
    cases: dict[str, list[bool]] = {}
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        (case,) = test["alert_rule_test"]
        cases.setdefault(case["alertname"], []).append("exp_alerts" in case)

    assert cases == {rule["alert"]: [True, False] for rule in rules()}


def test_every_alarm_has_a_runbook_and_every_runbook_its_alarm() -> None:
    sections = re.split(r"^## ", RUNBOOKS.read_text(), flags=re.MULTILINE)[1:]
    books = {section.split("\n", 1)[0]: section for section in sections}

    assert list(books) == [rule["alert"] for rule in rules()]
    for rule in rules():
        name, book = rule["alert"], books[rule["alert"]]
        assert rule["annotations"]["runbook_url"].endswith(f"/runbooks/#{name.lower()}")
        assert f"*{rule['labels']['severity']}.*" in book
        assert "**Look:**" in book
        assert "**Do:**" in book


EXPRESSIONS: Final = {
    **{rule["alert"]: rule["expr"] for rule in rules()},
    **{
        f"{name}: {panel.title} {number}": expression
        for name, (_, panels) in dashboards.DASHBOARDS.items()
        for panel in panels
        for number, (expression, _) in enumerate(panel.queries)
    },
}


def test_alarms_and_panels_ask_for_metrics_and_labels_that_exist() -> None:
    known = known_series()
    assert len(EXPRESSIONS) > len(rules())
    for name, expression in EXPRESSIONS.items():
        metrics, labels = asked_for(expression)
        assert metrics, name
        assert metrics - OF_OTHERS - LEFT_BY_THE_JOB <= known.keys(), name
        there = set().union(*(known.get(one, set()) for one in metrics))
        assert labels <= there | SCRAPED, name


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_the_dashboards_are_what_their_list_says(name: str) -> None:
    assert (dashboards.FOLDER / f"{name}.json").read_text() == dashboards.document(name)
