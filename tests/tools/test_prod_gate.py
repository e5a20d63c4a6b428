"""Each gate fails for what it is there for, and only what was looked at and found right is a pass."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.gate import dependencies, suite
from tools.gate.__main__ import FAILED, NOT_LOOKED_AT, PASSED, ROOT, USAGE, main
from tools.gate.gates import GATES
from tools.gate.secret_scan import SHAPES, scan
from tools.gate.verdict import Asked, Gate, State, Verdict, ask, failed, passed, python, skipped
from tools.lint.tracked import tracked_files


def saying(name: str, verdict: Verdict) -> Gate:
    return Gate(name, "a test", lambda _asked: verdict)


def breaking(_asked: Asked) -> Verdict:
    message = "no such thing"
    raise FileNotFoundError(message)


# --- what becomes of the verdicts ---


@pytest.mark.parametrize(
    ("verdicts", "arguments", "status", "words"),
    [
        ([passed(), passed()], [], PASSED, "passed"),
        ([passed(), failed("why", "said so")], [], FAILED, "failed: two"),
        ([failed("why"), skipped("why")], ["--allow-skipped", "two"], FAILED, "failed: one"),
        ([passed(), skipped("why")], [], NOT_LOOKED_AT, "not looked at: two"),
        ([passed(), skipped("why")], ["--allow-skipped", "one"], NOT_LOOKED_AT, "not looked at: two"),
        ([passed(), skipped("why")], ["--allow-skipped", "two"], PASSED, "not looked at, as allowed: two"),
        ([passed(), failed("why")], ["--only", "one"], PASSED, "passed; 1 of 2 gates were asked"),
        ([passed(), failed("why")], ["--only", "two"], FAILED, "failed: two"),
        ([passed(), failed("why")], ["--only", "three"], USAGE, "no such gate: three"),
        ([passed(), failed("why")], ["--only", "one", "--allow-skipped", "x"], USAGE, "no such gate: x"),
    ],
)
def test_the_status_is_that_of_the_worst_verdict(
    verdicts: list[Verdict], arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = [saying(name, one) for name, one in zip(("one", "two"), verdicts, strict=True)]
    assert main(arguments, gates) == status
    shown = capsys.readouterr()
    assert words in shown.out + shown.err


def test_the_table_says_what_became_of_each_and_what_a_failed_one_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([], [saying("one", passed("12 checks")), saying("two", failed("a reason", "first\nlast line"))])
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert ["gate", "verdict", "seconds"] in rows
    assert ["one", "passed", "0.0", "12", "checks"] in rows
    assert ["two", "failed", "0.0", "a", "reason"] in rows
    assert "last line" in shown


def test_a_gate_that_breaks_has_failed_and_the_others_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], [Gate("one", "a test", breaking), saying("two", passed())]) == FAILED
    shown = capsys.readouterr().out
    assert "the gate itself broke: FileNotFoundError" in shown
    assert "failed: one\n" in shown


@pytest.mark.parametrize("value", ["0", "101", "ninety", "-1"])
def test_a_threshold_that_is_none_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COVERAGE_THRESHOLD", value)
    assert main([], [saying("one", passed())]) == USAGE
    assert "COVERAGE_THRESHOLD" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "percent"), [(None, 90), ("97", 97)])
def test_the_threshold_is_the_projects_unless_another_is_given(
    given: str | None, percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_THRESHOLD", raising=False)
    if given is not None:
        monkeypatch.setenv("COVERAGE_THRESHOLD", given)
    seen: list[Asked] = []
    main([], [Gate("one", "a test", lambda asked: seen.append(asked) or passed())])
    assert seen[0].threshold_percent == percent


def test_a_command_that_is_missing_or_does_not_end_has_failed(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    assert ask(asked, ["no-such-program"]).code == 127
    assert ask(asked, python("-c", "import time; time.sleep(30)"), timeout_s=1).code == 124


def test_the_script_is_the_same_thing() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "prod_gate.sh", "--only", "locks"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == PASSED, done.stdout + done.stderr
    assert "passed; 1 of 12 gates were asked" in done.stdout


# --- gates that need no copy of everything ---


def test_a_vulnerability_fails_and_what_was_not_found_was_not_looked_at() -> None:
    clean = {"name": "a", "version": "1", "vulns": []}
    unknown = {"name": "b", "skip_reason": "not found"}
    known = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1"}]}
    assert dependencies.judged({"dependencies": [clean]}).state is State.PASSED
    assert dependencies.judged({"dependencies": [clean, unknown]}) == skipped("1 of 2 could not be looked up")
    assert dependencies.judged({"dependencies": []}).state is State.SKIPPED
    worst = dependencies.judged({"dependencies": [clean, unknown, known]})
    assert (worst.state, worst.said) == (State.FAILED, "c 2: CVE-1")


def test_an_answer_that_is_no_report_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "python", lambda *_: [sys.executable, "-c", "print('no answer')"])
    assert dependencies.vulnerable(Asked(ROOT)).state is State.SKIPPED


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """A folder with the lock files."""
    for name in dependencies.LOCKS:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("alembic==", "alembic==0.", "is pinned"),
        ("alembic==", "alembic>=", "not pinned by a hash"),
        ("alembic==", "nothing-of-this-name==", "nothing is installed"),
    ],
)
def test_what_is_not_pinned_or_not_installed_so_fails(locks: Path, old: str, new: str, words: str) -> None:
    assert dependencies.pinned(Asked(locks)).state is State.PASSED
    lock = locks / "requirements.lock"
    lock.write_text(lock.read_text().replace(old, new, 1))
    verdict = dependencies.pinned(Asked(locks))
    assert verdict.state is State.FAILED
    assert words in verdict.said


LEAKS = {
    "private key": "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hs0Zs5Ds8Qm2l7a9Kq\n",
    "access key of AWS": "AKIA" + "Q3EGRZ7WYL5TPX2M",
    "live key of Stripe": "sk_live_" + "51H8xQbCdEfGhIjKl",
    "secret of a webhook": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "live key of ours": "nvk_live_" + "0193ab_" + "q7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0",
    "refresh token of ours": "nvr_" + "q7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0aBcDeFgH",
    "token of GitHub": "ghp_" + "q7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0aBcD",
    "token of Slack": "xoxb-" + "123456789012-q7Zt0Lx4Wm9Rb2",
    "key of Google": "AIza" + "SyQ7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0z",
    "key-encryption key": "kek_2026_01:" + "q7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0aBcDeFgHiJk=",
    "token that is signed": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEi.eyJzdWIiOiJkcml2ZXIiLCJleHAiOjF9." + "q7" * 30,
    "secret in a setting": "NERAVA_SECRETS__SEAL=" + "q7Zt0Lx4Wm9Rb2Yc5Vn8Jd1Ks6Hf3Gp0aBcDeFgHiJk=",
}
"""One of each shape, in pieces, so that this file is clean."""


@pytest.mark.parametrize("what", LEAKS)
def test_a_secret_is_found_by_its_shape_and_not_repeated(tmp_path: Path, what: str) -> None:
    (tmp_path / "notes.md").write_text(f"first line\nit is {LEAKS[what]}\n")
    found = list(scan(tmp_path))
    assert ("notes.md", 2, what) in found
    assert not any(LEAKS[what][-12:] in str(one) for one in found)


def test_every_shape_is_shown_and_what_was_made_up_is_left_alone(tmp_path: Path) -> None:
    assert set(LEAKS) == set(SHAPES)
    (tmp_path / "notes.md").write_text("AKIA" + "IOSFODNN7EXAMPLE\nsk_live_" + "x" * 24)
    assert list(scan(tmp_path)) == []


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout of one module and one test, half of which is run through."""
    package = tmp_path / "src" / "nerava" / "ledger"
    package.mkdir(parents=True)
    (tmp_path / "src" / "nerava" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("def one():\n    return 1\n")
    (package.parent / "two.py").write_text("def two(x):\n    if x:\n        return 1\n    return 2\n")
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        "import pytest\nfrom nerava.ledger.one import one\nfrom nerava.two import two\n\n"
        "@pytest.mark.parametrize('on', ['sqlite', 'postgresql'])\n"
        "def test_it(on):\n    assert one() == two(1) == 1\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = src\naddopts = --cov-fail-under=90\n")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_tests_and_coverage_are_judged_apart(small: Path) -> None:
    asked = Asked(small, threshold_percent=60, processes=0)
    nothing = suite.coverage(asked)
    assert (nothing.state, nothing.why) == (State.FAILED, "nothing was counted: run the gate `tests` first")

    assert suite.tests(asked) == passed("2 on both databases")
    assert suite.coverage(asked).state is State.PASSED
    assert suite.coverage(Asked(small, threshold_percent=90)).state is State.FAILED

    ledger = small / "src" / "nerava" / "ledger" / "one.py"
    ledger.write_text(ledger.read_text() + "\n\ndef more():\n    return 2\n")
    assert suite.tests(Asked(small, tests=("tests",), processes=0)).state is State.SKIPPED, (
        "a part is no pass"
    )
    gap = suite.coverage(Asked(small, threshold_percent=30))
    assert (gap.state, gap.why) == (State.FAILED, "the ledger is not covered whole")

    test = small / "tests" / "test_it.py"
    test.write_text(test.read_text().replace("'sqlite', 'postgresql'", "'sqlite'"))
    one_only = suite.tests(asked)
    assert (one_only.state, one_only.why) == (State.FAILED, "nothing ran on postgresql")


