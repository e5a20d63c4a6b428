"""`nerava reconcile` reads the provider's book, says whether ours agrees, and writes every line where asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.commands.conftest import Run


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Simulators]:
    """Stripe, simulated, and settings that lead there."""
    with running_simulators(by_hand=True) as world:
        monkeypatch.setenv("NERAVA_ENV", "test")
        monkeypatch.setenv("NERAVA_STRIPE__MODE", "simulator")
        monkeypatch.setenv("NERAVA_STRIPE__KEY", world.stripe.key)
        monkeypatch.setenv("NERAVA_STRIPE__BASE_URL", world.url_of("stripe"))
        yield world


def test_books_without_a_payout_agree(run: Run, world: Simulators, url: str, tmp_path: Path) -> None:
    lines = tmp_path / "lines.csv"
    answer = run("reconcile", "--database", url, "--json", "--csv", lines)

    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert set(document["counts"].values()) == {0}
    assert document["lines"] == []
    assert lines.read_text().startswith("verdict,at,kind,movement,source,payout_id,")


def test_a_transfer_that_nobody_here_asked_for_ends_with_1(run: Run, world: Simulators, url: str) -> None:
    world.stripe.deposit(10_000)
    account = world.stripe.add_account()["id"]
    form = {"amount": "500", "currency": "usd", "destination": account}
    world.stripe.at_the_dashboard("/v1/transfers", form)

    answer = run("reconcile", "--until", "2200-01-01", "--since", "2020-01-01", "--database", url, "--json")

    assert answer.exit_code == 1, answer.output
    document = json.loads(answer.stdout)
    assert document["counts"]["extra"] == 1
    assert [one["verdict"] for one in document["lines"]] == ["extra"]


def test_without_a_provider_there_is_nothing_to_compare_with(run: Run, url: str) -> None:
    answer = run("reconcile", "--database", url, "--json")

    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"] == "payouts-off"
