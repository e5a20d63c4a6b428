"""The application's own PostgreSQL role: it owns nothing and may do only what each table allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psycopg import sql
from sqlalchemy import inspect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

Action = Literal["SELECT", "INSERT", "DELETE"]


@dataclass(frozen=True, slots=True)
class TableRights:
    """What the application may do with one table.

    Attributes:
        actions: What it may do with whole rows.
        updates: The columns it may change; empty for none. Locking a row needs one of them.
    """

    table: str
    actions: tuple[Action, ...] = ("SELECT", "INSERT")
    updates: tuple[str, ...] = ()


def grant_application_role(session: Session, role: str, guarded: Iterable[TableRights]) -> None:
    """Make `role` the application's role in the session's database. Repeats safely.

    The role can log in and owns nothing; it is created where the server has none of that name.
    It loses whatever it had on the tables and gets what `guarded` says; on a table that `guarded`
    does not name it may read and write every row. It can create nothing, so it can neither drop a
    trigger nor put another table in the place of one of ours. PostgreSQL only, by the tables' owner.
    """
    cursor = session.connection().connection.cursor()
    name = sql.Identifier(role)
    known = cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if known is None:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    cursor.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(name))
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
    rights = {one.table: one for one in guarded}
    for table in inspect(session.connection()).get_table_names():
        for order in _grants(rights.get(table), table):
            cursor.execute(sql.SQL("GRANT {} ON {} TO {}").format(order, sql.Identifier(table), name))


def _grants(rights: TableRights | None, table: str) -> list[sql.Composable]:
    if table == "alembic_version":  # The schema is the owner's to change, so is the note about it.
        return [sql.SQL("SELECT")]
    if rights is None:
        return [sql.SQL("SELECT, INSERT, UPDATE, DELETE")]
    orders: list[sql.Composable] = [sql.SQL(action) for action in rights.actions]
    if rights.updates:
        columns = sql.SQL(", ").join(map(sql.Identifier, rights.updates))
        orders.append(sql.SQL("UPDATE ({})").format(columns))
    return orders
