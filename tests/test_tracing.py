"""Traces from a request to what it caused days later, as a collector gets them; and none of it while off."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import text
from sqlalchemy.orm import Session

from nerava.installation import background_of
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform import tracing
from nerava.platform.otlp import Counts, Export, encoded, enveloped
from nerava.platform.otlp.export import FLUSH_S
from nerava.platform.outbound import CallPolicy, Outbound
from nerava.platform.redaction import REDACTOR
from nerava.platform.tracing.cursors import TEXT_MAX, described
from nerava.platform.tracing.spans import NOTHING
from nerava.settings import Settings, TracingSettings, knobs
from nerava.settings.known_names import KNOWN_NAMES
from nerava.telemetry import recorded
from tests.helpers.databases import DatabaseUrl
from tests.helpers.other_side import answer, other_side
from tests.helpers.otlp_receiver import Got, Receiver, otlp_receiver
from tests.http.conftest import opened_house
from tests.http.flows import fill_promo, work_off
from tests.http.paying import opened_counter
from tests.http.test_payouts_at_stripe import let_out

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
SERVER, CLIENT = 2, 3
READ: Final = CallPolicy("partner read", connect_s=1, read_s=1, total_s=5, attempts=2)


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
    assert any("INSERT ledger_" in name for name in children(spans, batch))
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


def test_a_call_to_another_machine_says_which_span_it_is_a_part_of() -> None:
    with collecting() as (receiver, end), other_side([answer(503), answer(200)]) as side:
        outbound = Outbound(side.url, now=SystemClock().now, pause=lambda _seconds: None)
        with tracing.serving(scope_of("/x"), TRACE, None):
            outbound.ask("GET", "/drivers/17", READ, query=[("key", "hunter2")])
        outbound.ask("GET", "/drivers/17", READ)
        outbound.close()
        end()
    first, second = (one for one in receiver.trace(TRACE) if one.kind == CLIENT)
    assert first.name == second.name == "GET partner read"
    heard = [re.findall(rb"traceparent: (.*)\r", head) for head in side.requests]
    assert heard == [[f"00-{TRACE}-{first.id}-01".encode()], [f"00-{TRACE}-{second.id}-01".encode()], []]
    assert (first.error, first.attributes["http.response.status_code"]) == (True, 503)
    assert (second.error, second.attributes["http.request.resend_count"]) == (False, 1)
    assert b"hunter2" not in b"".join(receiver.bodies)
    assert b"drivers/17" not in b"".join(receiver.bodies)


# What is told, and what is not.


def test_names_and_attributes_hold_kinds_of_things_and_nobody_in_particular(url: str, tmp_path: Path) -> None:
    with collecting() as (receiver, end), opened_house(url, tmp_path) as house:
        driver = house.user()
        house.client.get(f"/v1/payouts/{new_id()}", headers=driver.headers())
        house.client.get(f"/nowhere/{driver.tenant_id}", headers=driver.headers())
        house.client.request("HUNTER", "/nowhere")
        driver.post(
            "/v1/payouts", {"method_id": str(new_id()), "amount_minor": 1_000, "fee_minor": 25}, key="k"
        )
        end()
    names = {one.name for one in receiver.spans if one.kind == SERVER}
    assert names == {"GET /v1/payouts/{payout_id}", "GET", "_OTHER", "POST /v1/payouts"}
    everything = b"".join(receiver.bodies)
    assert driver.token.encode() not in everything
    assert not re.search(
        rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-", everything.replace(instance(receiver), b"")
    )


def instance(receiver: Receiver) -> bytes:
    """Return the one id that is told: that of the process."""
    return str(receiver.resources[0]["service.instance.id"]).encode()


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT a.b FROM audit_entry a WHERE a.id = %s", "SELECT audit_entry"),
        ("insert into payout (id) values (?)", "INSERT payout"),
        (
            "WITH w AS (SELECT 1 FROM unnest(%s::uuid[])) UPDATE ledger_balance SET x = 1",
            "SELECT ledger_balance",
        ),
        ('DELETE FROM "user" WHERE id = ?', "DELETE user"),
        ("SELECT pg_advisory_xact_lock(%s)", "SELECT"),
        ("SAVEPOINT sa_1", "SAVEPOINT"),
    ],
)
def test_a_statement_is_named_by_what_it_does_to_which_table(statement: str, name: str) -> None:
    assert described(statement, "sqlite").name == name


def test_what_stands_in_a_statement_by_mistake_is_taken_out() -> None:
    about = described(
        "SELECT 1 FROM t WHERE mail = 'ann.canary@example.org' AND n = ?" + " x" * 900, "sqlite"
    )
    told = str(about.attributes["db.query.text"])
    assert "canary" not in told
    assert len(told) <= TEXT_MAX


def test_how_something_failed_is_told_by_its_kind_and_never_by_its_text(url: str, tmp_path: Path) -> None:
    with collecting() as (receiver, end), opened_house(url, tmp_path) as house:
        with pytest.raises(RuntimeError), tracing.serving(scope_of("/x"), TRACE, None):
            house.installation.database.run(_fail)
        end()
    failed = {one.name: one.attributes.get("error.type") for one in receiver.spans if one.error}
    assert failed == {"GET": "RuntimeError"}
    assert b"hunter2" not in b"".join(receiver.bodies)


def _fail(session: Session) -> None:
    session.execute(text("SELECT 1"))
    message = "hunter2"
    raise RuntimeError(message)


def test_logs_and_problems_say_the_trace_id_that_the_collector_has(
    sqlite_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting() as (receiver, end), opened_house(sqlite_address, tmp_path) as house:
        told = house.client.get("/v1/wallet").json()["trace_id"]
        given = house.client.get("/v1/wallet", headers=SENT).json()["trace_id"]
        end()
    assert given == TRACE
    assert {one.trace for one in receiver.spans if one.kind == SERVER} == {told, TRACE}


# Rounds of jobs.


def test_a_round_that_finds_nothing_leaves_nothing_and_one_that_works_is_a_trace(
    sqlite_address: str, tmp_path: Path
) -> None:
    with collecting() as (receiver, end), opened_house(sqlite_address, tmp_path) as house:
        background_of(house.installation).round()
        house.driver()
        work_off(house, everything=True)
        before = len([one for one in receiver.spans if one.name.startswith("job ")])
        background_of(house.installation).round()
        end()
    jobs = [one for one in receiver.spans if one.name.startswith("job ")]
    assert before <= len(jobs)
    assert all(one.attributes["nerava.job.done"] > 0 for one in jobs)
    roots = {one.trace for one in jobs}
    assert all(one.trace in roots for one in receiver.spans)


# Whose traces are recorded.


@pytest.mark.parametrize(
    ("ratio", "sent", "recorded_too"),
    [
        (1.0, None, True),
        (0.0, None, False),
        (0.0, f"00-{TRACE}-{CALLER}-01", True),
        (1.0, f"00-{TRACE}-{CALLER}-00", False),
        (0.0, f"00-{TRACE}-{'0' * 16}-01", False),
        (1.0, "rubbish", True),
    ],
)
def test_the_caller_decides_and_where_there_is_none_the_ratio(
    ratio: float, sent: str | None, recorded_too: bool
) -> None:
    taken: list[tracing.Bunch] = []
    tracing.turn_on(taken.append, ratio=ratio)
    try:
        with tracing.serving(scope_of("/x"), TRACE, sent) as span:
            assert bool(span) is recorded_too
    finally:
        tracing.turn_off()
    assert len(taken) == recorded_too


def test_what_machines_ask_every_few_seconds_is_not_recorded() -> None:
    tracing.turn_on(lambda _span: None)
    try:
        assert not tracing.serving(scope_of("/readyz"), TRACE, None)
    finally:
        tracing.turn_off()


# The collector.


def plain(bunch: tracing.Bunch) -> list[bytes]:
    """Return the bytes of a bunch at a time of no meaning."""
    return encoded(bunch, 0)


def some_spans(count: int) -> Iterator[tracing.Bunch]:
    """Yield spans that have ended."""
    for number in range(count):
        one = tracing.Span(tracing.named("x", 1), trace_id=TRACE, parent_id=number, take=lambda _bunch: None)
        one.end()
        yield one, [], True


def test_a_collector_that_is_down_costs_a_request_nothing_and_what_is_lost_is_counted(
    sqlite_address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings = Settings(
        env="test", tracing=TracingSettings(enabled=True, endpoint=f"http://127.0.0.1:{port}")
    )
    with (
        recorded(settings, SystemClock(), "test") as export,
        opened_house(sqlite_address, tmp_path) as house,
    ):
        assert house.driver().get("/v1/wallet").status_code == 200
    assert export is not None
    counts = export.counts
    assert (counts.sent, counts.waiting) == (0, 0)
    assert counts.dropped >= 4
    assert "spans were dropped" in caplog.text


def test_a_slow_collector_keeps_nobody_waiting_and_the_queue_has_an_end(
    sqlite_address: str, tmp_path: Path
) -> None:
    with collecting(queue_spans=16) as (receiver, end), opened_house(sqlite_address, tmp_path) as house:
        receiver.waits_s = 30.0
        driver = house.driver()
        began = time.monotonic()
        assert all(driver.get("/v1/wallet").status_code == 200 for _ in range(20))
        answered_s = time.monotonic() - began
        began = time.monotonic()
        end()
        assert answered_s < 10
        assert time.monotonic() - began < FLUSH_S + 2
    assert receiver.spans == []


def test_what_has_no_room_is_dropped_and_counted() -> None:
    going, free = threading.Event(), threading.Event()

    def send(_bunches: Sequence[list[bytes]]) -> int:
        going.set()
        free.wait(10)
        return 0

    export = Export(plain, send, room=10, pause_s=0.01)
    spans = some_spans(31)
    export.take(next(spans))
    assert going.wait(5)
    for one in spans:
        export.take(one)
    free.set()
    export.close()
    assert export.counts == Counts(sent=11, dropped=20, waiting=0)


def test_enough_spans_are_sent_before_the_pause_is_over() -> None:
    sent: list[int] = []
    gone = threading.Event()

    def send(bunches: Sequence[list[bytes]]) -> int:
        sent.append(len(bunches))
        gone.set()
        return 0

    export = Export(plain, send, room=10, pause_s=600)
    one, two, three, four, five, six = some_spans(6)
    for bunch in (one, two, three, four):
        export.take(bunch)
    assert export.counts == Counts(sent=0, dropped=0, waiting=4)
    export.take(five)
    assert gone.wait(10)
    export.take(six)
    export.wait()
    assert sent == [5, 1]
    export.close()
    assert export.counts == Counts(sent=6, dropped=0, waiting=0)


def test_statements_by_the_hundred_and_those_after_the_end_of_a_span_are_sent_once_each() -> None:
    taken: list[tracing.Bunch] = []
    tracing.turn_on(taken.append)
    try:
        with tracing.serving(scope_of("/x"), TRACE, None) as root, tracing.job("read a country") as work:
            work.did(1)
            for number in range(150):
                tracing.current().ran(f"SELECT {number} FROM t", "sqlite", 1)  # type: ignore[union-attr]
        assert [tracing.size_of(one) for one in taken] == [64, 64, 23, 1]
        root.ran("SELECT late FROM t", "sqlite", 1)  # type: ignore[union-attr]
    finally:
        tracing.turn_off()
    receiver = Receiver(0)
    receiver.take(enveloped([encoded(one, 0) for one in taken], {}))
    texts = [one.attributes["db.query.text"] for one in receiver.spans if one.kind == CLIENT]
    assert texts == [f"SELECT {number} FROM t" for number in range(150)] + ["SELECT late FROM t"]
    assert sorted(one.name for one in receiver.spans if one.kind != CLIENT) == ["GET", "job read a country"]


def test_a_span_that_cannot_be_encoded_is_dropped_and_fails_nobody() -> None:
    with collecting() as (receiver, end):
        for number in (2**64, 1):
            with tracing.serving(scope_of("/x"), TRACE, None) as root:
                root.set("number", number)
        end()
    assert [one.attributes["number"] for one in receiver.spans] == [1]


def test_what_the_collector_refuses_is_counted_too() -> None:
    with otlp_receiver() as receiver:
        receiver.rejects = 3
        settings = Settings(env="test", tracing=TracingSettings(enabled=True, endpoint=receiver.url))
        with recorded(settings, SystemClock(), "test") as export:
            assert export is not None
            for one in some_spans(5):
                export.take(one)
        assert export.counts == Counts(sent=2, dropped=3, waiting=0)


def test_the_end_of_a_process_sends_what_is_left() -> None:
    with collecting() as (receiver, end):
        with tracing.serving(scope_of("/x"), TRACE, None):
            pass
        end()
        assert [one.name for one in receiver.spans] == ["GET"]


def test_headers_for_the_collector_are_sent_and_never_told(sqlite_address: str, tmp_path: Path) -> None:
    word = "hunter2-hunter2"
    with collecting(headers=SecretStr(f"X-Api-Key={word},a=b%20c"), resource="team=rewards") as (
        receiver,
        end,
    ):
        with tracing.serving(scope_of("/x"), TRACE, None):
            pass
        end()
    assert (receiver.heads[0]["x-api-key"], receiver.heads[0]["a"]) == (word, "b c")
    assert receiver.resources[0]["team"] == "rewards"
    assert word not in REDACTOR.redacted(f"sent {word}")


def test_what_is_put_together_from_pieces_is_read_back_whole() -> None:
    taken: list[tracing.Bunch] = []
    root = tracing.Span(tracing.named("Ä" * 300, SERVER), trace_id=TRACE, parent_id=0, take=taken.append)
    root.set("count", 2**40)
    root.set("word", "ß" * 20_000)
    root.link(tracing.Origin("ab" * 16, 7, is_sampled=True))
    root.ran("SELECT 1 FROM t", "sqlite", root.began_ns, ValueError("hunter2"))
    root.failure = "Broken"
    root.end()
    receiver = Receiver(0)
    receiver.take(enveloped([encoded(one, 1_000) for one in taken], {"service.name": "x"}))
    leaf, read = receiver.spans
    assert (read.name, read.kind, read.trace, read.parent, read.error) == ("Ä" * 300, SERVER, TRACE, "", True)
    assert read.attributes == {"count": 2**40, "word": "ß" * 20_000, "error.type": "Broken"}
    assert read.links == [("ab" * 16, f"{7:016x}")]
    assert (read.began, read.ended) == (root.began_ns + 1_000, root.ended_ns + 1_000)
    assert (leaf.name, leaf.kind, leaf.parent, leaf.error) == ("SELECT t", CLIENT, read.id, True)
    assert leaf.attributes["error.type"] == "ValueError"
    assert int(leaf.id, 16) > 0


# Settings.


def test_the_names_that_the_world_knows_are_read_and_ours_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ENABLED", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318/")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "")
    monkeypatch.setenv("NERAVA_TRACING__SERVICE_NAME", "ours")
    found = Settings().tracing
    assert (found.enabled, found.service_name, found.sample_ratio) == (True, "ours", 0.25)
    assert found.address == "https://collector.example:4318/v1/traces"
    assert found.headers is None


def test_every_name_of_the_world_is_told_where_its_setting_is() -> None:
    told = {knob.name: knob.meaning for knob in knobs()}
    for variable, (group, name) in KNOWN_NAMES.items():
        assert f"`{variable}`" in told[f"NERAVA_{group}__{name}".upper()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "collector:4318"},
        {"headers": SecretStr("nonsense")},
        {"protocol": "grpc"},
        {"sample_ratio": 1.5},
        {"endpoint": "http://collector.example:4318", "headers": SecretStr("x-api-key=1")},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TracingSettings(**wrong)


# Off.

OFF: Final = """
import sys, fastapi, redis
by_libraries = {name for name in sys.modules if name.startswith("opentelemetry")}
from pathlib import Path
from starlette.testclient import TestClient
import nerava.commands.running
from nerava.app import create_app
from nerava.installation import open_installation
from nerava.settings import DatabaseSettings, Settings, TokenSettings
from nerava.telemetry import recorded
from nerava.kernel.clock import SystemClock
url, keys = sys.argv[1:]
settings = Settings(
    env="test", database=DatabaseSettings(url=url), tokens=TokenSettings(keys_directory=Path(keys))
)
with recorded(settings, SystemClock(), "test"):
    installation = open_installation(settings)
    client = TestClient(create_app(settings, installation))
    assert client.get("/v1/wallet").status_code == 401
    installation.close()
