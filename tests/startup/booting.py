"""Boots `nerava serve` and `nerava work` as an operator would, and good configurations to spoil."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nerava.identity.keys import KeyRing
from nerava.kernel.clock import SystemClock
from nerava.platform.secrets import SecretKind
from nerava.startup_checks import (
    ConfigurationRefused,
    Finding,
    check_books,
    check_start,
    load_settings,
)
from nerava.startup_checks.findings import Process

WATCH = Path(__file__).parent / "watch"
NOBODY = 65_534
OPEN_FILES = 8_192
PATIENCE_S = 60


@dataclass(frozen=True)
class Configuration:
    """What a process is booted with.

    Attributes:
        environment: Its variables; nothing else is inherited but the path.
        folder: Where it runs, and where keys and notes are.
        command: What follows `nerava`.
        as_root: Whether it stays root where the tests are.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ("serve",)
    as_root: bool = False
    open_files: int = OPEN_FILES
    python: Sequence[str] = ()

    def but(self, **changes: str | None) -> Configuration:
        """Return this configuration with other variables; None takes one away."""
        merged = {**self.environment, **changes}
        return replace(self, environment={name: value for name, value in merged.items() if value is not None})

    @property
    def keys(self) -> Path:
        """Where its signing keys are."""
        return self.folder / "keys"

    @property
    def notes(self) -> list[str]:
        """What the booted processes did: ports they bound, web frameworks they loaded."""
        file = self.folder / "notes"
        return file.read_text("utf-8").splitlines() if file.exists() else []


@dataclass(frozen=True)
class Refusal:
    """How a process ended that did not start.

    Attributes:
        code: Its exit code.
        said: All it printed.
        findings: The settings it named, with what it said about each.
        took_s: From its start to its end.
        worked_s: How much of that it had a processor; the rest is what it, or the machine, waited.
    """

    code: int
    said: str
    findings: tuple[tuple[str, str], ...]
    took_s: float
    worked_s: float

    @property
    def settings(self) -> list[str]:
        """The settings it named, in order."""
        return [setting for setting, _ in self.findings]


def production(folder: Path, database_url: str, **more: str) -> Configuration:
    """Return a production that starts: secrets, a signing key, an issuer, and a database."""
    KeyRing(folder / "keys", SystemClock()).rotate()
    environment = {
        "NERAVA_ENV": "production",
        "NERAVA_DATABASE__URL": database_url,
        "NERAVA_TOKENS__ISSUER": "https://rewards.city.example",
        "NERAVA_TOKENS__KEYS_DIRECTORY": str(folder / "keys"),
        "NERAVA_SERVER__PORT": "0",
        "NERAVA_SERVER__DRAIN_S": "0",
        **{kind.setting: strong(kind) for kind in SecretKind},
        **more,
    }
    return Configuration(folder, environment)


def strong(kind: SecretKind) -> str:
    """Return a new secret of a kind, as the settings take it."""
    value = base64.b64encode(secrets.token_bytes(32)).decode()
    return f"kek_2026_01:{value}" if kind is SecretKind.KEY_ENCRYPTION else value


def told_here(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> tuple[Finding, ...]:
    """Return what a start would be refused for, looked at in this process: no interpreter is started for it.

    What lies outside a process's settings is as it would be there: its user, its limits, its arguments.
    """
    for name in [name for name in os.environ if name.startswith(("NERAVA_", "SECRETS_", "OTEL_"))]:
        monkeypatch.delenv(name)
    for name, value in configuration.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(configuration.folder)
    user = 0 if configuration.as_root else NOBODY
    monkeypatch.setattr(os, "geteuid", lambda: user)
    limits = (configuration.open_files, configuration.open_files)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    command, *arguments = configuration.command
    database = arguments[arguments.index("--database") + 1] if "--database" in arguments else None
    process: Process = "work" if command == "work" else "serve"
    try:
        settings = load_settings(database=database)
        check_start(settings, process, configuration.command)
        check_books(settings)
    except ConfigurationRefused as error:
        return error.findings
    finally:
        monkeypatch.undo()
    return ()


def refused(configuration: Configuration) -> Refusal:
    """Boot a process, wait for its end and return how it was refused."""
    started, before = time.monotonic(), _worked_s()
    process = _start(configuration)
    try:
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    took_s, worked_s = time.monotonic() - started, _worked_s() - before
    lines = [line.partition(": ") for line in said.splitlines()]
    return Refusal(
        process.returncode, said, tuple((setting, problem) for setting, _, problem in lines), took_s, worked_s
    )


@contextlib.contextmanager
def running(configuration: Configuration) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Boot a process that starts; yield it and the first line it says. It is ended by SIGTERM."""
    process = _start(configuration)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.communicate()


def ready(address: str) -> str:
    """Wait until a served process is ready, and return the last word it said about that."""
    host, _, port = address.strip().rpartition("http://")[2].partition(":")
    deadline = time.monotonic() + PATIENCE_S
    word = ""
    while word != "ready" and time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, int(port)), timeout=5) as connection,
        ):
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
            word = answer.rpartition(b"\r\n")[2].decode()
        time.sleep(0.05)
    return word


def spoil_key(configuration: Configuration, **changes: str | None) -> None:
    """Change fields of the signing key's file; None takes one away."""
    (file,) = configuration.keys.iterdir()
    body = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in body.items() if value is not None}))


def _start(configuration: Configuration) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *_as_nobody(configuration),
            sys.executable,
            *configuration.python,
            "-m",
            "nerava",
            *configuration.command,
        ],
        cwd=configuration.folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(WATCH),
            "PYTHONUNBUFFERED": "1",
            "BOOT_NOTES": str(configuration.folder / "notes"),
            **configuration.environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: resource.setrlimit(  # noqa: PLW1509 - the child does nothing but this
            resource.RLIMIT_NOFILE, (configuration.open_files, configuration.open_files)
        ),
    )


def _worked_s() -> float:
    """Return the processor time of all children that have ended; one at a time does, in a test process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _as_nobody(configuration: Configuration) -> list[str]:
    """Return what to put in front of a command so that it is not root, and still reads what only root may."""
    if os.geteuid() != 0 or configuration.as_root:
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("root cannot start a process as somebody else here: setpriv is missing")
    capability = "dac_override"
    return [
        program, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}",
    ]  # fmt: skip