# --- every gate that looks at the whole, in a copy with one thing broken ---


def replaced(path: str, old: str, new: str) -> Callable[[Path], object]:
    def change(copy: Path) -> None:
        text = (copy / path).read_text("utf-8")
        assert old in text, f"{path} has changed: this mutation has to be thought over"
        (copy / path).write_text(text.replace(old, new, 1), "utf-8")

    return change


def appended(path: str, text: str) -> Callable[[Path], object]:
    def change(copy: Path) -> None:
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


WRONG_TYPE = '\n\ndef spelled(amount: int) -> str:\n    """Return an amount as text."""\n    return amount\n'
MUTATIONS = {
    "lint": appended("src/nerava/kernel/money.py", "\nimport os\n"),
    "types": appended("src/nerava/kernel/money.py", WRONG_TYPE),
    "routes": replaced("src/nerava/policy.toml", "browsers report without credentials", "anybody may"),
    "openapi": replaced("docs/openapi.json", '"title": "Nerava"', '"title": "Nirvana"'),
    "locks": replaced("requirements.lock", "alembic==", "alembic==0."),
    "secrets": lambda copy: (copy / "notes.md").write_text(LEAKS["live key of Stripe"]),
    "ledger": replaced(
        "src/nerava/ledger/templates/session_reward.py",
        "transfer(campaign_budget(campaign), NOVA_RESERVE, grant.points)",
        "transfer(campaign_budget(campaign), NOVA_RESERVE, max(1, grant.points - 1))",
    ),
    "boot": replaced(
        "src/nerava/startup_checks/checking.py", "        *secret_values.secret_values(settings),\n", ""
    ),
    "migrations": replaced(
        "src/nerava/migrations/versions/2026_11_23_0035_key_rotation.py",
        'op.drop_table("key_rotation")',
        "op.f('x')",
    ),
    "tests": appended(
        "tests/platform/test_types.py", "\n\ndef test_it_is_broken() -> None:\n    raise ValueError\n"
    ),
}
"""By gate, what breaks. `vulnerabilities` and `coverage` are shown above."""
CHEAP = ("routes", "openapi", "locks", "secrets")
PART = ("--tests", "tests/platform/test_types.py", "tests/platform/test_unit_of_work.py")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that git tracks."""
    for name in tracked_files(ROOT):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def verdicts(copy: Path, *names: str) -> dict[str, str]:
    """Return what the gates say of a copy, by their name, as the table has it."""
    wanted = [part for name in names for part in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tools.gate", "--root", copy, *wanted, *PART],
        cwd=copy, env={**os.environ, "PYTHONPATH": f"{copy}:{copy / 'src'}"}, capture_output=True, text=True,
        timeout=1_800, check=False,
    )  # fmt: skip
    rows = [line.split() for line in done.stdout.splitlines()]
    found = {row[0]: row[1] for row in rows if len(row) > 2 and row[0] in names and row[1] in set(State)}
    assert set(found) == set(names), done.stdout + done.stderr
    failures = [name for name, state in found.items() if state == State.FAILED]
    assert (done.returncode == FAILED) == bool(failures), done.stdout
    return found


def test_every_gate_is_broken_once() -> None:
    assert {one.name for one in GATES} == {*MUTATIONS, "vulnerabilities", "coverage"}


@pytest.mark.chaos  # some minutes: every gate that looks at the whole, on a whole copy
@pytest.mark.timeout(3_600)
def test_a_copy_as_it_is_passes(copy: Path) -> None:
    found = verdicts(copy, *MUTATIONS)
    assert found == {name: "skipped" if name == "tests" else "passed" for name in MUTATIONS}


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("gate", MUTATIONS)
def test_one_thing_broken_fails_this_gate_and_no_other(copy: Path, gate: str) -> None:
    MUTATIONS[gate](copy)
    found = verdicts(copy, *dict.fromkeys((gate, *CHEAP)))
    assert [name for name, state in found.items() if state == State.FAILED] == [gate]


@pytest.mark.parametrize("gate", ["locks", "secrets"])
def test_one_thing_broken_fails_one_gate_also_in_the_quick_form(tmp_path: Path, gate: str) -> None:
    for name in (*dependencies.LOCKS, "pytest.ini"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    MUTATIONS[gate](tmp_path)
    found = verdicts(tmp_path, "locks", "secrets")
    assert found == {"locks": "passed", "secrets": "passed"} | {gate: "failed"}


def test_a_report_of_vulnerabilities_is_read_from_what_the_tool_prints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = json.dumps(
        {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-2"}]}], "fixes": []}
    )
    script = f"print('Found 1'); print('''{report}'''); raise SystemExit(1)"
    monkeypatch.setattr(dependencies, "python", lambda *_: [sys.executable, "-c", script])
    assert dependencies.vulnerable(Asked(ROOT)).why == "1 known vulnerabilities"
