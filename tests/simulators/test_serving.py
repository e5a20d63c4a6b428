"""The server of the simulators ends when it is told to, whatever its callers do."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nerava.simulators import serving
from nerava.simulators.serving import running_simulators

if TYPE_CHECKING:
    import pytest

SOON_S = 20.0


def test_it_ends_at_once_and_not_when_it_looks_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TICK_S", 60.0)
    began = time.monotonic()
    with running_simulators():
        pass
    assert time.monotonic() - began < SOON_S


def test_it_ends_although_a_call_is_never_answered() -> None:
    with running_simulators() as world:
        world.faults.add("black_hole", provider="stripe")
        parts = urlsplit(world.url_of("stripe"))
        caller = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=SOON_S)
        caller.sendall(f"GET {parts.path}/v1/balance HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        began = time.monotonic()
    with caller, caller.makefile("rb") as answer:
        assert time.monotonic() - began < SOON_S
        assert b" 200 " not in answer.read()  # It ends: nobody keeps the line.
