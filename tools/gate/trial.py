"""The product itself as a gate: its books after a replay on both databases, and a start as in production."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.platform.secrets import SecretKind
from tools.gate.verdict import ask, failed, passed, python, skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.gate.verdict import Asked, Verdict

PATIENCE_S: Final = 90
NOBODY: Final = 65_534
EX_CONFIG: Final = 78
SESSIONS: Final = 60


def books(asked: Asked) -> Verdict:
    """Judge that the books are right after recorded sessions were rewarded, on both databases."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(EmbeddedPostgres(fsync=False))
        server.create_database("gate")
        for url in (f"sqlite:///{folder}/gate.sqlite3", server.url("gate")):
            for command in (
                ("replay", "--dataset", "sample", "--limit", str(SESSIONS), "--campaigns", "3"),
                ("ledger", "seal"),
                ("ledger", "audit"),
                ("ledger", "verify"),
                ("audit", "verify"),
            ):
                ended = _nerava(asked, folder, *command, "--database", url)
                if ended[0]:
                    return failed(f"nerava {' '.join(command[:2])} on {url.partition(':')[0]}", ended[1])
    return passed(f"{SESSIONS} sessions on both databases")


def boot(asked: Asked) -> Verdict:
    """Judge that `nerava serve` starts under production's rules, ends well, and refuses what it must."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return skipped("root cannot start a process as somebody else here: setpriv is missing")
    with tempfile.TemporaryDirectory() as folder:
        settings = _production(folder)
        for command in (("migrate",), ("keys", "new")):
            code, said = _nerava(asked, folder, *command, **settings)
            if code:
                return failed(f"nerava {' '.join(command)}", said)
        without = {name: value for name, value in settings.items() if name != SecretKind.SEAL.setting}
        refused = subprocess.run(**_start(asked, folder, without), timeout=PATIENCE_S, check=False)  # type: ignore[call-overload]
        if refused.returncode != EX_CONFIG or SecretKind.SEAL.setting not in refused.stdout:
            return failed("it starts without a secret", refused.stdout)
        return _served(asked, folder, settings)


def _served(asked: Asked, folder: str, settings: Mapping[str, str]) -> Verdict:
    process = subprocess.Popen(**_start(asked, folder, settings))  # type: ignore[call-overload]
    try:
        line = process.stdout.readline()
        host, _, port = line.strip().rpartition("http://")[2].partition(":")
        word = _ready(host, port) if port.isdecimal() else ""
        process.terminate()
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    if word != "ready":
        return failed("it does not get ready", line + said)
    return passed() if process.returncode == 0 else failed(f"it ends with {process.returncode}", said)


def _ready(host: str, port: str) -> str:
    """Wait until a served process is ready, and return the last word it said about that."""
    until, word = time.monotonic() + PATIENCE_S, ""
    while word != "ready" and time.monotonic() < until:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, int(port)), timeout=5) as connection,
        ):
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
            word = "ready" if answer.startswith(b"HTTP/1.1 200") else ""
        time.sleep(0.1)
    return word


def _production(folder: str) -> dict[str, str]:
    def strong(kind: SecretKind) -> str:
        value = base64.b64encode(secrets.token_bytes(32)).decode()
        return f"kek_2026_01:{value}" if kind is SecretKind.KEY_ENCRYPTION else value

    return {
        "NERAVA_ENV": "production",
        "NERAVA_SINGLE_NODE": "true",
        "NERAVA_DATABASE__URL": f"sqlite:///{folder}/gate.sqlite3",
        "NERAVA_TOKENS__ISSUER": "https://rewards.city.example",
        "NERAVA_TOKENS__KEYS_DIRECTORY": f"{folder}/keys",
        "NERAVA_SERVER__PORT": "0",
        "NERAVA_SERVER__DRAIN_S": "0",
        **{kind.setting: strong(kind) for kind in SecretKind},
    }


def _start(asked: Asked, folder: str, settings: Mapping[str, str]) -> dict[str, object]:
    """Return how `nerava serve` is started, with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NERAVA_")}
    return {
        "args": [*_as_nobody(), *python("-m", "nerava", "serve")],
        "cwd": folder,
        "env": {**inherited, "PYTHONPATH": str(asked.root / "src"), "PYTHONUNBUFFERED": "1", **settings},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def _as_nobody() -> Sequence[str]:
    """Return what to put in front of a command so that it is not root, and still reads what only root may."""
    if os.geteuid() != 0:
        return ()
    capability = "dac_override"
    return (
        str(shutil.which("setpriv")), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}",
    )  # fmt: skip


def _nerava(asked: Asked, folder: str, *command: str, **settings: str) -> tuple[int, str]:
    more = {"NERAVA_DATA_DIR": folder, "NERAVA_TOKENS__KEYS_DIRECTORY": f"{folder}/keys", **settings}
    ended = ask(asked, python("-m", "nerava", *command), timeout_s=300, **more)
    return ended.code, ended.said
