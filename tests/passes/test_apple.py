"""Passes in the phones of Apple: added, told of changes, thrown away; traps L1 to L6, L8 and L9."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from sqlalchemy import update

from nerava.drivers.pass_store import WalletPass
from nerava.integrations.apple_wallet.api import AppleWallet
from nerava.outbox.publishing import give_positions
from nerava.passes.phones import PHONES_MAX
from nerava.passes.times import from_http_date
from nerava.passes.work import PassWork
from nerava.settings import MetricsSettings
from nerava.simulators.faults import Kind
from nerava.simulators.handle import Simulators
from nerava.simulators.wallets.phone import Phone
from tests.http.conftest import opened_house
from tests.http.shop import code_of, nova_of, open_shop
from tests.http.test_erasures import after, ask, rich
from tests.http.test_wallet import fill
from tests.passes.conftest import CLOCK, NOON, Town, apple_settings

pytestmark = pytest.mark.in_turn


def shown(phone: Phone) -> dict[str, Any]:
    """Return what the only pass of a phone shows, by label."""
    [told] = phone.passes.values()
    fields = told["storeCard"]
    every = [*fields.get("primaryFields", []), *fields.get("secondaryFields", [])]
    return {one["label"]: one["value"] for one in every}


def service(phone: Phone, path: str = "") -> str:
    """Return an address of our web service for a phone's only pass."""
    [told] = phone.passes.values()
    return f"/passes/apple/v1/{path}".format(kind=told["passTypeIdentifier"], serial=told["serialNumber"])


def test_a_pass_is_added_and_brought_up_to_date_by_an_empty_push(town: Town) -> None:
    driver = town.driver(120)
    town.go_round()
    phone = town.apple(driver, "ann")
    assert shown(phone) == {"Nova": 120, "Tier": "bronze"}
    town.later(minutes=2)
    town.go_round()
    assert town.world.apple.pushes() == []

    town.earn(driver, 30)
    town.go_round()
    [push] = town.world.apple.pushes()
    assert (push["token"], push["topic"]) == (phone.push_token, town.world.apple.pass_type)
    [call] = town.world.requests("apns")
    assert (call.body, call.status) == ("{}", 200)
    assert phone.refresh(town.ask) == list(phone.passes)
    assert shown(phone)["Nova"] == 150
    # Nothing is new now, whichever way the phone asks.
    assert phone.refresh(town.ask) == []
    assert phone.fetch(next(iter(phone.passes)), town.ask) == 304
    page = page_of(town.world, "/apns/phones/ann")
    assert "<dt>Nova</dt><dd>150</dd>" in page
    assert "There is no such phone" in page


def page_of(world: Simulators, path: str) -> str:
    """Return a page of the simulators."""
    with urlopen(world.base_url + path, timeout=10) as answer:  # noqa: S310 - this machine
        return str(answer.read().decode())


def test_it_is_one_pass_however_often_it_is_asked_for(town: Town) -> None:
    driver = town.driver(5)
    first, second = town.apple(driver, "ann"), town.apple(driver, "ann-at-home")
    assert list(first.passes) == list(second.passes)
    [token] = {one["authenticationToken"] for phone in (first, second) for one in phone.passes.values()}
    assert len(token) >= 16
    [mine] = driver.get("/v1/me/passes").json()["passes"]
    assert (mine["kind"], mine["phones"], mine["serial"]) == ("apple", 2, next(iter(first.passes)))
    kept = town.rows("SELECT token_hash, sealed FROM wallet_pass")
    assert not any(token.encode() in bytes(value) for row in kept for value in row)


@pytest.mark.trap("L1")
def test_hundreds_of_device_ids_are_one_phone_or_the_newest_ten(town: Town) -> None:
    phone = town.apple(town.driver(5), "ann")
    serial = next(iter(phone.passes))
    assert phone.register(serial, town.ask) == 200
    # The same phone under new names: its address stays the same, and takes the place of the old one.
    for number in range(12):
        phone.device = f"{number:032x}"
        assert phone.register(serial, town.ask) == 201
    assert town.rows("SELECT device FROM wallet_pass_device") == [(phone.device,)]
    # Others with addresses of their own: at most ten, and no more than thirty in an hour.
    answers = []
    for number in range(40):
        town.later(seconds=1)
        phone.device, phone.push_token = f"{number:032x}", f"{number:064x}"
        answers.append(phone.register(serial, town.ask))
    assert answers == [201] * 17 + [429] * 23
    kept = [row[0] for row in town.rows("SELECT device FROM wallet_pass_device ORDER BY since")]
    assert len(kept) == PHONES_MAX
    assert kept[-1] == f"{16:032x}"


