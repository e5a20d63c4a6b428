"""`/metrics`: who may see it, what it tells, and that nothing anybody sends makes it grow."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from nerava.app import create_app
from nerava.commands.running import telling
from nerava.identity.roles import Role
from nerava.installation import background_of, open_installation
from nerava.kernel.ids import new_id
from nerava.ledger import Status
from nerava.ledger.findings import Finding
from nerava.ledger.gauges import CHAIN_BREAKS
from nerava.ledger.switches import turn_on
from nerava.ledger.templates.promo_funding import promo_funding
from nerava.ledger.watching import note
from nerava.measuring import observer_of
from nerava.payouts.states import OPEN
from nerava.platform.metrics.catalogue import REWARDS, Kind, Of, as_table, every_metric
from nerava.platform.metrics.meter import Meter
from nerava.platform.metrics.tally import tally
from nerava.platform.outbound import Attempt, CacheLayer, Ending
from nerava.platform.problem import Overloaded
from nerava.platform.servers import free_port
from nerava.settings import DatabaseSettings, MetricsSettings, Settings, TokenSettings, WorkerSettings
from tests.helpers.databases import fresh_databases
from tests.http.conftest import House, opened_house
from tests.http.flows import campaign, partner_session, payee, sponsor, work_off
from tests.http.shop import CAPTURE, code_of, open_shop, rich_driver
from tests.http.test_serving import until

CALLS = "nerava_provider_calls_total"
TOKEN = "a token of the operator's own"  # noqa: S105 - the example
PAGE = Path(__file__).parents[1] / "docs" / "METRICS.md"
VERIFY = Path(__file__).parents[1] / "src" / "nerava" / "ledger" / "verify.py"

ENVIRONMENTS = ("production", "staging", "development", "test")
HEADERS: Mapping[str, Mapping[str, str]] = {
    "nothing": {},
    "wrong": {"Authorization": "Bearer a token of the operator's 0wn"},
    "shorter": {"Authorization": f"Bearer {TOKEN[:-1]}"},
    "longer": {"Authorization": f"Bearer {TOKEN}n"},
    "empty": {"Authorization": "Bearer "},
    "other scheme": {"Authorization": f"Basic {TOKEN}"},
    "right": {"Authorization": f"Bearer {TOKEN}"},
}


def expected(environment: str, enabled: bool | None, token: str | None, sent: str) -> int:
    """Say what the matrix of product.md's tenth section says."""
    is_on = environment in {"production", "staging"} if enabled is None else enabled
    if not is_on:
        return 404
    return 200 if token is None or sent == "right" else 401


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database and a folder that many installations take turns with."""
    folder = tmp_path_factory.mktemp("place")
    with fresh_databases(request, folder)("sqlite") as url:
        yield url, folder / "keys"


def settings_at(place: tuple[str, Path], environment: str, **metrics: Any) -> Settings:
    url, folder = place
    return Settings(
        env=environment,
        database=DatabaseSettings(url=url),
        tokens=TokenSettings(keys_directory=folder),
        worker=WorkerSettings(in_web_process=False),
        metrics=MetricsSettings(**metrics),
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("enabled", [None, True, False])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_each_cell_of_the_matrix_answers_what_it_should(
    place: tuple[str, Path], environment: str, enabled: bool | None, token: str | None
) -> None:
    installation = open_installation(settings_at(place, environment, enabled=enabled, token=token))
    client = TestClient(create_app(installation.settings, installation))
    try:
        for sent, headers in HEADERS.items():
            answer = client.get("/metrics", headers=headers)
            assert answer.status_code == expected(environment, enabled, token, sent), sent
            nothing = client.get("/no-such-page", headers=headers)
            if answer.status_code == 404:
                kept = {"trace_id": "", "request_id": ""}
                assert answer.json() | kept == nothing.json() | kept
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.json()["code"] == "operator-token-wrong"
            assert TOKEN not in answer.text
    finally:
        installation.close()


def test_where_nothing_is_measured_the_client_is_not_even_loaded(place: tuple[str, Path]) -> None:
    url, folder = place
    code = f"""
import sys
from pathlib import Path
from starlette.testclient import TestClient
from nerava.app import create_app
from nerava.settings import DatabaseSettings, Settings, TokenSettings
app = create_app(Settings(env="test", database=DatabaseSettings(url={url!r}),
                          tokens=TokenSettings(keys_directory=Path({str(folder)!r}))))
