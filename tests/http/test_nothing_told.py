"""What people use to come in, and how they are reached, stands in no log, no problem and no table."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.http.flows import app_code
from tests.http.paying import opened_counter
from tests.http.rows import rows_of
from tests.http.test_signing_in import LINK, ask, ask_link, inbox_of, verify

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.http.conftest import House

PHONE = "+12025550187"
MAIL = "eve.canary@example.org"


def spellings(secret: str) -> set[str]:
    """Return a secret as it would stand in a log, an address, a column of bytes or a basic header."""
    plain = secret.encode()
    return {secret, quote(secret, safe=""), plain.hex(), base64.b64encode(plain).decode().rstrip("=")}


def told_by(
    house: House,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    problems: list[str],
) -> dict[str, str]:
    """Return everything that was logged, printed, refused and stored, by where."""
    out, err = capfd.readouterr()
    return {
        "log": "\n".join([caplog.text, *(str(one.__dict__) for one in caplog.records)]),
        "output": out + err,
        "problems": "\n".join(problems),
        **{name: "\n".join(rows) for name, rows in rows_of(house).items()},
    }


def leaks(secrets: dict[str, str], told: dict[str, str]) -> list[tuple[str, str]]:
    """Return which secret stands where."""
    return [
        (name, where)
        for name, secret in secrets.items()
        for where, text in told.items()
        if any(spelling in text for spelling in spellings(secret))
    ]


def test_a_sign_in_leaves_no_secret_and_no_contact_behind(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    problems: list[str] = []

    def refused(answer: Any) -> None:
        assert answer.status_code >= 400, answer.text
        problems.append(answer.text + str(answer.headers))

    by_phone = ask(house, PHONE).json()
    code = inbox_of(house, PHONE)[-1][:6]
    refused(verify(house, by_phone, f"{(int(code) + 1) % 1_000_000:06d}"))
    opened = verify(house, by_phone, code).json()
    refused(verify(house, by_phone, code))
    refused(house.client.post("/v1/auth/codes", json={"channel": "sms", "to": PHONE + "x"}))
    refused(house.client.post("/v1/auth/codes", json={"channel": "email", "to": MAIL, "role": "ops:admin"}))

    _, cookie, link = ask_link(house, MAIL)
    refused(house.client.post(LINK, json={"token": link + "x"}))
    linked = house.client.post(LINK, json={"token": link}, headers={"Cookie": f"__Host-nv_ml={cookie}"})
    assert linked.status_code == 200, linked.text
    refused(house.client.post(LINK, json={"token": link}, headers={"Cookie": f"__Host-nv_ml={cookie}"}))

    first = opened["refresh_token"]
    renewed = house.client.post("/v1/auth/refresh", json={"refresh_token": first}).json()
    refused(house.client.post("/v1/auth/refresh", json={"refresh_token": first}))
    refused(house.client.get("/v1/wallet", headers={"Authorization": f"Bearer {opened['access_token']}x"}))

    secrets = {
        "phone": PHONE,
        "mail": MAIL,
        "client token": by_phone["client_token"],
        "link": link,
        "cookie": cookie,
        "access token": opened["access_token"],
        "linked access token": linked.json()["access_token"],
        "refresh token": first,
        "next refresh token": renewed["refresh_token"],
    }
    told = told_by(house, caplog, capfd, problems)
    assert leaks(secrets, told) == []
    # Six digits stand in every table by chance, so of the code only what people can read is searched.
    assert code not in told["problems"]
    assert code not in caplog.text
    assert len(told["audit_entry"].splitlines()) >= 4


def test_a_change_of_a_payout_method_leaves_no_secret_behind(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with opened_counter(url, tmp_path) as counter:
        house, problems = counter.house, []
        asked = ask(house, PHONE).json()
        opened = verify(house, asked, inbox_of(house, PHONE)[-1][:6]).json()
        mine = {"Authorization": f"Bearer {opened['access_token']}"}
        factors = "/v1/me/factors/totp"
        app = house.client.post(factors, json={"label": "my phone"}, headers=mine).json()
        confirmed = house.client.post(
            f"{factors}/{app['factor_id']}/confirm",
            json={"code": app_code(house, app["secret"])},
            headers=mine,
        )
        assert confirmed.status_code < 300, confirmed.text
        shown = app_code(house, app["secret"], 1)
        stepped = house.client.post("/v1/auth/step-up/totp", json={"code": shown}, headers=mine)
        assert stepped.status_code < 300, stepped.text
        pages = []
        for _ in range(2):
            made = house.client.post("/v1/payout-methods", headers=mine)
            assert made.status_code in {200, 201, 202}, made.text
            pages.append(str(made.json()["url"]))
        [account] = counter.world.stripe.objects("account")
        counter.world.stripe.verify(account["id"])
        counter.world.stripe.change_bank(account["id"], "6789")
        counter.work(3)
        [method] = house.client.get("/v1/payout-methods", headers=mine).json()["methods"]
        assert method["last4"] == "6789"
        counter.world.faults.add("status", path="*accounts*", status=401)
        problems.append(house.client.post("/v1/payout-methods", headers=mine).text)
        path = f"/v1/payout-methods/{method['id']}"
        assert house.client.delete(path, headers=mine).status_code < 300
        problems.append(house.client.delete(path).text)

        secrets = {
            "phone": PHONE,
            "access token": opened["access_token"],
            "key of the provider": counter.world.stripe.key,
            "secret of its webhooks": counter.world.webhooks.secret("stripe"),
            "secret of its other webhooks": counter.world.webhooks.secret("stripe_connect"),
            "seed of the app": app["secret"],
            "page at the provider": pages[0],
            "second page at the provider": pages[1],
        }
        told = told_by(house, caplog, capfd, problems)
        assert leaks(secrets, told) == []
        assert len(told["audit_entry"].splitlines()) >= 3