@pytest.mark.trap("L2")
def test_a_number_of_a_change_that_is_none_stands_for_all(town: Town) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    town.earn(driver, 5)
    town.later(minutes=2)
    town.go_round()
    path = service(phone, f"devices/{phone.device}/registrations/{{kind}}")
    told = town.house.client.get(path).json()
    assert told["serialNumbers"] == list(phone.passes)
    for since in ("", "yesterday", "-1", "9" * 18, "9" * 40, "²"):
        answer = town.house.client.get(path, params={"passesUpdatedSince": since})
        assert (answer.status_code, answer.json()) == (200, told), since
    after = town.house.client.get(path, params={"passesUpdatedSince": told["lastUpdated"]})
    assert after.status_code == 204
    assert town.house.client.get(path.replace("pass.example", "pass.other")).status_code == 204
    assert town.house.client.get(service(phone, "devices/nobody/registrations/{kind}")).status_code == 204


@pytest.mark.trap("L3")
def test_the_number_of_the_last_change_never_goes_back_with_two_servers(town: Town) -> None:
    drivers = [town.driver(5), town.driver(5)]
    phones = [town.apple(one, name) for one, name in zip(drivers, ("ann", "bob"), strict=True)]
    numbers, instants = [], []
    # The second of three changes is made by a server whose clock is ten minutes behind.
    for minutes in (2, -10, 4):
        for driver in drivers:
            town.earn(driver, 1)
        _look_by_a_clock(town, NOON + timedelta(minutes=minutes))
        for phone in phones:
            assert phone.refresh(town.ask) == list(phone.passes)
            numbers.append(int(phone.last or 0))
        instants.append(from_http_date(next(iter(phones[0].modified.values()))))
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 3
    assert instants == sorted(set(instants))
    assert [shown(phone)["Nova"] for phone in phones] == [8, 8]


def _look_by_a_clock(town: Town, now: datetime) -> None:
    database = town.house.installation.database
    database.run(lambda session: session.execute(update(WalletPass).values(next_at=now)))
    town.work.tell(now)


@pytest.mark.trap("L4")
def test_a_wrong_token_and_an_unknown_number_are_the_same(town: Town) -> None:
    phone = town.apple(town.driver(5), "ann")
    [told] = phone.passes.values()
    token = told["authenticationToken"]
    right = {"Authorization": f"ApplePass {token}"}
    known, unknown = service(phone, "passes/{kind}/{serial}"), service(phone, "passes/{kind}/nobodys")
    other_kind = known.replace("pass.example", "pass.other")
    refused = [
        town.house.client.get(known, headers={"Authorization": f"ApplePass {token}x"}),
        town.house.client.get(known, headers={"Authorization": f"Bearer {token}"}),
        town.house.client.get(known, headers={"Authorization": "ApplePass"}),
        town.house.client.get(known),
        town.house.client.get(unknown, headers=right),
        town.house.client.get(other_kind, headers=right),
    ]
    assert {(one.status_code, one.json()["code"], one.json()["detail"]) for one in refused} == {
        (401, "pass-token-wrong", refused[0].json()["detail"])
    }
    wrong = {"Authorization": "ApplePass wrong"}
    registration = service(phone, f"devices/{phone.device}/registrations/{{kind}}/{{serial}}")
    body = json.dumps({"pushToken": "ab" * 32})
    assert town.house.client.post(registration, headers=wrong, content=body).status_code == 401
    assert town.house.client.delete(registration, headers=wrong).status_code == 401
    assert town.house.client.get(known, headers=right).status_code == 200
    assert town.rows("SELECT count(*) FROM wallet_pass_device") == [(1,)]


@pytest.mark.trap("L5")
def test_what_moves_twenty_times_a_minute_is_pushed_once_a_minute(town: Town) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    town.later(minutes=5)
    for _ in range(40):
        town.earn(driver, 1)
        town.go_round(1)
        town.later(seconds=3)
    town.go_round(1)
    pushed = town.world.apple.pushes(phone)
    assert len(pushed) == 3
    assert phone.refresh(town.ask)
    assert shown(phone)["Nova"] == 45


@pytest.mark.trap("L6")
def test_an_address_that_is_gone_is_forgotten_and_the_other_phones_are_told(town: Town) -> None:
    driver = town.driver(5)
    for name in ("old", "new", "broken"):
        town.apple(driver, name)
    town.world.apple.wipe("old")
    new, broken = town.world.apple.phone("new"), town.world.apple.phone("broken")
    town.world.faults.add(Kind.STATUS, path=f"*{broken.push_token}", status=503, times=1)
    town.later(minutes=2)
    town.earn(driver, 1)
    town.go_round(1)
    assert len(town.world.apple.pushes(new)) == 1
    assert town.world.apple.pushes(broken) == []
    devices = {row[0] for row in town.rows("SELECT push_token FROM wallet_pass_device")}
    assert devices == {new.push_token, broken.push_token}
    assert town.rows("SELECT trouble FROM wallet_pass") == [("ServiceUnavailable",)]
    town.later(minutes=1)
    town.go_round(1)
    assert len(town.world.apple.pushes(broken)) == 1
    assert town.rows("SELECT trouble FROM wallet_pass") == [(None,)]


