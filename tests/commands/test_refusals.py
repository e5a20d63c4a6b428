"""What a command cannot do, it says in plain words with status 2; no traceback, and nothing left behind."""

from __future__ import annotations

import socket
import socketserver
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nerava import migrations
from nerava.commands.demo import DATABASE
from nerava.commands.opening import settings_for
from nerava.commands.running import sole_server
from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import UnknownSwitch, checked_name
from tests.commands.conftest import Run


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nothing listens, and nothing else can."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def asking() -> Iterator[tuple[int, list[str]]]:
    """A server that asks for a password and then hangs up: its port, and the passwords it was told."""
    told: list[str] = []

    class Asking(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4_096)  # Who it is.
            self.request.sendall(b"R" + struct.pack("!II", 8, 3))  # In clear, please.
            told.append(self.request.recv(4_096)[5:-1].decode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Asking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1], told
        server.shutdown()
        thread.join()


def refusal(run: Run, *arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("command", [("audit",), ("verify",), ("seal",), ("statement", "nova:reserve")])
def test_a_database_that_is_not_there_is_not_made(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "folder" / "n.sqlite3"

    said = refusal(run, "ledger", *command, "--database", f"sqlite:///{path}")

    assert "nerava migrate" in said
    assert "there is no database" in said
    assert not path.parent.exists()


def test_an_unmigrated_database_says_so(run: Run, url: str) -> None:
    migrations.downgrade(url, "base")

    said = refusal(run, "ledger", "audit", "--database", url)

    assert "nerava migrate" in said
    assert f"needs schema {migrations.head()}, the database is empty" in said


@pytest.mark.parametrize("command", [("migrate",), ("ledger", "audit")])
def test_a_database_of_a_newer_version_is_left_alone(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    url = f"sqlite:///{tmp_path / 'n.sqlite3'}"
    migrations.upgrade(url, migrations.revisions()[0])
    with closing(sqlite3.connect(tmp_path / "n.sqlite3")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")

    said = refusal(run, *command, "--database", url)

    assert "of a newer version: it has schema 9999" in said
    assert "nerava migrate" not in said


def test_a_second_server_of_one_sqlite_file_does_not_start(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'n.sqlite3'}"
    migrations.upgrade(url)
    monkeypatch.setenv("NERAVA_ENV", "test")
    monkeypatch.setenv("NERAVA_SERVER__PORT", "0")
    settings = settings_for(url)

    with sole_server(settings):
        assert "another one has" in refusal(run, "serve", "--database", url)
    with sole_server(settings):
        pass


def test_a_second_demo_in_one_folder_does_not_start(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()

    with sole_server(settings_for(f"sqlite:///{folder / DATABASE}")):
        assert "another one has" in refusal(run, "demo", "--folder", folder, "--port", "0")

    assert [one.name for one in folder.iterdir()] == [f"{DATABASE}-serving"]


@pytest.mark.parametrize("command", [("doctor",), ("backup", "b"), ("ledger", "audit")])
def test_a_password_that_is_kept_apart_is_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, asking: tuple[int, list[str]], command: tuple[str, ...]
) -> None:
    port, told = asking
    monkeypatch.setenv("NERAVA_DATABASE__PASSWORD", "kept-apart")
    address = f"postgresql+psycopg://someone@127.0.0.1:{port}/books?sslmode=disable&gssencmode=disable"

    said = refusal(run, *command, "--database", address)

    assert set(told) == {"kept-apart"}
    assert "kept-apart" not in said


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("nonsense", "looks like sqlite:///folder/file.sqlite3"),
        ("postgresql+psycopg://someone:s3cret@[::1/books", "looks like sqlite:///folder/file.sqlite3"),
        ("postgresql+psycopg://someone:s3cret@127.0.0.1:{port}x/books", "looks like sqlite:///folder/file"),
        ("mysql://someone:s3cret@127.0.0.1/books", "SQLite or PostgreSQL"),
        ("postgresql+psycopg://someone:s3cret@127.0.0.1:{port}/books", "Connection refused"),
        ("sqlite:///{folder}", "unable to open database file"),
        ("sqlite:///{file}", "not a database"),
        ("sqlite:///{file}/under/n.sqlite3", "there is no database"),
    ],
)
def test_an_address_of_no_database_is_said_without_its_password(
    run: Run, tmp_path: Path, closed_port: int, address: str, reason: str
) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear database, this is a letter and no page of yours. " * 100)
    where = address.format(port=closed_port, folder=tmp_path, file=file)

    said = refusal(run, "ledger", "audit", "--database", where)

    assert reason in said
    assert "s3cret" not in said


def test_a_file_in_place_of_a_folder_stops_migrate(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("no folder")

    said = refusal(run, "migrate", "--database", f"sqlite:///{tmp_path / 'var' / 'n.sqlite3'}")

    assert said.startswith("The database cannot be used")


def test_an_address_from_the_environment_is_checked_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_DATABASE__URL", "oracle://127.0.0.1/books")

    assert "SQLite or PostgreSQL" in refusal(run, "migrate")


@pytest.mark.parametrize("command", [("ledger", "audit"), ("migrate",), ("demo",)])
def test_a_setting_that_cannot_be_read_is_named_without_its_value(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("NERAVA_MONEY__CURRENCY", "s3cret dollars")

    said = refusal(run, *command)

    assert "NERAVA_MONEY__CURRENCY" in said
    assert "s3cret" not in said


def test_the_demo_says_a_taken_port_before_anything_else(run: Run, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        said = refusal(run, "demo", "--folder", tmp_path / "demo", "--port", str(port))

    assert f"something listens on 127.0.0.1:{port}" in said
    assert f'make demo ARGS="--port {port + 1}"' in said
    assert not (tmp_path / "demo").exists()


def test_under_production_rules_the_command_line_lets_nobody_in_as_ops(
    run: Run, books: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run("token", "ops:finance", str(new_id()), "--database", books)
    assert before.exit_code == 0, before.output
    monkeypatch.setenv("NERAVA_ENV", "production")

    said = refusal(run, "token", "ops:finance", str(new_id()), "--database", books)

    assert "Ops come in with a passkey" in said


@pytest.mark.parametrize("profile", ["production", "staging"])
def test_the_demo_does_not_run_beside_real_money(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setenv("NERAVA_ENV", profile)

    said = refusal(run, "demo", "--folder", tmp_path / "demo", "--no-serve")

    assert said.startswith("The demo does not start")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("NERAVA_OUTBOUND__CALLS", "[[["), ("NERAVA_DATABASE__URL", "postgresql+psycopg://a:s3cret@[::1/books")],
)
def test_a_setting_that_cannot_be_taken_apart_is_named_without_its_value(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    said = refusal(run, "ledger", "audit")

    assert said.startswith("The settings cannot be used")
    assert name.split("_")[1].lower() in said.lower()
    assert value not in said
    assert "s3cret" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_an_answer_that_cannot_be_written_is_told_in_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "nerava", "version"]
        told = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )

    assert told.stderr == "nerava: [Errno 28] No space left on device\n"
    assert told.returncode == 1


@pytest.mark.parametrize("id_", ["x", "01a208f5", "01A208F5-CD54-76E0-8BAB-5114DBBC0D72"])
@pytest.mark.parametrize("party", ["campaign", "merchant", "driver"])
def test_a_switch_that_would_stop_nobody_is_none(party: str, id_: str) -> None:
    with pytest.raises(UnknownSwitch):
        checked_name(f"{party}:{id_}")


def test_a_stop_without_a_reason_and_a_peer_without_an_id_are_refused(run: Run) -> None:
    assert "say why" in refusal(run, "switch", "on", "earn", "--reason", " ")
    assert "valid UUID" in refusal(run, "ocpi", "end", "nobody")
