"""S03: however many guess one code at once, through however many processes and restarts, five are evaluated."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import text

from nerava.kernel.clock import SystemClock
from nerava.platform.db import Database, EngineOptions
from nerava.simulators.inbox import Inbox
from tests.helpers.parallel import in_parallel
from tests.http.test_serving import serving, until

MAIL = "ann@example.org"
CALLERS = 50
QUICK = 250
ENVIRONMENT = {
    "NERAVA_SERVER__TRUSTED_PROXIES": "127.0.0.1",
    "NERAVA_LIMITS__API": "false",
    "NERAVA_WORKER__IN_WEB_PROCESS": "true",
    "NERAVA_WORKER__PAUSE_MS": "50",
    "NERAVA_SERVER__DRAIN_S": "0",
    # Fifty who wait for one row are not to be turned away by the clock of a busy machine.
    "NERAVA_DATABASE__POOL_WAIT_MS": "10000",
    "NERAVA_DATABASE__LOCK_TIMEOUT_MS": "10000",
}


class Front:
    """Server processes on one database, and callers with connections of their own to each."""

    def __init__(self, url: str, folder: Path, processes: int) -> None:
        self._url, self._folder, self._processes = url, folder, processes
        self._stack = ExitStack()
        self._connections: dict[tuple[int, int], http.client.HTTPConnection] = {}
        self.ports: list[int] = []
        self.inbox = Inbox(folder / "inbox.jsonl", SystemClock())

    def __enter__(self) -> Self:
        """Start every process."""
        self.ports = [
            self._stack.enter_context(serving(self._url, self._folder, **ENVIRONMENT))[1]
            for _ in range(self._processes)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        """Kill every process, as a power cut would."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._stack.close()

    def post(self, number: int, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send a request from an address block of its own to one of the processes."""
        mine = (threading.get_ident(), self.ports[number % len(self.ports)])
        connection = self._connections.get(mine)
        if connection is None:
            connection = self._connections[mine] = http.client.HTTPConnection(
                "127.0.0.1", mine[1], timeout=60
            )
        address = f"10.{number // 250}.{number % 250}.1"
        headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def guess_in_parallel(front: Front, asked: dict[str, str], right: str, guesses: range) -> Counter[str]:
    """Send so many wrong codes from fifty callers at once; return how often each answer came."""
    path = f"/v1/auth/codes/{asked['challenge_id']}/verify"

    def guess(index: int) -> str:
        number = guesses[index]
        code = f"{(int(right) + 1 + number) % 1_000_000:06d}"
        body = {"code": code, "client_token": asked["client_token"]}
        status, answer = front.post(number, path, body)
        return str(answer.get("code", status))

    return Counter(in_parallel(len(guesses), guess, width=min(CALLERS, len(guesses))))


@pytest.mark.parametrize(
    "guesses",
    [QUICK, pytest.param(10_000, marks=[pytest.mark.chaos, pytest.mark.timeout(900)])],
)
@pytest.mark.timeout(300)
def test_of_all_guesses_five_are_evaluated_across_processes_and_a_restart(
    url: str, tmp_path: Path, guesses: int, measured: Callable[[str], None]
) -> None:
    # One process owns a SQLite file; any number works on one PostgreSQL.
    processes = 1 if url.startswith("sqlite") else 2
    front = Front(url, tmp_path, processes)
    with front:
        status, asked = front.post(0, "/v1/auth/codes", {"channel": "email", "to": MAIL})
        assert status == 202
        until(lambda: any(front.inbox.messages(MAIL)))
        [message] = front.inbox.messages(MAIL)
        right = message.text[:6]
        before = guess_in_parallel(front, asked, right, range(1, 4))
    with front:
        after = guess_in_parallel(front, asked, right, range(4, guesses))
        body = {"code": right, "client_token": asked["client_token"]}
        path = f"/v1/auth/codes/{asked['challenge_id']}/verify"
        told = [front.post(number, path, body) for number in range(processes)]
    with front:
        # Nobody who waits for the processes to be restarted gets another guess.
        told += [front.post(guesses + number, path, body) for number in range(2)]
    answers = before + after
    assert answers.total() == guesses - 1
    assert set(answers) <= {"code-wrong", "challenge-over", "rate-limited"}
    assert answers["code-wrong"] == 5
    assert before["code-wrong"] == 3
    refused = [(status, answer["code"]) for status, answer in told]
    assert set(refused) <= {(401, "challenge-over"), (429, "rate-limited")}
    if guesses > QUICK:
        measured(f"S03: {processes} processes, {dict(answers)}")
    assert evaluated(url) == (5, 5, 0)


def evaluated(url: str) -> tuple[int, int, int]:
    """Return the attempts of the one challenge, the wrong guesses that were written down, and the users."""
    database = Database(url, EngineOptions(pool_size=1))
    queries = (
        "SELECT max(attempts) FROM sign_in_challenge",
        "SELECT count(*) FROM audit_entry WHERE action = 'challenge.guess'",
        "SELECT count(*) FROM app_user",
    )
    try:
        found = [
            database.read(lambda session, one=one: session.scalar(text(one)))
            for one in queries  # type: ignore[misc]
        ]
    finally:
        database.close()
    return found[0], found[1], found[2]
