"""The PostgreSQL that tests and benchmarks start for themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import psycopg
import pytest
from sqlalchemy import create_engine, text

from nerava.platform.db.embedded_postgres import EmbeddedPostgres, StopMode
from nerava.platform.servers import (
    MEMORY_FOLDER,
    NOBODY,
    Account,
    RunFolder,
    ServerFailed,
    ServerProgramsMissing,
    package_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")

START_AND_NAME_IT = """
import sys
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(fsync=False)
server.start()
server.create_database("made")
print(server.pid, server.folder, flush=True)
sys.stdin.read()
server.close()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    running = EmbeddedPostgres(fsync=False, tcp=True, settings={"work_mem": "5MB"})
    with pytest.MonkeyPatch.context() as surroundings:
        for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "TZ": "Asia/Kathmandu"}.items():
            surroundings.setenv(name, value)
        running.start()
    yield running
    running.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that every account may enter, unlike pytest's own when root runs it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def ask(server: EmbeddedPostgres, question: str, *values: str, database: str = "postgres") -> object:
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        row = connection.execute(question.encode(), values).fetchone()
    return row[0] if row else None


def order(server: EmbeddedPostgres, command: str, *values: int, database: str = "postgres") -> None:
    with psycopg.connect(server.conninfo(database), autocommit=True) as connection:
        connection.execute(command.encode(), values)


