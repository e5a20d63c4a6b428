"""What people use to come in, and how they are reached, stands in no log, no problem and no table."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.http.rows import rows_of
from tests.http.test_signing_in import LINK, ask, ask_link, inbox_of, verify

if TYPE_CHECKING:
    import pytest

    from tests.http.conftest import House

PHONE = "+12025550187"
MAIL = "eve.canary@example.org"


def spellings(secret: str) -> set[str]:
    """Return a secret as it would stand in a log, an address, a column of bytes or a basic header."""
    plain = secret.encode()
    return {secret, quote(secret, safe=""), plain.hex(), base64.b64encode(plain).decode().rstrip("=")}


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
    out, err = capfd.readouterr()
    told = {
        "log": "\n".join([caplog.text, *(str(one.__dict__) for one in caplog.records)]),
        "output": out + err,
        "problems": "\n".join(problems),
        **{name: "\n".join(rows) for name, rows in rows_of(house).items()},
    }
    found = [
        (name, where)
        for name, secret in secrets.items()
        for where, text in told.items()
        if any(spelling in text for spelling in spellings(secret))
    ]
    assert found == []
    # Six digits stand in every table by chance, so of the code only what people can read is searched.
    assert code not in told["problems"]
    assert code not in caplog.text
    assert len(told["audit_entry"].splitlines()) >= 4