ours = {name for name in sys.modules if name.startswith("opentelemetry")} - by_libraries
parts = {name.split(".")[1] for name in sys.modules if name.startswith("opentelemetry.")}
print(sorted(ours), sorted(parts & {"exporter", "proto", "instrumentation"}), "google.protobuf" in sys.modules)
"""


def test_while_it_is_off_nothing_of_it_is_loaded_but_what_libraries_load_for_themselves(
    sqlite_address: str, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NERAVA_"))}
    command = [sys.executable, "-c", OFF, sqlite_address, str(tmp_path / "keys")]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, check=True)
    assert done.stdout == "[] [] False\n", done.stderr


def test_while_it_is_off_hooks_find_nothing_and_connections_are_plain(
    sqlite_address: str, tmp_path: Path
) -> None:
    with opened_house(sqlite_address, tmp_path) as house:
        assert tracing.serving(scope_of("/x"), TRACE, SENT["traceparent"]) is tracing.span("x") is NOTHING
        assert tracing.job("x") is tracing.resumed(SENT["traceparent"], "x") is NOTHING
        assert (tracing.stored(), tracing.onward(), tracing.current()) == (None, [], None)
        kind = house.installation.database.read(
            lambda session: type(session.connection().connection.cursor())
        )
        assert kind is sqlite3.Cursor


def test_the_framework_tells_nothing_by_itself(
    monkeypatch: pytest.MonkeyPatch, sqlite_address: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        with opened_house(sqlite_address, tmp_path) as house, house.client as client:
            assert client.get("/v1/wallet").status_code == 401
        assert receiver.paths == []


def scope_of(path: str) -> dict[str, Any]:
    """Return the least that a request is."""
    return {"type": "http", "method": "GET", "path": path, "scheme": "http"}


@pytest.fixture
def sqlite_address(database_url: DatabaseUrl) -> Iterator[str]:
    """Address of a fresh database, for what has nothing to do with which one."""
    with database_url("sqlite") as url:
        yield url


# The document.


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.chaos
def test_the_commands_of_the_document_show_a_trace(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (root / "docs" / "TRACING.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    ports = {"4318": str(free_port()), "8000": str(free_port())}
    begin, ask = (re.sub("4318|8000", lambda found: ports[found[0]], one) for one in blocks[:2])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NERAVA_"))},
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['4318']}",
        "NERAVA_SERVER__PORT": ports["8000"],
        "NERAVA_DATABASE__URL": f"sqlite:///{tmp_path}/x.sqlite3",
        "NERAVA_TOKENS__KEYS_DIRECTORY": str(tmp_path / "keys"),
    }
    with (tmp_path / "told").open("w+b") as told:
        shell = subprocess.Popen(
            ["/bin/bash", "-c", f"{begin}\nwait"],
            cwd=root,
            env=environment,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until(lambda: b"Nerava serves" in (tmp_path / "told").read_bytes(), 120)
            subprocess.run(
                ["/bin/bash", "-c", ask], cwd=root, env=environment, check=True, capture_output=True
            )
            shown = f"trace {TRACE}\n  GET /v1/attributions".encode()
            wait_until(lambda: shown in (tmp_path / "told").read_bytes(), 20)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)
            shell.wait(30)


def wait_until(holds: Callable[[], bool], patience_s: float) -> None:
    """Wait until something holds."""
    until = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
