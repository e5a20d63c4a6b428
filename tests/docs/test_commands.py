"""What the docs tell people to type is there, and works: commands run, addresses and files exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
from typer.main import get_command

from nerava.__main__ import app
from tests.commands.conftest import Run, run
from tools.docs_hooks import MARK, on_page_markdown

__all__ = ["run"]

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
DESIGN: Final = sorted((ROOT / "docs" / "adr").glob("*.md"))
BOOKS: Final = "books.backup"

NOT_RUN: Final = {
    "bench": "measures for minutes; tests/commands/test_bench.py",
    "campaigns dry-run": "needs a campaign; tests/commands/test_campaigns.py",
    "data fetch": "asks a package index; tests/commands/test_data.py",
    "demo": "serves until it is ended; tests/commands/test_demo.py",
    "hubspot": "needs an account; the tests of the CRM",
    "import": "needs a file or a directory's key; tests/commands/test_imports.py",
    "migrate --role": "needs PostgreSQL; tests/commands/test_setup.py",
    "ocpi": "needs a peer; tests/http/test_ocpi_peers.py",
    "reconcile": "needs a provider; tests/commands/test_reconcile.py",
    "replay --file": "needs one's own recording; tests/commands/test_replay.py",
    "restore books.backup --database postgresql": "needs PostgreSQL; tests/commands/test_backing_up.py",
    "serve": "serves until it is ended; tests/http/test_serving.py",
    "simulators": "serves until it is ended; tests/simulators",
    "token": "needs to know who it is for; tests/http",
    "work": "works until it is ended; tests/chaos/test_r30_rolling.py",
}
"""By its beginning, what cannot be run as it stands here, and what runs it instead."""

KEEPS: Final = ("migrate", "replay --dataset sample", "keys new", "ledger seal", f"backup {BOOKS}")
"""What comes first, because the others look at what it makes."""


def blocks(page: Path) -> list[str]:
    """Return the lines that a page shows as something to type or to write down."""
    text = page.read_text("utf-8")
    fenced = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    return [*indented, *"\n".join(fenced).replace("\\\n", " ").splitlines()]


def commands() -> list[str]:
    """Return every command of ours on the pages, in blocks and in sentences, without its comment, once."""
    found = []
    for page in [*PAGES, *DESIGN]:
        shown = [
            *blocks(page),
            *re.findall(r"`(nerava [^`]+)`", " ".join(page.read_text("utf-8").split("\n"))),
        ]
        for line in shown:
            text = re.sub(r"\s+#\s.*|\s&&\s.*", "", " ".join(line.split())).strip()
            if text.startswith("nerava "):
                found.append(text.removeprefix("nerava "))
    return list(dict.fromkeys(found))


def refused_to_run(command: str) -> bool:
    """Whether a command is one of those that cannot run here."""
    return any(command == one or command.startswith(f"{one} ") for one in NOT_RUN) or any(
        command.startswith(one) for one in NOT_RUN if " " in one
    )


@pytest.mark.parametrize("command", commands())
def test_every_command_and_every_option_exists(command: str) -> None:
    words = shlex.split(command)
    here: Any = get_command(app)
    context = here.make_context("nerava", [], resilient_parsing=True)
    while words and hasattr(here, "get_command"):
        below = here.get_command(context, words[0])
        assert below is not None, f"there is no {command}"
        here, words = below, words[1:]
    known = {option for parameter in here.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known | {"--help"}


def test_commands_work_as_they_stand_there(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERAVA_ENV", "development")
    monkeypatch.setenv("NERAVA_DATABASE__URL", f"sqlite:///{tmp_path / 'var' / 'nerava.sqlite3'}")
    told = [one for one in commands() if not refused_to_run(one)]
    complete = [one for one in told if not re.search(r"[A-Z]{4,}|…|[{<\[|]", one)]
    assert len(complete) > len(KEEPS) + 6

    for command in [*KEEPS, *(one for one in complete if one not in KEEPS)]:
        done = run(*shlex.split(command))
        group = done.exit_code == 2 and "Usage:" in done.output  # `nerava import` alone names its parts.
        assert done.exit_code == 0 or group, f"nerava {command}\n{done.output}"


def test_what_is_not_run_is_still_on_a_page() -> None:
    assert [one for one in NOT_RUN if not any(each.startswith(one) for each in commands())] == []


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text("utf-8")
        named = {line.split()[1] for line in blocks(page) if line.startswith("make ")}
        named |= set(re.findall(r"`make (\w+)", text))
        assert named <= targets, page.name


def test_addresses_of_the_api_exist() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    known = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"
        for path, item in document["paths"].items()
        for method in item
    }
    for page in PAGES:
        named = re.findall(r"`(GET|POST|PUT|PATCH|DELETE)\s+(/v1/[\w/{}.-]+)", page.read_text("utf-8"))
        gone = [
            f"{method} {path}"
            for method, path in named
            if f"{method} {re.sub(r'{[^}]*}', '{}', path)}" not in known
        ]
        assert gone == [], page.name


def test_files_of_the_repository_that_are_named_exist() -> None:
    for page in PAGES:
        named = re.findall(r"`((?:src|tests|tools|deploy|docs)/[\w/.-]+)`", page.read_text("utf-8"))
        assert [one for one in named if not (ROOT / one).exists()] == [], page.name


def test_the_reference_lists_every_operation() -> None:
    folder = ROOT / "docs"
    page = on_page_markdown((folder / "api.md").read_text(), config={"docs_dir": str(folder)})
    document = json.loads((folder / "openapi.json").read_text("utf-8"))
    operations = [
        f"`{method.upper()} {path}`"
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    ]

    assert MARK not in page
    assert len(operations) > 100
    assert [one for one in operations if one not in page] == []
