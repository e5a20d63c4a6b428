"""A step of the schema that the version before could not live with is found before it is released."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

VERSIONS: Final = Path(__file__).resolve().parents[2] / "src" / "nerava" / "migrations" / "versions"
NOT_RELEASED_UNTIL: Final = "0036"
"""Steps up to this one came before anybody ran the product; nothing was ever live on what they change."""

CONTRACT: Final = "contract"
"""What the docstring of a step begins with that takes away what no living version reads or writes."""

TAKES_AWAY: Final = {"drop_column", "drop_table", "drop_constraint", "rename_table"}


def objections(source: str) -> list[str]:
    """Return what is wrong with a step, by the rules of docs/migrations.md."""
    tree = ast.parse(source)
    upgrade = next(one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade")
    if (ast.get_docstring(upgrade) or "").lower().startswith(CONTRACT):
        return []
    calls = [one for one in ast.walk(upgrade) if isinstance(one, ast.Call)]
    named = [(_name(one), one) for one in calls]
    made = {_first(one) for name, one in named if name == "create_table"}
    found = [name for name, _ in named if name in TAKES_AWAY]
    for name, call in named:
        given = {one.arg: one.value for one in call.keywords}
        if name == "alter_column" and ("new_column_name" in given or _is(given.get("nullable"), value=False)):
            found.append("alter_column")
        if name == "add_column" and any(_must_be_given(one) for one in ast.walk(call)):
            found.append("add_column")
        if (
            name in {"create_index", "create_check_constraint", "create_foreign_key"}
            and _table(call) not in made
        ):
            found.append(name)
        if name == "execute" and _text(call).split(" ")[0].upper() in {
            "UPDATE",
            "DELETE",
            "DROP",
            "TRUNCATE",
        }:
            found.append("execute")
    return found


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _is(node: ast.expr | None, *, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _must_be_given(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and _name(node) == "Column"):
        return False
    given = {one.arg: one.value for one in node.keywords}
    return _is(given.get("nullable"), value=False) and "server_default" not in given


def _first(call: ast.Call) -> object:
    return call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None


def _table(call: ast.Call) -> object:
    second = call.args[1] if len(call.args) > 1 else None
    return second.value if isinstance(second, ast.Constant) else None


def _text(call: ast.Call) -> str:
    texts = [
        one.value for one in ast.walk(call) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    return " ".join(" ".join(texts).split())


def step(body: str, docstring: str = "Add something.") -> str:
    """Return a step with such a body."""
    return f'def upgrade() -> None:\n    """{docstring}"""\n    {body}\n'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('op.drop_column("driver", "name")', ["drop_column"]),
        ('op.drop_table("driver")', ["drop_table"]),
        ('op.rename_table("driver", "person")', ["rename_table"]),
        ('op.alter_column("driver", "name", new_column_name="title")', ["alter_column"]),
        ('op.alter_column("driver", "name", nullable=False)', ["alter_column"]),
        ('op.add_column("driver", sa.Column("title", sa.String(9), nullable=False))', ["add_column"]),
        ('op.create_index("ix", "driver", ["title"])', ["create_index"]),
        ('op.create_check_constraint("ck", "driver", "a > 0")', ["create_check_constraint"]),
        ('op.execute(sa.text("UPDATE driver SET title = name"))', ["execute"]),
        ('op.add_column("driver", sa.Column("title", sa.String(9), nullable=True))', []),
        ('op.add_column("driver", sa.Column("n", sa.Integer(), nullable=False, server_default="0"))', []),
        (
            'op.create_table("new", sa.Column("id", sa.Integer()))\n    op.create_index("ix", "new", ["id"])',
            [],
        ),
    ],
)
def test_what_needs_a_pause_is_told_from_what_does_not(body: str, found: list[str]) -> None:
    assert objections(step(body)) == found


def test_a_step_that_contracts_says_so() -> None:
    assert objections(step('op.drop_column("driver", "name")', "Contract: nobody reads it since 1.4.")) == []


def test_no_step_since_the_first_release_needs_a_pause() -> None:
    released = [
        path for path in sorted(VERSIONS.glob("*.py")) if path.name.split("_")[3] > NOT_RELEASED_UNTIL
    ]
    wrong = {path.name: objections(path.read_text("utf-8")) for path in released}

    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_boundary_is_a_step_that_there_is() -> None:
    assert [path.name for path in VERSIONS.glob(f"*_{NOT_RELEASED_UNTIL}_*.py")] != []