assert TestClient(app).get("/metrics").status_code == 404
assert [one.cls.__name__ for one in app.user_middleware] == ["Edge"]
assert "prometheus_client" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# What it tells.


Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""Every number that was told, by the name of its series and its labels."""


@pytest.fixture
def measured(url: str, tmp_path: Path) -> Iterator[House]:
    """A house that measures, on both databases."""
    with opened_house(url, tmp_path, metrics=MetricsSettings(enabled=True)) as house:
        yield house


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts are read at every scrape."""
    monkeypatch.setattr("nerava.web.facts.KEPT_S", 0.0)
    monkeypatch.setattr("nerava.web.facts.SHARE_OF_TIME", 0)


def scraped(house: House) -> Series:
    answer = house.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def parsed(told: str) -> Series:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


class Reader:
    """Looks at the numbers of a house, and at what became of them since the first look."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.before = self.now = scraped(house)

    def look(self) -> Reader:
        self.now = scraped(self.house)
        return self

    def value(self, name: str, **labels: str) -> float:
        return self.now[name, tuple(sorted(labels.items()))]

    def grown(self, name: str, **labels: str) -> float:
        return self.value(name, **labels) - self.before.get((name, tuple(sorted(labels.items()))), 0.0)


@pytest.mark.usefixtures("fresh")
def test_a_redemption_is_seen_in_every_number_that_it_concerns(measured: House) -> None:
    shop, driver = open_shop(measured), rich_driver(measured, 1_000)
    reader = Reader(measured)
    code = code_of(driver, shop.offer(price_nova=300))
    assert reader.look().value("nerava_queue_waiting", queue="codes shown") == 1

    assert shop.capture(code).status_code == 200
    assert shop.capture(code).status_code == 409

    reader.look()
    assert reader.value("nerava_queue_waiting", queue="codes shown") == 0
    assert reader.grown("nerava_redemptions_total", state="captured") == 1
    assert reader.grown("nerava_events_total", type="redemption.captured") == 1
    served = {"method": "POST", "route": CAPTURE}
    assert reader.grown("nerava_http_requests_total", **served, status="200") == 1
    assert reader.grown("nerava_http_requests_total", **served, status="409") == 1
    assert reader.grown("nerava_http_request_duration_seconds_count", **served) == 2
    assert reader.grown("nerava_http_refusals_total", code="code-already-used") == 1
    assert reader.value("nerava_reserve_cover_ratio") == 1
    assert reader.value("nerava_nova_in_circulation") == reader.value("nerava_reserve_minor") == 1_000
    assert reader.value("nerava_nova_issued_total") - reader.value("nerava_nova_burnt_total") == 1_000
    assert reader.value("nerava_sign_in_sessions_open") >= 5
    assert reader.value("nerava_facts_up") == 1


@pytest.mark.usefixtures("fresh")
def test_a_session_and_its_reward_are_counted_once_they_are_committed(measured: House) -> None:
    campaign(sponsor(measured, 1_000), 1_000)
    partner, reader = measured.caller(Role.PARTNER), Reader(measured)
    assert partner.post("/v1/partner/sessions", partner_session()).status_code == 201
    work_off(measured, everything=True)
    reader.look()
    assert reader.grown("nerava_charging_sessions_total", state="verified") == 1
    assert reader.grown("nerava_rewards_total", state="held") == 1
    assert reader.value("nerava_queue_waiting", queue="provisional rewards") == 1
    assert reader.value("nerava_rewards_total", state="granted") == 0

    assert partner.post("/v1/partner/cdrs", partner_session()).status_code == 201
    work_off(measured, everything=True)
    reader.look()
    assert reader.grown("nerava_rewards_total", state="granted") == 1
    assert reader.grown("nerava_job_runs_total", job="evaluate closed sessions", outcome="done") >= 1
    assert reader.value("nerava_outbox_unordered_events") == 0


@pytest.mark.usefixtures("fresh")
def test_a_payout_is_shown_under_way_by_its_state_and_age(measured: House) -> None:
    driver, method = payee(measured)
    reader = Reader(measured)
    body = {"amount_minor": 2_000, "method_id": method, "fee_minor": 25}
    assert driver.post("/v1/payouts", body, key="one").status_code == 202
    reader.look()
    open_now = {state: reader.value("nerava_payouts_open", state=state.value) for state in OPEN}
    assert sum(open_now.values()) == 1
    assert reader.grown("nerava_payouts_total", state="requested") == 1
    assert reader.value("nerava_payout_cases_open", kind="stuck") == 0


@pytest.mark.usefixtures("fresh")
def test_a_batch_of_the_ledger_is_counted_with_its_size_and_its_lane(measured: House) -> None:
    sponsor_id = measured.books.sponsor(5_000)
    reader = Reader(measured)
    chain = promo_funding(funding_id=new_id(), sponsor_id=sponsor_id, amount=100)
    assert measured.installation.ledger.submit(chain).status is Status.POSTED
    reader.look()
    assert reader.grown("nerava_ledger_batches_total", lane="main", outcome="posted") == 1
    assert reader.grown("nerava_ledger_batch_chains_sum", lane="main") == 1
    assert reader.grown("nerava_ledger_batch_duration_seconds_count", lane="main") == 1
    assert reader.value("nerava_ledger_queue_chains", lane="main") == 0
    assert reader.value("nerava_ledger_unsealed_batches") >= 1
    assert reader.value("nerava_ledger_unsealed_age_seconds") > 0
    measured.installation.ledger.seal()
    assert reader.look().value("nerava_ledger_unsealed_batches") == 0


@pytest.mark.usefixtures("fresh")
def test_a_broken_invariant_is_told_by_its_name_until_it_is_over(measured: House) -> None:
    database, now = measured.installation.database, measured.installation.clock.now()
    reader = Reader(measured)
    assert {value for (name, _), value in reader.now.items() if name == "nerava_audit_breaks"} == {0.0}

    found = [Finding("points-are-backed", f"nova {n}", "example") for n in range(2)]
    database.run(lambda session: note(session, found, now, looked_at=["points-are-backed"]))
    assert reader.look().value("nerava_audit_breaks", check="points-are-backed") == 2

    database.run(lambda session: note(session, [], now, looked_at=["points-are-backed"]))
    assert reader.look().value("nerava_audit_breaks", check="points-are-backed") == 0


def test_every_break_that_verification_may_find_begins_with_zero() -> None:
    named = set(re.findall(r'"([a-z]+-[a-z]+)"', VERIFY.read_text("utf-8")))
    assert set(CHAIN_BREAKS) == named


@pytest.mark.usefixtures("fresh")
def test_a_kill_switch_is_told_and_that_of_one_merchant_without_its_id(measured: House) -> None:
    database, now = measured.installation.database, measured.installation.clock.now()
    reader = Reader(measured)
    for name in ("redeem", f"merchant:{new_id()}", f"merchant:{new_id()}"):
        database.run(lambda session, name=name: turn_on(session, name, by="test", reason="example", now=now))
    reader.look()
    assert reader.value("nerava_kill_switches_on", switch="redeem") == 1
    assert reader.value("nerava_kill_switches_on", switch="merchant") == 2
    assert reader.value("nerava_kill_switches_on", switch="payout") == 0


def test_what_was_rolled_back_is_not_counted(measured: House) -> None:
    reader = Reader(measured)

    def breaks_off(session: Session) -> None:
        tally(session, REWARDS, "granted")
        raise Overloaded

    with pytest.raises(Overloaded):
        measured.installation.database.run(breaks_off)
    measured.installation.database.run(lambda session: tally(session, REWARDS, "held"))
    reader.look()
    assert reader.grown("nerava_rewards_total", state="granted") == 0
    assert reader.grown("nerava_rewards_total", state="held") == 1


def test_codes_and_messages_are_counted(measured: House) -> None:
    reader = Reader(measured)
    asked = measured.client.post("/v1/auth/codes", json={"channel": "email", "to": "ann@example.org"}).json()
    guess = {"client_token": asked["client_token"], "code": "000000"}
    guessed = measured.client.post(f"/v1/auth/codes/{asked['challenge_id']}/verify", json=guess)
    assert guessed.json()["code"] == "code-wrong"
    work_off(measured, everything=True)
    reader.look()
    assert reader.grown("nerava_sign_in_codes_total", outcome="asked") == 1
    assert reader.grown("nerava_sign_in_codes_total", outcome="wrong") == 1
    assert reader.grown("nerava_messages_total", channel="email", state="sent") == 1


# What reading it costs, and what happens when it cannot be read.


def test_facts_take_a_bounded_number_of_statements_and_none_a_moment_later(measured: House) -> None:
    statements: list[str] = []
    engine = measured.installation.database._readers  # noqa: SLF001 - what is counted are its statements
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    scraped(measured)
    first = len(statements)
    assert 20 < first < 70
    scraped(measured)
    assert len(statements) == first


@pytest.mark.usefixtures("fresh")
def test_a_database_that_does_not_answer_takes_its_facts_away_and_nothing_else(measured: House) -> None:
    reader = Reader(measured)
    assert reader.value("nerava_facts_up") == 1
    measured.installation.database.run(lambda session: session.execute(text("DROP TABLE alarm_look")))
    reader.look()
    assert reader.value("nerava_facts_up") == 0
    assert reader.value("nerava_http_requests_total", method="GET", route="/metrics", status="200") >= 1
    assert not any(name in {"nerava_audit_breaks", "nerava_reserve_minor"} for name, _ in reader.now)


def test_ten_thousand_ids_and_addresses_add_no_more_than_a_handful_of_series(
    place: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerava.web.facts.KEPT_S", 600.0)
    installation = open_installation(settings_at(place, "test", enabled=True))
    app = create_app(installation.settings, installation)
    house = House(installation, app, TestClient(app), None)  # type: ignore[arg-type]
    try:
        scraped(house)
        before = scraped(house)
        asyncio.run(ask_for_everything(app, 10_000))
        added = {series for series in scraped(house) if series not in before}
    finally:
        installation.close()
    assert len(added) <= 50
    routes = {dict(labels).get("route") for _, labels in added}
    assert {"unmatched", "/v1/sessions/{session_id}"} <= routes
    told = {value for _, labels in added for _, value in labels}
    assert not any(re.search(r"[0-9a-f]{8}-|\d{5}", value) for value in told)


async def ask_for_everything(app: FastAPI, times: int) -> None:
    """Send requests whose paths, ids, methods, queries and agents are all new."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        return

    for number in range(times):
        path = f"/v1/sessions/{new_id()}" if number % 2 else f"/{new_id()}/{number}"
        scope = {
            "type": "http",
            "method": f"M{number}" if number % 4 == 0 else "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": f"q={number}".encode(),
            "headers": [(b"user-agent", str(number).encode()), (b"host", f"h{number}".encode())],
            "client": ("127.0.0.1", number % 65_536),
            "server": ("127.0.0.1", 80),
            "scheme": "http",
            "http_version": "1.1",
        }
        await app(scope, receive, send)


