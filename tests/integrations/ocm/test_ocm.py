"""Points of Open Charge Map are read by country or box, each row under the licence of whoever gave it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from nerava.discovery.feeds import Reject
from nerava.discovery.records import Access, PlugKind, SiteRecord, SiteStatus
from nerava.integrations.ocm import api as ocm_api
from nerava.integrations.ocm.api import OcmApi
from nerava.integrations.ocm.feed import CLOSED, feeds_of
from nerava.integrations.ocm.reading import read
from nerava.kernel.clock import FixedClock
from nerava.kernel.geography import Box
from nerava.kernel.outcomes import Misconfigured, Ok, RetryLater, Unknown
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
HELSINKI = Box(60.1, 60.3, 24.8, 25.1)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators) -> Simulators:
    running.reset(7)
    return running


@pytest.fixture
def api(simulators: Simulators) -> Iterator[OcmApi]:
    opened = OcmApi(
        simulators.ocm.key,
        base_url=simulators.url_of("ocm"),
        now=lambda: NOON,
        pause=lambda _seconds: None,
    )
    yield opened
    opened.close()


def points(api: OcmApi, **asked: Any) -> list[dict[str, Any]]:
    found = api.points(**asked)
    assert isinstance(found, Ok), found
    return found.value


def test_a_country_is_read_page_by_page_to_its_end(
    simulators: Simulators, api: OcmApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocm_api, "PAGE", 5)
    everything = {
        one["ID"] for one in simulators.ocm.points() if one["AddressInfo"]["Country"]["ISOCode"] == "FI"
    }
    assert {one["ID"] for one in points(api, countries=["FI"], only_open=False)} == everything
    assert len(simulators.requests("ocm")) == len(everything) // 5 + 1


def test_a_box_is_read_and_closed_rows_stay_out(simulators: Simulators, api: OcmApi) -> None:
    found = points(api, box=HELSINKI)
    assert {one["AddressInfo"]["Country"]["ISOCode"] for one in found} == {"FI"}
    assert all(one["DataProvider"]["IsOpenDataLicensed"] for one in found)
    assert 0 < len(found) < len(points(api, box=HELSINKI, only_open=False))


def test_each_who_gave_rows_is_a_source_with_its_licence(api: OcmApi) -> None:
    feeds, closed = feeds_of(points(api, countries=["FI", "US"], only_open=False))
    licences = {one.source: one.attribution.licence for one in feeds}
    assert licences["ocm:2"] == "May be used for any purpose whatsoever."
    assert "CC BY 4.0" in licences["ocm:1"]
    assert set(licences) == {"ocm:1", "ocm:2"}
    assert closed
    assert {one.reason for one in closed} == {CLOSED}
    read_out = [one for feed in feeds for batch in feed.batches(None) for one in batch.records]
    assert len(read_out) == sum(feed.total or 0 for feed in feeds)


def test_a_point_is_read_and_what_is_unknown_stays_unknown(simulators: Simulators) -> None:
    point = simulators.ocm.points()[1]
    point["Connections"] = [
        {"ConnectionTypeID": 33, "PowerKW": 150.0, "Quantity": 2},
        {"ConnectionType": {"ID": 25}, "PowerKW": None, "Quantity": None},
        {"ConnectionTypeID": 99_999, "PowerKW": 0, "Quantity": 1},
    ]
    found = read(point)
    assert isinstance(found, SiteRecord)
    assert {(one.kind, one.count, one.power_w_max) for one in found.plugs} == {
        (PlugKind.IEC_62196_T2_COMBO, 2, 150_000),
        (PlugKind.IEC_62196_T2, 1, None),
        (PlugKind.UNKNOWN, 1, None),
    }
    assert found.address.country == "FI"
    bare = read({"ID": 5, "AddressInfo": {"Latitude": 1, "Longitude": 2}, "UsageType": None})
    assert isinstance(bare, SiteRecord)
    assert (bare.status, bare.access, bare.plugs) == (SiteStatus.UNKNOWN, Access.UNKNOWN, ())
    assert isinstance(read(point | {"StatusType": {"ID": 200}}), Reject)
    assert isinstance(read({"ID": 5}), Reject)


def test_a_wrong_key_is_for_a_person_and_other_failures_are_for_later(
    simulators: Simulators, api: OcmApi
) -> None:
    wrong = OcmApi("nobody", base_url=simulators.url_of("ocm"), now=lambda: NOON)
    assert isinstance(wrong.points(countries=["FI"]), Misconfigured)
    wrong.close()
    simulators.faults.add("status", provider="ocm", status=503)
    assert isinstance(api.points(countries=["FI"]), RetryLater)
    simulators.faults.heal()
    simulators.faults.add("wrong_type", provider="ocm")
    assert isinstance(api.points(countries=["FI"]), Unknown)
