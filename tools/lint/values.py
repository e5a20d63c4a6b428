"""Rules of values: who reads the time, and no fractions of money."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from tools.lint.source import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lint.source import Source

_READS_TIME: Final = {
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime"},
}


def time_reads(source: Source) -> Iterator[Found]:
    """Find who reads the wall clock. Monotonic time is free: it measures, it is never stored."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            owner = (
                node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            )
            if node.attr in _READS_TIME.get(owner, ()):
                yield Found(node.lineno, f"`{owner}.{node.attr}` reads the time: take `now` from the caller")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            for name in node.names:
                if name.name in _READS_TIME["time"]:
                    yield Found(node.lineno, f"`time.{name.name}` reads the time: take `now` from the caller")


def floats(source: Source) -> Iterator[Found]:
    """Find binary fractions where money is counted: the type, a number, or a division that makes one."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Name(id="float"):
                yield Found(node.lineno, "`float` in a module of money: count in minor units")
            case ast.Constant(lineno=line, value=float(number)):
                yield Found(line, f"{number} is a binary fraction: count in minor units")
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield Found(node.lineno, "`/` makes a binary fraction: use `//` and say which way it rounds")
            case _:
                pass