# What is told is what the page says.


def test_the_page_lists_every_metric_and_nothing_else() -> None:
    page = PAGE.read_text("utf-8")
    for of in Of:
        assert f"<!-- {of.value} -->\n{as_table(of)}\n<!-- end -->" in page
    names = [one.name for one in every_metric()]
    assert len(names) == len(set(names))
    assert all((one.kind is Kind.COUNTER) == one.name.endswith("_total") for one in every_metric())


def test_everything_that_is_told_stands_on_the_page_with_its_labels(measured: House) -> None:
    work_off(measured, everything=True)
    known = {one.name: one for one in every_metric()}
    for family in text_string_to_metric_families(measured.client.get("/metrics").text):
        if family.name.startswith("process_"):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert family.type == known[name].kind.value
        assert family.documentation == known[name].meaning
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(known[name].labels), sample


def test_a_new_prometheus_gets_its_own_format(measured: House) -> None:
    answer = measured.client.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert answer.headers["cache-control"] == "no-store"


# The other process, and other machines.


def test_a_worker_tells_its_own_on_a_port_of_its_own(place: tuple[str, Path]) -> None:
    settings = settings_at(place, "test", enabled=True, token=TOKEN, work_port=0)
    installation = open_installation(settings)
    try:
        with telling(installation) as port:
            background_of(installation).round()
            assert fetched(port, "/healthz") == (200, "ok")
            assert fetched(port, "/metrics")[0] == 401
            assert fetched(port, "/metrics", Authorization=f"Bearer {TOKEN[:-1]}")[0] == 401
            assert fetched(port, "/other", Authorization=f"Bearer {TOKEN}")[0] == 404
            status, told = fetched(port, "/metrics", Authorization=f"Bearer {TOKEN}")
            taken = settings.metrics.model_copy(update={"work_port": port})
            second = replace(installation, settings=settings.model_copy(update={"metrics": taken}))
            with telling(second) as nobody:
                assert nobody is None
    finally:
        installation.close()
    assert status == 200
    numbers = parsed(told)
    assert numbers["nerava_job_runs_total", (("job", "order events"), ("outcome", "idle"))] >= 1
    assert ("nerava_ready", ()) not in numbers
    assert {dict(labels)["process"] for name, labels in numbers if name == "nerava_build_info"} == {"work"}


