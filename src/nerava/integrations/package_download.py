"""Downloads pinned packages with pip, from whatever index pip is set up with, and shows how far it is."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

from nerava.kernel.errors import NeravaError

DOWNLOAD_LIMIT_S: Final = 1800
_MACHINE_READABLE_PROGRESS_SINCE: Final = (24, 1)
_PROGRESS: Final = re.compile(r"Progress (\d+) of (\d+)")
_CREDENTIALS: Final = re.compile(r"://[^/\s@]*@")
_DETAIL_LENGTH_MAX: Final = 600


class Progress(Protocol):
    """Told how far a step is: its name, and how much of how much is done (bytes or files)."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Note the progress; called often, from the calling thread, and may raise to stop the step."""
        ...


class PipMissing(NeravaError):
    """The Python environment has no pip, with which packages are fetched."""

    code = "pip-missing"
    status = HTTPStatus.FAILED_DEPENDENCY
    title = "pip is not installed here"


class PackageUnreachable(NeravaError):
    """pip could not fetch a package: no network, no index, or the index does not have it."""

    code = "package-unreachable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The package could not be fetched"


class PackageDamaged(NeravaError):
    """What was fetched is not what was pinned."""

    code = "package-damaged"
    status = HTTPStatus.BAD_GATEWAY
    title = "The package is not the pinned one"


def download(
    requirements: Path, folder: Path, *, progress: Progress | None = None, options: Sequence[str] = ()
) -> None:
    """Download the pinned wheels of a requirements file into `folder`, without what they depend on.

    pip compares every hash and takes no source packages, so nothing of them runs. Gives up after
    half an hour. Repeats safely. `options` are pip's own.

    Raises:
        PipMissing: No pip in this environment (424).
        PackageUnreachable: pip failed or took too long; with its last words (503).
        PackageDamaged: A hash differs (502).
    """
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
    command += [*options, "--no-input", "--disable-pip-version-check", "--progress-bar", _progress_bar()]
    words: deque[str] = deque(maxlen=40)
    with _running(command) as process:
        for line in process.stdout or ():
            if found := _PROGRESS.match(line):
                if progress:
                    progress("download", int(found[1]), int(found[2]))
            elif line.strip():
                words.append(_CREDENTIALS.sub("://", line.strip()))
    if process.returncode:
        raise _why(words)


def _progress_bar() -> str:
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise PipMissing(
            f"{sys.executable} has no pip; run `{Path(sys.executable).name} -m ensurepip` first"
        ) from None
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return "raw" if numbers >= _MACHINE_READABLE_PROGRESS_SINCE else "off"


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command until it ends; it never outlives this process's interest in it."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        limit = threading.Timer(DOWNLOAD_LIMIT_S, process.kill)
        limit.start()
        try:
            yield process
            process.wait()
        finally:
            limit.cancel()
            if process.poll() is None:
                process.terminate()


def _why(words: deque[str]) -> NeravaError:
    # A connection that fails stands only in pip's warnings, once for each of its attempts.
    said = [line for line in words if line.startswith("WARNING: Retrying")][:1]
    said += [line for line in words if line.startswith("ERROR")] or list(words)[-3:]
    detail = " ".join(said)[:_DETAIL_LENGTH_MAX]
    if any("DO NOT MATCH THE HASHES" in line for line in words):
        return PackageDamaged(f"the index serves other bytes than the pinned ones: {detail}")
    return PackageUnreachable(
        f"pip could not fetch the package; is its index reachable (`pip config list`)? {detail}"
    )
