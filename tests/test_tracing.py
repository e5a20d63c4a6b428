"""Traces from a request to what it caused days later, as a collector gets them; and none of it while off."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from nerava.installation import background_of
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform import tracing
from nerava.platform.otlp import Export
from nerava.platform.tracing.cursors import described
from nerava.settings import Settings, TracingSettings, knobs
from nerava.settings.known_names import KNOWN_NAMES
from nerava.telemetry import recorded
from tests.helpers.otlp_receiver import Got, Receiver, otlp_receiver
from tests.http.conftest import House, opened_house
from tests.http.flows import fill_promo
from tests.http.paying import opened_counter
from tests.http.test_payouts_at_stripe import let_out

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
SERVER, CLIENT = 2, 3


@contextmanager
def collecting(**more: Any) -> Iterator[tuple[Receiver, Callable[[], None]]]:
    """Record into a collector; the second ends the recording and sends the rest."""
    with otlp_receiver() as receiver:
        settings = Settings(env="test", tracing=TracingSettings(enabled=True, endpoint=receiver.url, **more))
        recording = recorded(settings, SystemClock(), "test")
        recording.__enter__()
        over: list[bool] = []

        def end() -> None:
            if not over:
                over.append(True)
                recording.__exit__(None, None, None)

        try:
            yield receiver, end
        finally:
            end()


def children(spans: list[Got], parent: Got) -> list[str]:
    """Return the names of the spans right under this one, in their order."""
    return [one.name for one in spans if one.parent == parent.id]


# What one request is.


def test_a_request_its_questions_and_its_statements_are_one_trace(url: str, tmp_path: Path) -> None:
    with collecting() as (receiver, end), opened_house(url, tmp_path) as house:
        driver = house.driver()
        assert house.client.get("/v1/wallet", headers=driver.headers(SENT)).status_code == 200
        end()
    spans = receiver.trace(TRACE)
    root = receiver.named("GET /v1/wallet")
    assert (root.trace, root.parent, root.kind, root.error) == (TRACE, CALLER, SERVER, False)
    assert root.attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/wallet",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }
    statements = [one for one in spans if "db.system.name" in one.attributes]
    assert "SELECT ledger_balance" in [one.name for one in statements]
    assert {one.attributes["db.system.name"] for one in statements} == {house.installation.database.dialect}
    known = {one.id for one in spans}
    assert all(one.parent in known for one in spans if one is not root)
    assert all(root.began <= one.began <= one.ended <= root.ended for one in spans)
    assert abs(root.began / 1e9 - time.time()) < 60
    [resource] = receiver.resources
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("nerava", "test")
    assert receiver.paths == ["/v1/traces"]
    assert receiver.heads[0]["content-type"] == "application/x-protobuf"


def test_a_posting_is_in_the_trace_of_its_request_with_its_batch_and_its_commit(
    url: str, tmp_path: Path
) -> None:
    with collecting() as (receiver, end), opened_house(url, tmp_path) as house:
        owner = house.user()
        fill_promo(house, 5_000)
        ledger, gift = house.installation.ledger, PromoKind.GOODWILL
        with tracing.serving(scope_of("/x"), TRACE, SENT["traceparent"]):
            granted = promo_grant(kind=gift, reference_id=new_id(), driver_id=owner.tenant_id, points=500)
            assert ledger.submit(granted).ok
        end()
    spans = receiver.trace(TRACE)
    by_name = {one.name: one for one in spans}
    assert by_name["ledger submit"].parent == by_name["GET"].id
    batch = by_name["ledger batch"]
    assert batch.parent == by_name["ledger submit"].id
    assert batch.attributes["nerava.ledger.chains"] == 1
    assert children(spans, batch)[-1] == "COMMIT"
    assert any("ledger_balance" in name for name in children(spans, batch))
    assert by_name["COMMIT"].ended <= batch.ended <= by_name["ledger submit"].ended


def test_a_batch_of_many_requests_is_in_the_first_and_linked_with_the_others(
    url: str, tmp_path: Path
) -> None:
    ids = [f"{number:032x}" for number in range(1, 9)]
    with collecting() as (receiver, end), opened_house(url, tmp_path) as house:
        fill_promo(house, 5_000)
        driver, ledger = house.driver(), house.installation.ledger
        barrier = threading.Barrier(len(ids))

        def post(trace_id: str) -> None:
            with tracing.serving(scope_of("/x"), trace_id, None):
                barrier.wait()
                kind, points = PromoKind.GOODWILL, 10
                ledger.submit(
                    promo_grant(kind=kind, reference_id=new_id(), driver_id=driver.tenant_id, points=points)
                )

        threads = [threading.Thread(target=post, args=(one,)) for one in ids]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        end()
    batches = [one for one in receiver.spans if one.name == "ledger batch" and one.trace in ids]
    assert sum(one.attributes["nerava.ledger.chains"] for one in batches) == len(ids)
    submits = {one.id: one for one in receiver.spans if one.name == "ledger submit" and one.trace in ids}
    reached = set()
    for batch in batches:
        reached.add(batch.trace)
        for trace, span in batch.links:
            assert submits[span].trace == trace
            assert (batch.trace, batch.id) in submits[span].links
            reached.add(trace)
    assert reached == set(ids)


def test_a_payout_is_one_trace_from_asking_to_the_call_to_the_provider(url: str, tmp_path: Path) -> None:
    with collecting() as (receiver, end), opened_counter(url, tmp_path) as counter:
        _, payout_id, account = let_out(counter)
        counter.work(4)
        end()
    asked = receiver.named("POST /v1/payouts")
    spans = receiver.trace(asked.trace)
    steps = [one for one in spans if one.name == "payout step"]
    assert steps
    assert {one.parent for one in steps} <= {one.id for one in spans}
    jobs = {one.id: one for one in receiver.spans if one.name == "job drive payouts"}
    assert all(jobs[span].trace == trace for one in steps for trace, span in one.links)
    calls = [one for one in spans if one.kind == CLIENT and one.attributes.get("nerava.provider") == "stripe"]
    assert {one.attributes["http.response.status_code"] for one in calls} == {200}
    assert all(one.parent in {step.id for step in steps} for one in calls)
    everything = b"".join(receiver.bodies)
    for secret in (str(payout_id), account, counter.world.stripe.key):
        assert secret.encode() not in everything


def test_a_call_to_a_provider_carries_the_trace_on(tmp_path: Path) -> None:
    with collecting() as (receiver, end), opened_counter(*sqlite_at(tmp_path)) as counter:
        let_out(counter)
        heard: list[str] = []
        counter.house.installation.clock.now()
        outbound = counter.house.installation.stripe
        assert outbound is not None
        with tracing.serving(scope_of("/x"), TRACE, None):
            heard += [value for name, value in tracing.onward() if name == "traceparent"]
        end()
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", heard[0])


def scope_of(path: str) -> dict[str, Any]:
    """Return the least that a request is."""
    return {"type": "http", "method": "GET", "path": path, "scheme": "http"}


def sqlite_at(folder: Path) -> tuple[str, Path]:
    """Return the address of a fresh database, and the folder."""
    from nerava import migrations

    url = f"sqlite:///{folder}/x.sqlite3"
    migrations.upgrade(url)
    return url, folder
