"""What would have gone to people can be read while developing, by the owner of the file only."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nerava.identity.contacts import Channel
from nerava.kernel.clock import FixedClock
from nerava.simulators.inbox import Inbox, Received
from tests.commands.conftest import Run

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_messages_arrive_in_order_and_whole(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "new" / "inbox.jsonl", FixedClock(NOON))
    assert list(inbox.messages()) == []
    inbox.send(Channel.SMS, "+12025550123", "one\ntwo \u2028 ü")
    inbox.send(Channel.EMAIL, "ann@example.org", "three")
    assert list(inbox.messages("+12025550123")) == [
        Received("2026-11-22T12:00:00+00:00", "sms", "+12025550123", "one\ntwo \u2028 ü")
    ]
    assert [one.text for one in inbox.messages()] == ["one\ntwo \u2028 ü", "three"]


def test_the_inbox_is_its_owners_only(tmp_path: Path) -> None:
    file = tmp_path / "inbox.jsonl"
    Inbox(file, FixedClock(NOON)).send(Channel.SMS, "+12025550123", "hush")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_many_who_send_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "inbox.jsonl"
    inbox = Inbox(file, FixedClock(NOON))
    with ThreadPoolExecutor(16) as senders:
        for number in range(64):
            senders.submit(inbox.send, Channel.EMAIL, f"{number}@a.example", "x" * 50_000)
    found = list(inbox.messages())
    assert sorted(one.to for one in found) == sorted(f"{number}@a.example" for number in range(64))


def test_the_command_prints_the_newest_ones(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "inbox.jsonl"
    inbox = Inbox(file, FixedClock(NOON))
    for number in range(5):
        inbox.send(Channel.SMS, f"+1202555010{number}", f"code {number} [red]")
    said = run("inbox", "--file", file, "--last", "2").output
    assert "code 3 [red]" in said
    assert "code 4 [red]" in said
    assert "code 2" not in said
    told = json.loads(run("inbox", "--file", file, "--to", "+12025550101", "--json").stdout)
    assert [one["text"] for one in told["messages"]] == ["code 1 [red]"]
    assert "nothing has arrived" in run("inbox", "--file", tmp_path / "none").output


def test_production_has_no_inbox(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_ENV", "production")
    refused = run("inbox")
    assert refused.exit_code == 2
    assert "no inbox in production" in refused.output
