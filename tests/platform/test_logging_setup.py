"""Every record passes the redactor: message, arguments, exception, fields, of ours, of libraries and of crashes."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from nerava.platform.edge import Edge
from nerava.platform.log_context import begin_about, end_about
from nerava.platform.logging_setup import set_up_logging
from nerava.platform.metrics.rounds import Rounds
from tests.helpers.logs import log_as_before

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "eve.canary@example.org"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put everything back that setting up the log of the process replaces."""
    with log_as_before():
        yield


def open_log() -> io.StringIO:
    """Set the log up in the middle of a test, when nobody else listens any more."""
    stream = io.StringIO()
    set_up_logging("debug", as_json=True, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail() -> None:
    raise RuntimeError(CANARY)


class Odd:
    def __str__(self) -> str:
        raise ValueError(CANARY)


def test_a_record_is_redacted_wherever_it_holds_something() -> None:
    written = open_log()
    log = logging.getLogger("nerava.test")
    log.debug(
        "to %s", CANARY, extra={"trace_id": "ab" * 16, "status": 401, "count": 12025550187, "body": CANARY}
    )
    try:
        fail()
    except RuntimeError:
        log.exception("%(to)s failed", {"to": CANARY}, stack_info=True)
    log.info(f"%d of {CANARY}", "many")  # noqa: G004 - a mistake as people make it
    log.info("it is %s", Odd())

    assert CANARY not in written.getvalue()
    first, second, third, fourth = lines(written)
    assert set(first) == {"at", "level", "logger", "message", "trace_id", "status", "count"}
    assert (first["level"], first["logger"], first["message"]) == ("debug", "nerava.test", "to [removed]")
    assert (first["trace_id"], first["status"], first["count"]) == ("ab" * 16, 401, "[removed]")
    assert "RuntimeError: [removed]" in second["exception"]
    assert "test_logging_setup.py" in second["exception"]
    assert third["message"] == "%d of [removed] (arguments left out: TypeError)"
    assert fourth["message"] == "it is %s (arguments left out: ValueError)"


def test_servers_and_libraries_write_through_the_same_handler() -> None:
    written = open_log()
    uvicorn.Config(lambda: None, log_config=None, log_level="info", access_log=True)
    for name in ("uvicorn.error", "uvicorn.access", "asyncio", "sqlalchemy.engine", "somebody.else"):
        logging.getLogger(name).warning("GET /x?to=%s", CANARY)
        logging.getLogger("somebody.else").info("https://example.org/whole/address")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARY, stacklevel=1)

    assert CANARY not in written.getvalue()
    assert [line["logger"] for line in lines(written)] == [
        "uvicorn.error", "uvicorn.access", "asyncio", "sqlalchemy.engine", "somebody.else", "py.warnings",
    ]  # fmt: skip


def test_people_read_one_line_whatever_somebody_sends() -> None:
    stream = io.StringIO()
    set_up_logging("info", as_json=False, stream=stream)
    logging.getLogger("nerava.test").debug("too much")
    logging.getLogger("nerava.test").info(
        "refused %s", "x\n2026-11-23 INFO nerava: all is well\x1b[2J\r", extra={"status": 4}
    )

    (line,) = stream.getvalue().splitlines()
    assert "INFO nerava.test: refused x\\n2026-11-23 INFO nerava: all is well\\x1b[2J\\r status=4" in line


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, CANARY)


def test_a_line_that_cannot_be_written_is_told_without_a_word_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("info", as_json=True, stream=Full())
    logging.getLogger("nerava.test").info("to %s", CANARY)

    assert capsys.readouterr().err == "a record of nerava.test was lost: OSError\n"


CRASHES = """
import sys, threading
from nerava.platform.logging_setup import set_up_logging
set_up_logging("info", as_json=True)
def fail():
    raise RuntimeError("eve.canary@example.org")
class Gone:
    def __del__(self):
        fail()
thread = threading.Thread(target=fail); thread.start(); thread.join()
Gone()
fail()
"""


def test_a_crash_of_process_thread_or_finalizer_is_redacted_too() -> None:
    ended = subprocess.run([sys.executable, "-c", CRASHES], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "canary" not in ended.stdout + ended.stderr
    assert [json.loads(line)["message"] for line in ended.stderr.splitlines()] == [
        "a thread ended by a mistake of ours",
        "an error that nobody could be told",
        "the process ends by a mistake of ours",
    ]


def test_a_record_says_which_request_or_which_work_it_belongs_to() -> None:
    stream = open_log()
    log = logging.getLogger("nerava.example")
    before = begin_about({"trace_id": "ab" * 16, "request_id": "cd" * 8})
    worker = threading.Thread(target=contextvars.copy_context().run, args=(log.warning, "in a thread"))
    worker.start()
    worker.join()
    log.warning("a provider's", extra={"request_id": "req_1"})
    end_about(before)
    log.warning("afterwards")

    told = [{name: one.get(name) for name in ("trace_id", "request_id")} for one in lines(stream)]
    assert told == [
        {"trace_id": "ab" * 16, "request_id": "cd" * 8},
        {"trace_id": "ab" * 16, "request_id": "req_1"},
        {"trace_id": None, "request_id": None},
    ]


def test_what_a_request_logs_carries_the_trace_id_of_its_answer_and_nobody_elses() -> None:
    stream = open_log()

    async def page(scope: Any, receive: Any, send: Any) -> None:
        logging.getLogger("nerava.example").warning("served %s", scope["path"])
        raise RuntimeError

    client = TestClient(Edge(page), raise_server_exceptions=False)
    answers = [client.get(f"/{number}").json() for number in range(3)]
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    asked = client.get("/4", headers={"traceparent": f"00-{trace_id}-{'b' * 16}-01"}).json()

    served = [one for one in lines(stream) if one["message"].startswith("served")]
    assert [one["trace_id"] for one in served] == [one["trace_id"] for one in (*answers, asked)]
    assert asked["trace_id"] == trace_id
    assert [one["request_id"] for one in served] == [one["request_id"] for one in (*answers, asked)]
    assert len({one["request_id"] for one in served}) == 4


def test_what_a_job_logs_names_the_job() -> None:
    stream = open_log()
    rounds, log = Rounds(), logging.getLogger("nerava.example")
    ended = rounds.begin("order events", datetime(2026, 1, 1, tzinfo=UTC))
    log.warning("within")
    assert ended("done", 7) == 7
    log.warning("after")
    assert [one.get("job") for one in lines(stream)] == ["order events", None]


def test_people_read_lines_without_ids() -> None:
    stream = io.StringIO()
    set_up_logging("info", as_json=False, stream=stream)
    before = begin_about({"trace_id": "ab" * 16})
    logging.getLogger("nerava.example").info("the demo is ready")
    end_about(before)
    assert stream.getvalue().endswith("INFO nerava.example: the demo is ready\n")
