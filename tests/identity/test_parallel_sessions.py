"""A user has as many sessions of a kind as allowed, however many are opened at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import SessionKind
from nerava.identity.sessions import TERMS
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from tests.helpers.parallel import in_parallel
from tests.identity.prover import Prover, open_prover


@pytest.fixture
def prover(database: Database, tmp_path: Path) -> Iterator[Prover]:
    with open_prover(database, tmp_path) as opened:
        yield opened


def _driver(prover: Prover) -> UUID:
    return prover.holder().user_id


def _of_ops_without_an_account(prover: Prover) -> UUID:
    ops, now = new_id(), prover.desk.now
    membership = Membership(Role.OPS_SUPPORT)
    prover.desk.database.run(lambda session: grant_role(session, ops, membership, granted_by="test", now=now))
    return ops


@pytest.mark.parametrize("somebody", [_driver, _of_ops_without_an_account])
def test_of_twenty_sessions_opened_at_once_ten_are_left(
    prover: Prover, somebody: Callable[[Prover], UUID]
) -> None:
    user_id, now = somebody(prover), prover.desk.now

    in_parallel(
        20,
        lambda _: prover.desk.database.run(
            lambda session: prover.sessions.open(session, user_id, amr=("sms",), now=now)
        ),
    )

    still_open = prover.desk.database.read(lambda session: prover.sessions.list(session, user_id, now))
    assert len(still_open) == TERMS[SessionKind.APP].parallel
