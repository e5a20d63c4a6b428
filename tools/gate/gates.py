"""Every gate there is, the quick ones first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.gate import dependencies, suite, trial
from tools.gate.verdict import Gate, all_of, python, tool

if TYPE_CHECKING:
    from tools.gate.verdict import Asked, Verdict


def lint(asked: Asked) -> Verdict:
    """Judge style, imports, own rules, dependencies and known traps."""
    commands = {
        "ruff check": [
            tool("ruff"),
            "check",
            "--quiet",
            "--output-format",
            "concise",
            "src",
            "tests",
            "tools",
        ],
        "ruff format": [tool("ruff"), "format", "--quiet", "--check", "src", "tests", "tools"],
        "own rules": python("-m", "tools.lint", "src", "tests"),
        "lint-imports": [tool("lint-imports")],
        "deptry": [tool("deptry"), "--no-ansi", "src"],
        "bandit": [tool("bandit"), "--quiet", "--recursive", "--configfile", "pyproject.toml", "src"],
    }
    return all_of(asked, commands)


def types(asked: Asked) -> Verdict:
    """Judge the types."""
    return all_of(asked, {"mypy": [tool("mypy"), "--no-error-summary"]}, timeout_s=900)


def routes(asked: Asked) -> Verdict:
    """Judge who may call what."""
    return all_of(asked, {"routes": python("-m", "tools.gate.surface", "routes")})


def openapi(asked: Asked) -> Verdict:
    """Judge the committed document of the API."""
    return all_of(asked, {"document": python("-m", "tools.gate.surface", "document")})


def secret_scan(asked: Asked) -> Verdict:
    """Judge that no secret stands in a tracked file."""
    return all_of(asked, {"scan": python("-m", "tools.gate.secret_scan", ".")})


GATES: Final = (
    Gate("lint", "style, imports, own rules, known traps", lint),
    Gate("types", "mypy, strict", types),
    Gate("routes", "every route was reviewed, and who may call it", routes),
    Gate("openapi", "the committed document is what the code does", openapi),
    Gate("locks", "requirements are pinned by hash and installed so", dependencies.pinned),
    Gate("vulnerabilities", "none is known in what is pinned", dependencies.vulnerable),
    Gate("secrets", "none stands in a tracked file", secret_scan),
    Gate("ledger", "books are right after a replay, on both databases", trial.books),
    Gate("boot", "starts and refuses under production's rules", trial.boot),
    Gate("migrations", "up, down, and no drift, on both databases", suite.migrations),
    Gate("tests", "the quick suite, on both databases", suite.tests),
    Gate("coverage", "lines and branches that tests run through", suite.coverage),
)
