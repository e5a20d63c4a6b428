"""R33: keys and secrets are replaced while requests come in; none fails, and the old ones open nothing after."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from nerava.app import create_app
from nerava.identity.errors import InvalidToken
from nerava.identity.keys import KeyRing
from nerava.installation import open_installation
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.settings import Settings
from nerava.startup_checks import load_settings

OLD, NEW = "whsec_hunter_one", "whsec_hunter_two"
STEP = timedelta(minutes=4)
"""Less than a signature may be old, so that none is too old because the clock has moved on meanwhile."""
STEPS = 5
"""Twenty minutes, after which every file has been read again."""
SENDERS = 4


def event(number: int) -> bytes:
    body = {"id": f"evt_{number}", "type": "payout.paid", "created": 1, "livemode": False}
    return json.dumps({**body, "data": {"object": {"id": f"po_{number}"}}}).encode()


def signature(secret: str, body: bytes, now: datetime) -> str:
    at = int(now.timestamp())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def write(file: Path, text: str) -> None:
    """Replace a secret's file whole, as a mounted one is."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o600)
    draft.replace(file)


def configured(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str, file: Path) -> Settings:
    """Return the settings of an installation that hears from Stripe, with the webhook's secret in a file."""
    for name in [name for name in os.environ if name.startswith("NERAVA_")]:
        monkeypatch.delenv(name)
    write(file, OLD)
    for name, value in {
        "ENV": "test",
        "DATABASE__URL": url,
        "TOKENS__KEYS_DIRECTORY": str(folder / "keys"),
        "STRIPE__MODE": "sandbox",
        "STRIPE__KEY": "sk_test_hunter",
        "STRIPE__WEBHOOK_SECRETS_FILE": str(file),
    }.items():
        monkeypatch.setenv(f"NERAVA_{name}", value)
    return load_settings()


@pytest.mark.parametrize("count", [15, pytest.param(400, marks=pytest.mark.chaos)])
def test_nothing_fails_while_keys_and_secrets_are_replaced_and_the_old_ones_are_refused_after(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    file = tmp_path / "webhook"
    settings = configured(monkeypatch, tmp_path, url, file)
    clock = FixedClock(datetime.now(UTC))
    installation = open_installation(settings, clock)
    # Not entered as a context: its background work is not what is looked at.
    client = TestClient(create_app(installation.settings, installation))
    numbers, sent_by, wrong = itertools.count(), [OLD], []
    over = threading.Event()
    rounds = threading.Semaphore(0)

    def post(secret: str) -> int:
        body, now = event(next(numbers)), clock.now()
        headers = {"stripe-signature": signature(secret, body, now), "content-type": "application/json"}
        return client.post("/webhooks/stripe", content=body, headers=headers).status_code

    def send() -> None:
        while not over.is_set():
            status = post(sent_by[0])
            subject = new_id()
            token = installation.tokens.issue(subject, scopes=("wallet:read",), session_id=new_id())
            if status != 200 or installation.tokens.verify(token).subject != subject:
                wrong.append(status)
            rounds.release()

    def after(many: int) -> None:
        for _ in range(many):
            assert rounds.acquire(timeout=60), "somebody sends"

    def pass_time() -> None:
        for _ in range(STEPS):
            clock.move_to(clock.now() + STEP)
            after(2 * SENDERS)

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    old_token = installation.tokens.issue(new_id(), scopes=("wallet:read",), session_id=new_id())
    for one in senders:
        one.start()
    try:
        after(count)
        KeyRing(tmp_path / "keys", clock).rotate()
        write(file, f"{NEW},{OLD}")
        pass_time()
        after(count)
        sent_by[0] = NEW
        after(count + SENDERS)
        write(file, NEW)
        pass_time()
        after(count)
    finally:
        over.set()
        for one in senders:
            one.join()
    assert wrong == []
    assert (post(NEW), post(OLD)) == (200, 401)
    with pytest.raises(InvalidToken):
        installation.tokens.verify(old_token)
    assert len(KeyRing(tmp_path / "keys", clock).published()) == 1
    installation.close()
