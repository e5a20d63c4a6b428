"""Each of the house's own rules catches what it is for, and leaves alone what is right."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tools.lint.__main__ import main
from tools.lint.exceptions import EXCEPTIONS
from tools.lint.run import CHECKS, excused, violations
from tools.lint.shape import FILE_LINES_MAX, FUNCTION_LINES_MAX, TEST_FILE_LINES_MAX
from tools.lint.source import Source, Violation

LATER = "TO" + "DO"
"""In two parts, or this file would break the rule it tests."""

SERVICE = "src/nerava/charging/service.py"
LEDGER = "src/nerava/ledger/lots.py"
MODEL = "src/nerava/merchants/model.py"

BROKEN = [
    ("unit-of-work", SERVICE, "session.commit()"),
    ("unit-of-work", SERVICE, "self.session.rollback()"),
    ("clock", SERVICE, "started_at = datetime.now(UTC)"),
    ("clock", SERVICE, "started_at = datetime.datetime.utcnow()"),
    ("clock", SERVICE, "day = date.today()"),
    ("clock", SERVICE, "stamp = time.time()"),
    ("clock", SERVICE, "from time import time_ns"),
    ("no-float", LEDGER, "def share(amount: int) -> float: ..."),
    ("no-float", LEDGER, "fee = amount * 0.15"),
    ("no-float", LEDGER, "fee = amount / 100"),
    ("no-float", LEDGER, "fee /= 100"),
    ("no-float", "src/nerava/kernel/money.py", "value = float(text)"),
    ("no-float", "src/nerava/rewards/rules/fixed.py", "points = energy_wh / 1_000"),
    ("sql", SERVICE, 'session.execute(text(f"SELECT id FROM driver WHERE name = {name}"))'),
    ("sql", SERVICE, 'cursor.execute("SELECT id FROM driver WHERE name = " + name)'),
    ("sql", SERVICE, 'cursor.execute("SELECT id FROM driver WHERE name = %s" % name)'),
    ("sql", SERVICE, 'cursor.execute("DELETE FROM {}".format(table))'),
    ("sql", SERVICE, 'query = f"UPDATE driver SET name = {name}"'),
    ("sql", SERVICE, 'clause = f"{column} = 1"\nsession.execute(text(clause))'),
    ("sql", SERVICE, 'clause = "state = 1"\nclause += f" AND id = {id}"\nsession.scalar(text(clause))'),
    ("sql", SERVICE, 'session.execute(text(f"{column} = 1"))'),
    (
        "value-rests-in-ledger",
        MODEL,
        "class Driver(Base):\n    balance: Mapped[int] = mapped_column(BigInteger())",
    ),
    ("value-rests-in-ledger", MODEL, "class Driver(Base):\n    points_left: Mapped[int]"),
    (
        "value-rests-in-ledger",
        MODEL,
        'campaign = Table("campaign", metadata, Column("budget_left", BigInteger()))',
    ),
    ("value-rests-in-ledger", MODEL, "class Hold(Base):\n    amount_available: Mapped[int | None]"),
    ("value-rests-in-ledger", MODEL, 'class A(Base):\n    rest = mapped_column("remaining", BigInteger())'),
    ("names", "src/nerava/charging/utils.py", '"""Doc."""'),
    ("names", "src/nerava/charging/session_manager.py", '"""Doc."""'),
    ("names", "src/nerava/common/money.py", '"""Doc."""'),
    ("names", "tests/charging/helpers/rows.py", '"""Doc."""'),
    ("names", "tests/helpers/session_utils.py", '"""Doc."""'),
    ("later", SERVICE, f"pass  # {LATER}: tomorrow"),
    ("file-length", SERVICE, "\n" * (FILE_LINES_MAX + 1)),
    ("file-length", "tests/charging/dirt.py", "\n" * (FILE_LINES_MAX + 1)),
    ("file-length", "tests/charging/test_dirt.py", "\n" * (TEST_FILE_LINES_MAX + 1)),
    ("function-length", SERVICE, "def long():\n" + "    call()\n" * FUNCTION_LINES_MAX),
    ("function-length", SERVICE, "async def long():\n" + "    call()\n" * FUNCTION_LINES_MAX),
]

CLEAN = [
    ("unit-of-work", "src/nerava/platform/db/unit_of_work.py", "session.commit()"),
    ("unit-of-work", "tests/ledger/test_attacks.py", "session.commit()"),
    ("unit-of-work", SERVICE, "database.run(work)"),
    ("clock", "src/nerava/kernel/clock.py", "now = datetime.now(UTC)"),
    ("clock", SERVICE, "now = clock.now()"),
    ("clock", SERVICE, "started_s = time.monotonic()"),
    ("clock", SERVICE, "def close(session, *, now: datetime): ..."),
    ("no-float", LEDGER, "fee = amount * fee_bps // 10_000"),
    ("no-float", "src/nerava/charging/model.py", "latitude: float"),
    ("sql", SERVICE, 'session.execute(text("SELECT 1 FROM driver WHERE id = :id"), {"id": driver_id})'),
    ("sql", SERVICE, 'cursor.execute("SELECT 1 " "FROM driver")'),
    ("sql", SERVICE, 'message = f"Update {name} of the select"\nraise Refused(message)'),
    ("sql", SERVICE, 'cursor.execute(sql.SQL("GRANT {} ON t").format(role))'),
    ("sql", "src/nerava/migrations/versions/2026_11_22_0001_ledger.py", 'op.execute(f"DROP TABLE {name}")'),
    ("value-rests-in-ledger", "src/nerava/ledger/model.py", 'Column("debit_available", BigInteger())'),
    ("value-rests-in-ledger", MODEL, "class Driver(Base):\n    price_nova: Mapped[int]"),
    ("value-rests-in-ledger", MODEL, "class Left(NamedTuple):\n    budget_left: int"),
    ("names", "src/nerava/charging/service.py", '"""Doc."""'),
    ("names", "tests/helpers/parallel.py", '"""Doc."""'),
    ("names", "tests/helpers/financial_helpers.py", '"""Doc."""'),
    ("later", SERVICE, "pass  # because the register answers first"),
    ("file-length", SERVICE, "\n" * FILE_LINES_MAX),
    ("file-length", "tests/charging/test_dirt.py", "\n" * TEST_FILE_LINES_MAX),
    ("function-length", SERVICE, "def long():\n" + "    call()\n" * (FUNCTION_LINES_MAX - 1)),
    ("function-length", "src/nerava/migrations/versions/x.py", "def upgrade():\n" + "    op()\n" * 500),
]


def broken(path: str, text: str) -> set[str]:
    return {one.check for one in violations(Source.of(path, text))}


@pytest.mark.parametrize(("check", "path", "text"), BROKEN)
def test_a_rule_catches_what_breaks_it(check: str, path: str, text: str) -> None:
    assert check in broken(path, text)


@pytest.mark.parametrize(("check", "path", "text"), CLEAN)
def test_a_rule_leaves_alone_what_is_right(check: str, path: str, text: str) -> None:
    assert check not in broken(path, text)


def test_every_rule_is_shown_both_ways() -> None:
    names = {check.name for check in CHECKS}

    assert {check for check, _, _ in BROKEN} == names
    assert {check for check, _, _ in CLEAN} == names


def test_a_violation_names_its_line() -> None:
    source = Source.of(SERVICE, "import time\n\n\nstamp = time.time()\n")

    (one,) = violations(source)

    assert str(one) == f"{SERVICE}:4: clock: `time.time` reads the time: take `now` from the caller"


def test_an_exception_excuses_one_rule_in_one_file() -> None:
    here = Violation("src/a.py", 3, "sql", "pieces")
    elsewhere = here._replace(path="src/b.py")
    another = here._replace(check="clock")

    left = list(
        excused([here, elsewhere, another], {("sql", "src/a.py"): "why"}, frozenset({"src/a.py", "src/b.py"}))
    )

    assert left == [elsewhere, another]


def test_an_exception_that_excuses_nothing_is_a_violation() -> None:
    (one,) = excused([], {("sql", "src/a.py"): "why"}, frozenset({"src/a.py"}))

    assert (one.path, one.check) == ("src/a.py", "sql")
    assert "no longer needed" in one.message


def test_an_exception_is_not_judged_when_its_file_was_not_looked_at() -> None:
    assert list(excused([], {("sql", "src/a.py"): "why"}, frozenset({"src/b.py"}))) == []


def test_every_exception_names_a_rule_and_says_why() -> None:
    assert {check for check, _ in EXCEPTIONS} <= {check.name for check in CHECKS}
    assert all(len(why.split()) >= 4 for why in EXCEPTIONS.values())


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with nothing wrong in it, as the current folder."""
    package = tmp_path / "src" / "nerava" / "charging"
    package.mkdir(parents=True)
    (package / "service.py").write_text('"""Closes sessions."""\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_ends_with_0_when_all_is_right(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["src"]) == 0
    assert "clean" in capsys.readouterr().out


def test_the_command_ends_with_1_and_names_the_place(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / SERVICE).write_text('"""Closes sessions."""\nsession.commit()\n', "utf-8")

    assert main(["src"]) == 1
    assert f"{SERVICE}:2: unit-of-work:" in capsys.readouterr().out


def test_the_command_wants_to_know_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "name the folders" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "index = https://py" + "pi.org/simple",
        "https://files.python" + "hosted.org/packages/a.whl",
        "resolved https://registry.npm" + "js.org/htmx",
        "see /home" + "/ada/nerava/README.md",
        "see /root" + "/nerava",
    ],
)
def test_no_file_says_where_packages_came_from_or_where_this_machine_keeps_things(
    repository: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "requirements.lock").write_text(f"uv==1.0\n{line}\n", "utf-8")

    assert main(["src"]) == 1
    assert "requirements.lock:2: addresses:" in capsys.readouterr().out


def test_the_path_of_the_checkout_itself_is_found(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "notes.md").write_text(f"it lies in {repository}\n", "utf-8")

    assert main(["src"]) == 1
    assert "notes.md:1: addresses: a path of a machine" in capsys.readouterr().out


def test_a_picture_is_no_text(repository: Path) -> None:
    (repository / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")

    assert main(["src"]) == 0


def test_composed_sql_is_found_inside_a_function() -> None:
    text = dedent("""
        def find(session, name):
            query = "SELECT id FROM driver WHERE name = '%s'" % name
            return session.execute(text(query))
    """)

    assert [one.line for one in violations(Source.of(SERVICE, text)) if one.check == "sql"] == [3, 4]
