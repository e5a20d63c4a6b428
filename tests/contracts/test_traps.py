"""Every trap of an outside system that we know has a test that shows it."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parents[1]


def listed() -> dict[str, str]:
    """Return the traps of all providers, from the modules `traps_<provider>` beside this one."""
    found: dict[str, str] = {}
    for file in sorted(Path(__file__).parent.glob("traps_*.py")):
        traps: dict[str, str] = import_module(f"tests.contracts.{file.stem}").TRAPS
        assert not found.keys() & traps.keys(), file.name
        found |= traps
    return found


def shown() -> set[str]:
    """Return the ids that tests are marked with."""
    ids = set()
    for file in TESTS.rglob("*.py"):
        text = file.read_text("utf-8")
        if "mark.trap(" not in text:
            continue
        for node in ast.walk(ast.parse(text, str(file))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "trap"
            ):
                ids |= {str(one.value) for one in node.args if isinstance(one, ast.Constant)}
    return ids


def test_every_trap_has_a_test_and_every_marked_test_a_trap() -> None:
    traps = listed()
    of_listed_providers = {one for one in shown() if one[0] in {trap[0] for trap in traps}}
    assert traps.keys() == of_listed_providers


def test_a_trap_is_told_in_one_sentence() -> None:
    assert [told for told in listed().values() if not (told.endswith(".") and len(told) <= 120)] == []
