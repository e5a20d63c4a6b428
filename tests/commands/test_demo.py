"""`nerava demo` shows the product on a machine without a network, as a process of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tests.commands.conftest import Run

START_S = 90


class Demo(NamedTuple):
    """A demo that serves: its process, its port, and what it printed."""

    process: subprocess.Popen[str]
    port: int
    said: str

    def status(self, path: str, token: str = "") -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with httpx2.Client(trust_env=False, timeout=20) as client:
            return client.get(f"http://127.0.0.1:{self.port}{path}", headers=headers).status_code

    def enter_as_ops(self, link: str) -> tuple[int, int]:
        """Use a link of ops; return its status, and that of a page that only ops may see."""
        with httpx2.Client(trust_env=False, timeout=20) as client:
            address = f"http://127.0.0.1:{self.port}/v1/auth/ops-links/consume"
            answer = client.post(address, content=link, headers={"Content-Type": "application/json"})
        token = answer.json().get("access_token", "none")
        return answer.status_code, self.status("/v1/ops/accounts/nova:reserve", token)


@contextmanager
def started(folder: Path, sessions: int = 200, last: str = "Watch charging become") -> Iterator[Demo]:
    """Start a demo on a free port and wait until it has printed the line that follows `last`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NERAVA_", "PIP_"))}
    kept |= {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "NERAVA_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-W", "error", "-m", "nerava", "demo", "--folder", str(folder / "demo")]
    command += ["--port", "0", "--sessions", str(sessions)]
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(command, env=kept, stdout=subprocess.PIPE, stderr=stderr, text=True)
    limit = threading.Timer(START_S, process.kill)
    limit.start()
    try:
        assert process.stdout is not None
        said = ""
        while line := process.stdout.readline():
            complete = last in said
            said += line
            if complete:
                break
        port = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert port, said + (folder / "stderr").read_text()
        yield Demo(process, int(port[1]), said)
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def interrupt(demo: Demo) -> float:
    """Press Ctrl-C and return how many seconds the end took."""
    began = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(20)
    return time.monotonic() - began


def test_the_demo_serves_what_it_prints_ends_on_ctrl_c_and_goes_on(run: Run, tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        assert "200 invented sessions" in demo.said
        assert "200 new sessions" in demo.said
        assert demo.status("/healthz") == 200
        assert f"http://127.0.0.1:{demo.port}/demo/people" in demo.said.splitlines()[-1]
        assert demo.status("/demo") == demo.status("/demo/people") == demo.status("/demo/feed") == 200
        scene = httpx2.get(f"http://127.0.0.1:{demo.port}/demo/scene", trust_env=False).json()
        assert scene == {"is_recorded": False, "chargers": [], "offers": []}
        assert demo.status("/v1/wallet") == 401
        tokens = tmp_path / "demo" / "tokens.sh"
        assert tokens.stat().st_mode & 0o077 == 0
        assert f". {tokens}" in demo.said.splitlines()
        held = dict(re.findall(r"export (\w+)=(\S+)", tokens.read_text()))
        curls = re.findall(r'Bearer \$(\w+)" \\\n +"\$NERAVA(/[\w/:-]+)"\n', demo.said)
        assert len(curls) >= 7
        assert {path: demo.status(path, held[who]) for who, path in curls} == {path: 200 for _, path in curls}
        [link] = re.findall(
            r"""-d '(\{"token":"[^"]{43}"\})' \\\n +\$NERAVA/v1/auth/ops-links/consume""", demo.said
        )
        assert [demo.enter_as_ops(link) for _ in range(2)] == [(200, 200), (401, 401)]
        assert interrupt(demo) < 10
        assert demo.process.returncode == 0
        told = (tmp_path / "stderr").read_text()
        assert "Traceback" not in told
        assert " INFO " not in told, "the terminal is for what the demo has to say"

    for proof in ("audit", "verify"):
        [printed] = re.findall(rf"(-m nerava ledger {proof}) \\\n(.*)", demo.said)
        proved = run(*shlex.split(" ".join(printed))[2:])
        assert proved.exit_code == 0, proved.output

    with started(tmp_path) as again:
        assert "0 new sessions, 200 known" in again.said
        assert interrupt(again) < 10
        assert again.process.returncode == 0
        assert "Traceback" not in (tmp_path / "stderr").read_text()


def tried(demo: Demo) -> str:
    """Paste everything that a demo prints into a shell, wait until the payout is paid, return what was shown."""
    pasted = demo.said[demo.said.index("\n. ") : demo.said.index("# prove that")]
    lines = [line for line in pasted.split("\n") if line]
    # A remark that was broken in two would be run, and an apostrophe in one is a quote to other shells.
    assert all(line.startswith(("# ", ". ", "  ", "curl ")) or "=" in line for line in lines)
    assert not [line for line in lines if line.startswith("#") and "'" in line]
    look = 'curl -s -H "Authorization: Bearer $DRIVER" $NERAVA/v1/payouts/$PAYOUT'
    pasted += f"for i in $(seq 60); do {look} | grep -m 1 '\"paid\"' && break; sleep 0.5; done\n"
    bash = shutil.which("bash") or "sh"
    shell = subprocess.run([bash, "-c", pasted], capture_output=True, text=True, check=True, timeout=60)
    return shell.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="what the demo prints is for curl")
def test_what_the_demo_prints_works_pasted_into_a_shell_and_again_after_another_start(tmp_path: Path) -> None:
    left = []
    for _ in range(2):
        with started(tmp_path) as demo:
            shown = tried(demo)
            interrupt(demo)
        assert "urn:nerava:problem" not in shown
        left += re.findall(r'"posted":(\d+),"available":\d+,"pending"', shown)
        assert '"points":40,"discount_minor":40' in shown
        assert '"amount_minor":100,"fee_minor":25,"total_nova":125' in shown
        assert re.search(r'"state":"paid","gross_minor":50000', shown)
        assert "Copper Kettle (invented)" in shown
        assert '"state":"paid","amount_minor":100' in shown
    # A coffee and a payout later, with its fee, the wallet of the second start has so many fewer.
    assert int(left[0]) - int(left[1]) == 40 + 125
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_ctrl_c_ends_the_demo_cleanly_from_the_first_word_about_it(tmp_path: Path) -> None:
    with started(tmp_path, sessions=5, last="Ctrl-C ends it") as demo:
        interrupt(demo)
        assert demo.process.returncode == 0
        assert demo.process.stdout is not None
        assert "Stopped." in demo.process.stdout.read()
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_the_demo_without_serving_ends_by_itself(run: Run, tmp_path: Path) -> None:
    told = run("demo", "--folder", tmp_path / "demo", "--sessions", "20", "--no-serve")

    assert told.exit_code == 0
    assert "20 new sessions" in told.stdout
    assert "The audit is clean." in told.stdout
    assert "going on without them" in told.stderr
    assert "Nerava serves" not in told.stdout