@pytest.mark.trap("L9")
def test_the_code_on_a_pass_pays_nothing_and_a_real_one_is_good_once(town: Town) -> None:
    driver, shop = town.driver(500), open_shop(town.house)
    phone = town.apple(driver, "ann")
    [told] = phone.passes.values()
    [code] = told["barcodes"]
    assert code["message"] == f"nerava:pass:{told['serialNumber']}"
    # A screenshot of the pass at two registers: no code, and nothing moves.
    for text in (code["message"], told["serialNumber"]):
        assert shop.capture(text).status_code in {404, 422}
    # A screenshot of a real code at two registers: the hold behind it is captured by one of them.
    real = code_of(driver, shop.offer())
    answers = [shop.capture(real), shop.capture(real, register_id=shop.register())]
    assert [one.status_code for one in answers] == [200, 409]
    assert answers[1].json()["code"] == "code-already-used"
    assert nova_of(town.house, driver) == (200, 200)
    assert town.house.findings() == []


def test_a_phone_that_throws_the_pass_away_is_told_no_more(town: Town) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    assert phone.drop(next(iter(phone.passes)), town.ask) == 200
    town.later(minutes=2)
    town.earn(driver, 1)
    town.go_round()
    assert town.world.apple.pushes() == []
    assert town.rows("SELECT count(*) FROM wallet_pass_device") == [(0,)]


def test_passes_of_somebody_who_is_erased_say_that_they_are_over_and_then_nothing_is_left(town: Town) -> None:
    driver = town.driver(70)
    phone = town.apple(driver, "ann")
    town.later(minutes=2)
    town.erase(driver)
    assert town.rows("SELECT sealed FROM wallet_pass") == [(None,)]
    town.go_round()
    assert len(town.world.apple.pushes(phone)) == 1
    serial = next(iter(phone.passes))
    # The address is gone with the push; the phone still has what it proves itself with, for a week.
    assert town.rows("SELECT count(*) FROM wallet_pass_device") == [(0,)]
    assert phone.fetch(serial, town.ask) == 200
    assert phone.passes[serial]["voided"] is True
    assert shown(phone) == {}
    assert "barcodes" not in phone.passes[serial]
    assert phone.register(serial, town.ask) == 200
    assert town.rows("SELECT count(*) FROM wallet_pass_device") == [(0,)]
    town.later(days=8)
    town.go_round()
    assert town.rows("SELECT count(*) FROM wallet_pass") == [(0,)]
    assert phone.fetch(serial, town.ask) == 401


def test_an_erasure_ends_passes_and_leaves_nothing_that_could_make_them(town: Town) -> None:
    ann = rich(town.house, 70)
    town.apple(ann, "ann")
    assert ask(ann, gives_up_points=True).status_code == 202
    after(town.house, timedelta(days=40))
    assert town.rows("SELECT state, sealed FROM wallet_pass") == [("voided", None)]
    town.later(days=41)
    town.go_round()
    assert len(town.world.apple.pushes()) == 1
    assert town.rows("SELECT count(*) FROM wallet_pass_device") == [(0,)]


def test_who_ends_a_pass_gets_another_one(town: Town) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    [before] = phone.passes
    answer = town.house.client.delete("/v1/me/passes/apple", headers=driver.headers())
    assert answer.status_code == 204
    assert driver.get("/v1/me/passes").json()["passes"] == []
    again = town.apple(driver, "bob")
    assert list(again.passes) != [before]


def test_a_worker_that_is_killed_while_pushing_pushes_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = town.driver(5)
    town.apple(driver, "ann")
    town.later(minutes=2)
    town.earn(driver, 1)

    def dies(_self: object, _push_token: str) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(AppleWallet, "push", dies)
        with pytest.raises(KeyboardInterrupt):
            town.go_round()
    town.go_round()
    assert town.world.apple.pushes() == []
    town.later(minutes=4)
    town.go_round()
    assert len(town.world.apple.pushes()) == 1
    town.later(minutes=4)
    town.go_round()
    assert len(town.world.apple.pushes()) == 1


def test_what_no_event_tells_of_is_found_within_a_day(town: Town) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    town.later(minutes=2)
    town.go_round()
    fill(town.house, driver.tenant_id, 30)
    town.later(hours=1)
    town.go_round()
    assert town.world.apple.pushes() == []
    town.later(days=1)
    town.go_round()
    assert len(town.world.apple.pushes(phone)) == 1


