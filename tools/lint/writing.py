"""Rules of writing to the database: who commits, how SQL is made, and where value may rest."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from tools.lint.source import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lint.source import Source

_ENDS: Final = {"commit", "rollback"}
_SINKS: Final = {
    "DDL",
    "exec_driver_sql",
    "execute",
    "executemany",
    "executescript",
    "mogrify",
    "scalar",
    "scalars",
    "text",
}
_SQL: Final = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w*\s*SET\b|UPDATE\s|DELETE\s+FROM\s|WITH\s+\w*|CREATE\s+(TABLE|TRIGGER|"
    r"INDEX|UNIQUE|ROLE|SCHEMA|DATABASE|FUNCTION)|ALTER\s+(TABLE|ROLE|DATABASE)|DROP\s+|TRUNCATE\s|PRAGMA\s|GRANT\s|"
    r"REVOKE\s|SET\s+LOCAL\s)"
)
_RESTS: Final = re.compile(
    r"(^|_)(balances?|budgets?|available|remaining|left|spent|wallet|outstanding)($|_)"
)


def commits(source: Source) -> Iterator[Found]:
    """Find who ends a transaction by itself."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ENDS:
            yield Found(node.lineno, f"`.{node.func.attr}()` belongs to the unit of work in platform/db")


def composed_sql(source: Source) -> Iterator[Found]:
    """Find SQL that is put together from pieces, where it is made or where it is executed."""
    composed = {name for name, value in _assigned(source.tree) if _is_composed(value)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.expr) and _is_composed(node) and _SQL.match(_head(node)):
            yield Found(node.lineno, "SQL is put together from pieces: bind the values instead")
        elif isinstance(node, ast.Call) and _called(node) in _SINKS and node.args:
            given = node.args[0]
            if (_is_composed(given) and not _SQL.match(_head(given))) or _name(given) in composed:
                yield Found(node.lineno, f"`{_called(node)}` is given a string put together from pieces")


def resting_value(source: Source) -> Iterator[Found]:
    """Find columns that look as if value rested in them."""
    for node in ast.walk(source.tree):
        line, column = _column(node)
        if _RESTS.search(column):
            yield Found(line, f"column `{column}`: value rests in the ledger and nowhere else")


def _column(node: ast.AST) -> tuple[int, str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
            if "Mapped[" in ast.unparse(annotation):
                return node.lineno, name
        case ast.Call(args=[ast.Constant(value=str(name)), *_]):
            if _called(node) in {"Column", "mapped_column"}:
                return node.lineno, name
        case _:
            pass
    return 0, ""


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                yield from ((name, value) for name in map(_name, targets) if name)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.AugAssign(target=target, value=value)
            ):
                if name := _name(target):
                    yield name, value
            case _:
                pass


def _is_composed(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr(values=values):
            return any(isinstance(part, ast.FormattedValue) for part in values)
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod()):
            return _is_text(left) or _is_composed(left)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="format" | "join")):
            return True
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _head(node: ast.expr) -> str:
    """Return the fixed text that a composed string begins with."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
        case ast.BinOp(left=left):
            return _head(left)
        case (
            ast.Constant(value=str(text)) | ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text))))
        ):
            return text
        case _:
            return ""


def _called(node: ast.Call) -> str:
    return _name(node.func)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
