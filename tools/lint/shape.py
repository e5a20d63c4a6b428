"""Rules of shape: how long, under which name, and nothing left for later."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tools.lint.source import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lint.source import Source

FILE_LINES_MAX: Final = 400
TEST_FILE_LINES_MAX: Final = 800
"""A file of tests is a list: it is read by its names, not from top to bottom."""
FUNCTION_LINES_MAX: Final = 70
_EMPTY_WORDS: Final = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
_KNOWN_NAME: Final = "tests/helpers"
_LATER: Final = re.compile(r"\b(TODO|FIXME|HACK)\b")


def long_files(source: Source) -> Iterator[Found]:
    """Find a file that nobody reads at one sitting."""
    lines = source.text.count("\n")
    at_most = TEST_FILE_LINES_MAX if source.path.name.startswith("test_") else FILE_LINES_MAX
    if lines > at_most:
        yield Found(1, f"{lines} lines, {at_most} at most: split it by role")


def long_functions(source: Source) -> Iterator[Found]:
    """Find functions that do not fit on a screen."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield Found(node.lineno, f"`{node.name}` has {lines} lines, {FUNCTION_LINES_MAX} at most")


def empty_names(source: Source) -> Iterator[Found]:
    """Find a module or folder whose name says nothing about what is in it."""
    # The known name is kept for whoever looks for it there; nothing else is excused by it.
    path = source.path.relative_to(_KNOWN_NAME) if source.under(_KNOWN_NAME) else source.path
    if path.name == "financial_helpers.py":
        return
    for part in (*path.parts[:-1], path.stem):
        if not _EMPTY_WORDS.isdisjoint(part.lower().split("_")):
            yield Found(1, f"`{part}` says nothing: name it for what it holds")


def left_for_later(source: Source) -> Iterator[Found]:
    """Find notes that put work off."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := _LATER.search(line):
            yield Found(number, f"{found.group()}: do it now, or open an issue")