def test_a_change_that_comes_while_phones_are_told_is_told_as_well(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = town.driver(5)
    phone = town.apple(driver, "ann")
    town.later(minutes=2)
    town.earn(driver, 1)
    push = AppleWallet.push

    def meanwhile(self: AppleWallet, push_token: str) -> Any:
        town.earn(driver, 1)
        town.house.installation.database.run(give_positions)
        town.work.read(CLOCK.now())
        return push(self, push_token)

    with monkeypatch.context() as patched:
        patched.setattr(AppleWallet, "push", meanwhile)
        town.go_round(1)
    town.later(minutes=1)
    town.go_round()
    assert len(town.world.apple.pushes(phone)) == 2
    phone.refresh(town.ask)
    assert shown(phone)["Nova"] == 7


def test_complaints_of_phones_are_counted_and_their_words_are_not_kept(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    logs = {"logs": ["[2026-11-02] somebody's name"] * 3}
    assert town.house.client.post("/passes/apple/v1/log", json=logs).status_code == 200
    assert town.house.client.post("/passes/apple/v1/log", json=[]).status_code == 200
    assert "complained about a pass, 3 times" in caplog.text
    assert "somebody" not in caplog.text
    huge = town.house.client.post("/passes/apple/v1/log", content=b"[" + b"0," * 9_000 + b"0]")
    assert huge.status_code == 413


def test_a_push_token_that_is_none_is_refused(town: Town) -> None:
    phone = town.apple(town.driver(5), "ann")
    path = service(phone, f"devices/{phone.device}/registrations/{{kind}}/{{serial}}")
    [told] = phone.passes.values()
    headers = {"Authorization": f"ApplePass {told['authenticationToken']}"}
    for body in (b"{}", b"[]", b'{"pushToken": 1}', b'{"pushToken": "../../etc"}', b"{"):
        answer = town.house.client.post(path, headers=headers, content=body)
        assert answer.status_code == 422, body


@pytest.mark.trap("L8")
def test_passes_are_served_when_the_certificate_has_ended_and_its_end_is_told(
    url: str, world: Simulators, tmp_path: Path
) -> None:
    ended = NOON - timedelta(days=1)
    metrics = MetricsSettings(enabled=True)
    given = {"apple_wallet": apple_settings(world, ended), "metrics": metrics}
    with opened_house(url, tmp_path, CLOCK, **given) as house:
        town = Town(house, world, PassWork(house.installation.passes))
        phone = town.apple(town.driver(5), "ann")
        assert phone.fetch(next(iter(phone.passes)), town.ask) == 200
        assert shown(phone)["Nova"] == 5
        told = house.client.get("/metrics").text
        [line] = [one for one in told.splitlines() if one.startswith("nerava_certificate_ends_timestamp")]
        assert line.startswith('nerava_certificate_ends_timestamp_seconds{certificate="apple_wallet"')
        assert int(float(line.split()[-1])) == int(ended.timestamp())


def test_where_passes_are_off_nobody_gets_one_and_old_ones_end(
    url: str, world: Simulators, tmp_path: Path
) -> None:
    with opened_house(url, tmp_path, CLOCK) as house:
        driver = house.driver()
        assert driver.get("/v1/me/passes").json() == {"offered": [], "passes": []}
        for kind in ("apple", "google"):
            answer = driver.post(f"/v1/me/passes/{kind}")
            assert (answer.status_code, answer.json()["code"]) == (503, "passes-off")
        base = "/passes/apple/v1"
        body = json.dumps({"pushToken": "ab" * 32})
        asked = [
            house.client.get(f"{base}/passes/pass.a/1"),
            house.client.get(f"{base}/devices/d/registrations/pass.a"),
            house.client.post(f"{base}/devices/d/registrations/pass.a/1", content=body),
            house.client.delete(f"{base}/devices/d/registrations/pass.a/1"),
        ]
        assert {(one.status_code, one.json()["code"]) for one in asked} == {(503, "passes-off")}
        made = replace(house.installation.passes, apple=_Nothing())
        made.apple_pass(driver.tenant_id, CLOCK.now())
        town = Town(house, world, PassWork(house.installation.passes))
        town.erase(driver)
        town.go_round()
        town.later(days=8)
        town.go_round()
        assert town.rows("SELECT count(*) FROM wallet_pass") == [(0,)]


class _Nothing:
    """Somebody who made passes before they were switched off."""

    pass_type = "pass.a"  # noqa: S105 - the name of a kind of pass
    expires_at = NOON

    def build(self, content: object, details: object) -> bytes:
        return b""

    def push(self, push_token: str) -> Any:
        raise AssertionError

    def close(self) -> None:
        """Close nothing."""
