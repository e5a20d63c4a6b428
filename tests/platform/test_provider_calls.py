"""Every call to another machine stands in one table, and the page about it is that table."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest

import nerava
from nerava.platform.provider_calls import PLACES_DETAILS, ProviderCall, every_call
from tools.outbound_table import DOCUMENT, document

SOURCE = Path(nerava.__path__[0])
THE_TABLE = SOURCE / "platform" / "provider_calls"


def test_the_page_is_the_table() -> None:
    assert DOCUMENT.read_text() == document()


def test_no_adapter_has_a_policy_of_its_own() -> None:
    making = [
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if not path.is_relative_to(THE_TABLE)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CallPolicy"
    ]
    assert making == []


def test_names_are_unique_and_say_provider_and_operation() -> None:
    calls = every_call()
    assert len(calls) > 30
    assert len({one.call.name for one in calls}) == len(calls)
    assert all(one.call.provider and one.call.operation for one in calls)
    regions = [one.region.name for one in calls if one.region is not None]
    assert len(set(regions)) == len(regions)


@pytest.mark.parametrize("one", every_call(), ids=lambda one: one.call.name)
def test_the_parts_of_a_row_fit_each_other(one: ProviderCall) -> None:
    call, region = one.call, one.region
    assert call.connect_s <= call.read_s <= call.total_s
    assert 1 <= call.attempts <= 3
    if region is not None:
        assert region.source == call.provider
        assert not (region.licence in {"secret", "consent"} and region.is_shared), "never in Redis"


def test_what_a_licence_limits_is_never_kept_longer() -> None:
    assert PLACES_DETAILS.region is not None
    assert PLACES_DETAILS.region.fresh_is_limit
    assert PLACES_DETAILS.region.fresh <= timedelta(seconds=300)
    assert PLACES_DETAILS.region.on_error == timedelta(0)