def fetched(port: int, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - of this machine
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("told", ["true", "false"])
def test_the_names_that_the_world_has_for_these_settings_are_read(
    monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("METRICS_ENABLED", told)
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    settings = Settings(env="production")
    assert settings.measures is (told == "true")
    assert settings.metrics.token is not None
    assert settings.metrics.token.get_secret_value() == TOKEN
    monkeypatch.setenv("NERAVA_METRICS__ENABLED", "true")
    assert Settings(env="test").measures


@pytest.mark.chaos
def test_four_processes_on_one_database_count_their_own_and_agree_on_the_facts(
    database_url: Callable[[str], AbstractContextManager[str]], tmp_path: Path
) -> None:
    """Two that serve and two that work: what they did adds up, what the database says is the same."""
    with database_url("postgresql") as url, ExitStack() as running:
        ports = [free_port() for _ in range(4)]
        for port, command in zip(ports, ("serve", "serve", "work", "work"), strict=True):
            running.enter_context(started(url, tmp_path, command, port))
        until(lambda: all(fetched(port, "/metrics")[0] == 200 for port in ports))
        asked = [3, 5]
        for port, times in zip(ports, asked, strict=False):
            for _ in range(times):
                assert fetched(port, "/version")[0] == 200
        told = [parsed(fetched(port, "/metrics")[1]) for port in ports]
    served = (("method", "GET"), ("route", "/version"), ("status", "200"))
    counted = [one.get(("nerava_http_requests_total", served), 0.0) for one in told]
    assert counted == [3, 5, 0, 0]
    done = (("job", "order events"), ("outcome", "idle"))
    assert [one.get(("nerava_job_runs_total", done), 0.0) > 0 for one in told] == [False, False, True, True]
    facts = [{name for name, _ in one if name.startswith("nerava_queue")} for one in told]
    assert all(facts)
    assert all(one == facts[0] for one in facts)
    assert {one["nerava_reserve_cover_ratio", ()] for one in told} == {1.0}


@contextmanager
def started(url: str, folder: Path, command: str, port: int) -> Iterator[None]:
    environment = {
        "NERAVA_ENV": "test",
        "NERAVA_DATABASE__URL": url,
        "NERAVA_TOKENS__KEYS_DIRECTORY": str(folder / "keys"),
        "NERAVA_SERVER__PORT": str(port),
        "NERAVA_METRICS__ENABLED": "true",
        "NERAVA_METRICS__WORK_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "nerava", command], env={**os.environ, **environment})
    try:
        yield
    finally:
        process.kill()
        process.wait()


def test_calls_to_other_machines_are_counted_by_what_became_of_them() -> None:
    meter = Meter()
    observe = observer_of(meter)
    for ending, code in ((Ending.OK, None), (Ending.LOST, "read-timeout"), (Ending.NOT_SENT, "circuit-open")):
        observe(Attempt("nlr", "nearest", 1, ending, None, code, "id-1", 250, CacheLayer.NONE))
    numbers = parsed(meter.exposition()[0].decode())
    calls = {dict(labels)["ending"]: value for (name, labels), value in numbers.items() if name == CALLS}
    assert calls == {"ok": 1, "lost": 1, "not_sent": 1}
    assert numbers["nerava_provider_call_duration_seconds_sum", (("provider", "nlr"),)] == 0.5
    held = (("code", "circuit-open"), ("provider", "nlr"))
    assert numbers["nerava_provider_held_back_total", held] == 1
