"""`nerava keys rotate` says what there is to do, does it, and says what it did."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from nerava.kernel.clock import SystemClock
from nerava.platform.db import Database
from nerava.platform.secrets import SecretKind, Secrets
from nerava.platform.vault import Place, Vault
from tests.commands.conftest import Run


def test_keys_are_rotated_and_the_log_says_so(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"kek_2026_01:{base64.b64encode(bytes(range(60, 92))).decode()}"
    monkeypatch.setenv("NERAVA_SECRETS__KEY_ENCRYPTION", key)
    vault = Vault(Secrets({SecretKind.KEY_ENCRYPTION: key}, SystemClock()))
    place, now = Place("message_job", "sealed", "1"), SystemClock().now()
    database = Database(url)
    database.run(lambda session: vault.encrypt(session, "user:1", place, b"x", now))

    planned = json.loads(run("keys", "rotate", "--dry-run", "--json", "--database", url).stdout)
    assert (planned["renewed"], planned["destroyed"], planned["dry_run"]) == (1, 1, True)
    assert database.read(lambda session: session.scalar(text("SELECT count(*) FROM key_rotation"))) == 0

    done = run("keys", "rotate", "--json", "--database", url)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["renewed"], told["destroyed"], told["is_over"]) == (1, 1, True)
    assert told["data_keys_by_kek"] == {"kek_2026_01": 1}
    actions = database.read(lambda session: session.scalars(text("SELECT action FROM audit_entry")).all())
    assert "keys.rotated" in actions
    database.close()

    shown = run("keys", "rotate", "--database", url)
    assert shown.exit_code == 0
    assert "old keys destroyed" in " ".join(shown.output.split())