def commands_within(folder: Path | str) -> list[str]:
    """Return the command lines of the processes that work in or name `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text()
            if str(folder) in line or (process / "cwd").readlink().is_relative_to(folder):
                found.append(line)
        except OSError:
            continue
    return found


def run_python(
    code: str, *, python: str = sys.executable, uid: int | None = None, first_on_path: Path | None = None
) -> subprocess.Popen[str]:
    path = sys.path if first_on_path is None else [str(first_on_path), *sys.path]
    return subprocess.Popen(
        [python, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )


def first_line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if not line:
        pytest.fail(process.communicate()[1])
    return line


def wait_until_gone(folder: str, *, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while commands_within(folder) or Path(folder).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_speaks_over_its_socket_and_over_tcp(server: EmbeddedPostgres) -> None:
    for url in (server.url(), server.url(tcp=True)):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_user")) == "postgres"
        engine.dispose()
    assert f"127.0.0.1:{server.port}" in server.url(tcp=True)


def test_it_speaks_utf8_in_utc_and_takes_settings_but_none_of_the_surroundings(
    server: EmbeddedPostgres,
) -> None:
    for name, value in {
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "work_mem": "5MB",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }.items():
        assert ask(server, "SELECT current_setting(%s)", name) == value
    assert ask(server, "SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
    assert ask(server, "SELECT upper('žluťoučký')") == "ŽLUŤOUČKÝ"


def test_a_database_is_made_cloned_owned_and_dropped(server: EmbeddedPostgres) -> None:
    order(server, 'CREATE ROLE "the owner" LOGIN')
    server.create_database("the template", owner="the owner")
    order(server, "CREATE TABLE kept AS SELECT 42 AS answer", database="the template")
    server.create_database("copy", template="the template")

    assert ask(server, "SELECT answer FROM kept", database="copy") == 42
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'the template'"
    assert ask(server, owner) == "the owner"
    engine = create_engine(server.url("the template", "the owner"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "the owner"
    still_connected = psycopg.connect(server.conninfo("copy"))
    for name in ("copy", "the template", "the template"):
        server.drop_database(name)
    still_connected.close()
    engine.dispose()
    assert ask(server, "SELECT count(*) FROM pg_database WHERE datname IN ('copy', 'the template')") == 0


def test_the_wheels_programs_run_against_it(server: EmbeddedPostgres) -> None:
    said = subprocess.run(
        [server.bin("psql"), "-AtXc", "SELECT 6 * 7", server.conninfo()],
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "42\n"
    with pytest.raises(ServerProgramsMissing, match="no oracle"):
        server.bin("oracle")


def test_two_servers_side_by_side_know_nothing_of_each_other(server: EmbeddedPostgres) -> None:
    with EmbeddedPostgres(fsync=False, tcp=True) as other:
        other.create_database("mine")
        assert server.folder != other.folder
        assert server.port != other.port
        assert ask(server, "SELECT count(*) FROM pg_database WHERE datname = 'mine'") == 0
        folder = other.folder
    assert not folder.exists()
    assert commands_within(folder) == []


def test_what_was_committed_survives_every_stop_and_kill() -> None:
    # fsync itself matters to power cuts only, and makes recovery slow on a busy disk.
    with EmbeddedPostgres(fsync=False, tcp=True, settings={"synchronous_commit": "on"}) as server:
        order(server, "CREATE TABLE entry (number int)")
        before = (server.url(), server.url(tcp=True))
        for number, mode in enumerate(get_args(StopMode)):
            order(server, "INSERT INTO entry VALUES (%s)", number)
            server.restart(mode)
        order(server, "INSERT INTO entry VALUES (3)")
        with psycopg.connect(server.conninfo()) as busy:
            busy.execute("INSERT INTO entry VALUES (4)")
            # A backend deep in a computation does not notice by itself that its postmaster is gone.
            busy.pgconn.send_query(
                b"SELECT count(*) FROM generate_series(1, 99999) a, generate_series(1, 99999) b"
            )
            deadline = time.monotonic() + 30
            state = "SELECT state || query FROM pg_stat_activity WHERE pid::text = %s"
            while not str(ask(server, state, str(busy.info.backend_pid))).startswith("activeSELECT"):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            server.kill()
            assert not server.is_running
            assert commands_within(server.folder) == []
            busy.close()
        server.start()

        assert (server.url(), server.url(tcp=True)) == before
        assert ask(server, "SELECT array_agg(number ORDER BY number) FROM entry") == [0, 1, 2, 3]
        assert "automatic recovery in progress" in server.log_tail()


def test_a_given_directory_keeps_its_cluster_and_foreign_files_are_left_alone(place: Path) -> None:
    for expected in (0, 1):
        with EmbeddedPostgres(place / "deep" / "cluster") as server:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                assert ask(server, "SELECT current_setting(%s)", name) == "on"
            assert "database system was shut down at" in server.log_tail(), "closed in order before"
            order(server, "CREATE TABLE IF NOT EXISTS visit (at int)")
            assert ask(server, "SELECT count(*) FROM visit") == expected
            order(server, "INSERT INTO visit VALUES (1)")
    owner = place.stat().st_uid
    with pytest.raises(ServerFailed, match="not a PostgreSQL cluster"):
        EmbeddedPostgres(place).start()
    assert place.stat().st_uid == owner


def test_a_failed_start_shows_the_tail_of_the_log_and_leaves_nothing() -> None:
    server = EmbeddedPostgres(settings={"max_connections": "plenty"})
    with pytest.raises(
        ServerFailed, match='invalid value for parameter "max_connections": "plenty"'
    ) as failed:
        server.start()
    assert "ended with code 1" in failed.value.detail
    folder = server.folder
    lies_on_disk = folder.parent != MEMORY_FOLDER or tempfile.gettempdir() == str(MEMORY_FOLDER)
    assert lies_on_disk, "fsync in memory would promise what it cannot keep"
    with pytest.raises(ServerFailed), server:
        pytest.fail("it must not start")
    assert not folder.exists()


def test_a_missing_wheel_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ServerProgramsMissing, match=r"embedded_oracle is not installed.*make setup"):
        package_folder("embedded_oracle")


@as_root
def test_root_hands_the_server_to_nobody(server: EmbeddedPostgres) -> None:
    assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY
    assert server.folder.stat().st_uid == NOBODY
    assert server.folder.stat().st_mode & 0o777 == 0o700


def test_copies_of_private_programs_can_be_run_by_the_servers_account(place: Path) -> None:
    account = Account.for_servers()
    program = place / "package" / "bin" / "program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    for private in (program, program.parent):
        private.chmod(0o700)
    assert account.may_run(program) == (os.geteuid() != 0)

    folder = RunFolder("nerava-test-", account)
    copy = folder.copy_programs(place / "package", "package")
    assert account.may_run(copy / "bin" / "program")
    folder.remove()
    assert not folder.path.exists()


def test_a_killed_parent_leaves_nothing_even_when_root_keeps_the_programs_in_a_private_home(
    place: Path,
) -> None:
    place.chmod(0o700)
    package = package_folder("embedded_postgres")
    for name in (package.name, f"{package.name}.libs"):
        (place / name).symlink_to(package.with_name(name))

    parent = run_python(START_AND_NAME_IT, first_on_path=place)
    pid, folder = first_line(parent)
    runs_from_a_copy = Path(f"/proc/{pid}/exe").readlink().is_relative_to(folder)
    assert runs_from_a_copy == (os.geteuid() == 0)
    parent.kill()
    parent.communicate()
    assert wait_until_gone(folder)


@as_root
def test_a_directory_that_nobody_may_enter_is_refused_plainly(place: Path) -> None:
    place.chmod(0o700)
    with pytest.raises(ServerFailed, match=f"uid {NOBODY}, may not enter every folder above it"):
        EmbeddedPostgres(place / "cluster").start()


@as_root
def test_a_user_other_than_root_runs_it_as_himself() -> None:
    nobody = Account.for_servers()
    fitting = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [Path(sys.executable), *(Path(folder, fitting) for folder in ("/usr/bin", "/usr/local/bin"))]
    interpreter = next((python for python in candidates if nobody.may_run(python)), None)
    if interpreter is None or not all(map(nobody.may_enter, (Path.cwd(), package_folder("psycopg")))):
        pytest.skip("this machine keeps its interpreter, or this checkout, where only root may read")
    process = run_python(START_AND_NAME_IT, python=str(interpreter), uid=NOBODY)
    pid, folder = first_line(process)
    assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert not Path(folder).exists()
