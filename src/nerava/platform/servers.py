"""What the PostgreSQL and the Valkey that tests and benchmarks start for themselves have in common."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Self

from nerava.kernel.errors import NeravaError
from nerava.platform import server_guard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

NOBODY = 65534
SOCKET_PATH_BYTES_MAX = 100
"""Unix sockets allow 108 bytes on Linux and 104 on macOS, the closing zero included."""

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory
MEMORY_BYTES_MIN = 2 << 30
NO_PROGRAMS_HERE = getattr(os, "ST_NOEXEC", 0)
"""Known on Linux only, as is the memory folder."""

LOG_TAIL_LINES = 30
LOG_TAIL_BYTES = 16_384
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


class ServerProgramsMissing(NeravaError):
    """The package that carries the server's programs is not installed."""

    code = "server-programs-missing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The server's programs are not installed"


class ServerFailed(NeravaError):
    """The server did not start, stop or answer as asked; the detail ends with the tail of its log."""

    code = "server-failed"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The server failed"


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system account that a server runs as."""

    uid: int
    gid: int

    @classmethod
    def for_servers(cls) -> Account:
        """Return our own account, or nobody's when we are root.

        PostgreSQL refuses to run as root, and a Valkey without password must not be able to write
        root's files.
        """
        if os.geteuid() == 0:
            return cls(NOBODY, NOBODY)
        return cls(os.geteuid(), os.getegid())

    def may_enter(self, folder: Path) -> bool:
        """Say whether the permission bits let this account reach what lies in `folder`."""
        return all(self._may_search(step) for step in (folder, *folder.parents))

    def _may_search(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def may_run(self, program: Path) -> bool:
        """Say whether this account can execute `program --version`, by doing it."""
        # Trying is the only complete answer: links into a private package cache, access lists and
        # unreadable libraries all look fine from the program's own permission bits.
        other = self.uid != os.geteuid()
        try:
            subprocess.run(
                [program, "--version"],
                check=True,
                capture_output=True,
                cwd="/",
                user=self.uid if other else None,
                group=self.gid if other else None,
                extra_groups=[] if other else None,
            )
        except (OSError, subprocess.CalledProcessError):
            return False
        return True


def package_folder(package: str) -> Path:
    """Return where the installed `package` lies, without importing it.

    Importing would run its start-up code, which creates lock folders in the user's home.

    Raises:
        ServerProgramsMissing: It is not installed (503).
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        detail = f"{package} is not installed; it comes with the development dependencies (make setup)"
        raise ServerProgramsMissing(detail, package=package)
    return Path(next(iter(spec.submodule_search_locations)))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on at the moment.

    Taken at random from below the range that outgoing connections use, so that a server can stop
    and come back on its port.

    Raises:
        ServerFailed: None was found (503).
    """
    for port in secrets.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerFailed("found no free TCP port on 127.0.0.1 between 20000 and 32000")


class RunFolder:
    """A private temporary folder (mode 0700, owned by the server's account) with its log.

    The path is short enough for a unix socket, and every folder above it lets the account pass.
    `in_memory` puts it into the memory file system where there is a roomy one.
    """

    def __init__(self, prefix: str, account: Account, *, in_memory: bool = False) -> None:
        self.account = account
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=_place_for(account, in_memory=in_memory)))
        self.log_path = self.path / "server.log"
        # Opened before the folder changes hands: from then on root follows no name in it.
        self.log: BinaryIO = self.log_path.open("x+b")
        try:
            self.give(self.path)
        except ServerFailed:
            self.remove()
            raise

    def give(self, path: Path) -> None:
        """Hand `path` to the server's account.

        Raises:
            ServerFailed: We are root, but in a sandbox that knows no other account (503).
        """
        if self.account.uid == os.geteuid():
            return
        try:
            os.chown(path, self.account.uid, self.account.gid)
        except OSError as error:
            detail = f"servers must not run as root and uid {self.account.uid} cannot be used here: {error}"
            raise ServerFailed(detail, uid=self.account.uid) from error

    def copy_programs(self, tree: Path, name: str, *, without: Sequence[str] = ()) -> Path:
        """Copy an installed tree to where the server's account can read and run it.

        Needed when root's virtual environment lies in a home folder of mode 0700, or was made
        under umask 077. Opening those folders instead would change the machine for good, and a
        cache shared between runs would need guarding against whoever else may write there.
        """
        copy = self.path / "programs" / name
        shutil.copytree(tree, copy, ignore=shutil.ignore_patterns(*without))
        for path in (copy.parent, copy, *copy.rglob("*")):
            path.chmod(0o755)
        return copy

    def log_tail(self) -> str:
        """Return the last lines that the server logged."""
        size = os.fstat(self.log.fileno()).st_size
        tail = os.pread(self.log.fileno(), LOG_TAIL_BYTES, max(0, size - LOG_TAIL_BYTES))
        return "\n".join(tail.decode(errors="replace").splitlines()[-LOG_TAIL_LINES:])

    def remove(self) -> None:
        """Delete the folder and all in it."""
        self.log.close()
        shutil.rmtree(self.path, ignore_errors=True)


def _place_for(account: Account, *, in_memory: bool) -> Path:
    if in_memory and _is_roomy_memory(MEMORY_FOLDER) and account.may_enter(MEMORY_FOLDER):
        return MEMORY_FOLDER
    longest = SOCKET_PATH_BYTES_MAX - len("/nerava-postgresql-12345678/.s.PGSQL.65535")
    places = [Path(text).resolve() for text in (tempfile.gettempdir(), "/tmp", "/var/tmp")]  # noqa: S108 - compared with, not written to
    for place in places:
        if place.is_dir() and len(os.fsencode(place)) <= longest and account.may_enter(place):
            return place
    detail = f"no temporary folder that uid {account.uid} may enter, with a path of at most {longest} bytes"
    raise ServerFailed(f"{detail}: tried {', '.join(map(str, places))}; set TMPDIR to one", uid=account.uid)


def _is_roomy_memory(place: Path) -> bool:
    # A container's is usually 64 MB and bars programs, copies of which may have to lie here.
    if not os.access(place, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= MEMORY_BYTES_MIN and not found.f_flag & NO_PROGRAMS_HERE


class GuardedProcess:
    """A server process that ends when this process ends, even by SIGKILL (see `server_guard`)."""

    def __init__(
        self, command: Sequence[str | Path], *, folder: RunFolder, last_signal: signal.Signals
    ) -> None:
        account = folder.account
        numbers = (os.getpid(), account.uid, account.gid, int(last_signal))
        # A session of its own: Ctrl-C reaches only the owner, who then stops the server in order.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", server_guard.__file__, *map(str, (*numbers, folder.path, *command))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=folder.log,
            cwd=folder.path,
            start_new_session=True,
        )
        with self._guard.stdout or contextlib.nullcontext() as said:
            line = said.readline() if said else b""
        if not line:
            self._guard.wait()
            raise ServerFailed(f"the server's guard did not start\n{folder.log_tail()}")
        self.pid = int(line)

    def exit_code(self, *, timeout_s: float = 0) -> int | None:
        """Return the exit code (128 + n for signal n) once all of the server has ended, else None."""
        try:
            return self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Signal the server process; a server that has ended is left alone."""
        if self._guard.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class EmbeddedServer(ABC):
    """A server of our own for tests and benchmarks: started on demand, gone with this process.

    A context manager; `start` and `close` do the same by hand. What it keeps lies in a private
    temporary folder that `close` removes.
    """

    name: ClassVar[str]
    quickest_end: ClassVar[signal.Signals]
    """The signal after which the server drops everything at once, without harm to durable data."""

    def __init__(self, *, tcp: bool, in_memory: bool = False) -> None:
        self._tcp = tcp
        self._in_memory = in_memory
        self._tcp_port: int | None = None
        self._folder: RunFolder | None = None
        self._process: GuardedProcess | None = None

    @property
    def folder(self) -> Path:
        """The private folder with the unix socket and the log."""
        return self._run_folder.path

    @property
    def pid(self) -> int:
        """The server's process id, for tests that stop or kill it."""
        if self._process is None:
            raise AssertionError(f"{self.name} is not running")
        return self._process.pid

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; stays the same over restarts."""
        if self._tcp_port is None:
            raise AssertionError(f"{self.name} was not started with tcp=True")
        return self._tcp_port

    @property
    def is_running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.exit_code() is None

    def log_tail(self) -> str:
        """Return the last lines of the server's log."""
        return self._run_folder.log_tail()

    def start(self) -> None:
        """Start the server and wait until it answers. Nothing happens when it runs already.

        Raises:
            ServerProgramsMissing: The development dependencies are not installed (503).
            ServerFailed: It ended or did not answer in time; carries the tail of its log (503).
        """
        if self.is_running:
            return
        folder = self._folder or self._make_folder()
        if self._tcp and self._tcp_port is None:
            self._tcp_port = free_port()
        self._process = GuardedProcess(self._command(), folder=folder, last_signal=self.quickest_end)
        self._wait_until_it_answers(self._process)

    def kill(self) -> None:
        """End every process of the server with SIGKILL, as the loss of the machine would."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop the server and remove its temporary folder. Repeats safely."""
        self._end(self.quickest_end)
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def __enter__(self) -> Self:
        """Start the server."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server."""
        self.close()

    @property
    def _run_folder(self) -> RunFolder:
        if self._folder is None:
            raise AssertionError(f"{self.name} was not started")
        return self._folder

    def _make_folder(self) -> RunFolder:
        prefix = f"nerava-{self.name.lower()}-"
        self._folder = folder = RunFolder(prefix, Account.for_servers(), in_memory=self._in_memory)
        try:
            self._prepare(folder)
        except BaseException:
            # Half prepared must not pass for prepared at the next attempt.
            self.close()
            raise
        return folder

    def _wait_until_it_answers(self, process: GuardedProcess) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            code = process.exit_code(timeout_s=0.01)
            if code is not None:
                raise ServerFailed(f"{self.name} ended with code {code} while starting\n{self.log_tail()}")
            if time.monotonic() > deadline:
                tail = self.log_tail()
                self.kill()
                raise ServerFailed(f"{self.name} did not answer within {START_TIMEOUT_S} s\n{tail}")

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send(number)
        if self._process.exit_code(timeout_s=STOP_TIMEOUT_S) is None:
            raise ServerFailed(f"{self.name} ignored {number.name} for {STOP_TIMEOUT_S} s\n{self.log_tail()}")
        self._process = None

    @abstractmethod
    def _prepare(self, folder: RunFolder) -> None:
        """Find the programs and make what the server needs before its first start."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Return the command line of the server."""

    @abstractmethod
    def _answers(self) -> bool:
        """Try once whether the server takes requests."""
