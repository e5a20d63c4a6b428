"""The demo's links for ops: good once, for ten minutes, for people of ops, and counted as a passkey."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from nerava.audit import AuditLog
from nerava.identity.messages import MethodOff
from nerava.identity.ops_links import LIFE, OpsLinkOver
from nerava.identity.proving import Methods, put_together
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.standing import standing_of
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from tests.helpers.parallel import in_parallel
from tests.identity.desk import asker
from tests.identity.prover import Prover, open_prover

OPS = new_id()


@pytest.fixture
def prover(database: Database, tmp_path: Path) -> Iterator[Prover]:
    with open_prover(database, tmp_path) as opened:
        role = Membership(Role.OPS_FINANCE)
        database.run(lambda session: grant_role(session, OPS, role, granted_by="test", now=opened.desk.now))
        yield opened


def test_a_link_opens_one_session_of_ops_however_many_come(prover: Prover) -> None:
    token = prover.proving.ops_links.make(OPS, prover.desk.now)

    def come(number: int) -> bool:
        try:
            prover.proving.ops_links.open(token, asker(number), prover.desk.now)
        except OpsLinkOver:
            return False
        return True

    assert in_parallel(16, come).count(True) == 1
    [session_id] = prover.desk.rows("SELECT id FROM auth_session")[0]
    standing = prover.desk.database.read(lambda session: standing_of(session, UUID(str(session_id))))
    assert standing is not None
    assert standing.methods == ("ops-link",)
    assert (standing.strong_at, standing.passkey_at) == (prover.desk.now, prover.desk.now)
    assert token.encode() not in bytes(prover.desk.rows("SELECT token_hash FROM ops_link")[0][0])


def test_the_session_ends_after_eight_hours(prover: Prover) -> None:
    token = prover.proving.ops_links.make(OPS, prover.desk.now)
    holder = prover.holder(prover.proving.ops_links.open(token, asker(), prover.desk.now))
    assert prover.standing(holder).expires_at - prover.desk.now == timedelta(hours=8)


def test_a_link_is_over_after_ten_minutes(prover: Prover) -> None:
    token = prover.proving.ops_links.make(OPS, prover.desk.now)
    with pytest.raises(OpsLinkOver):
        prover.proving.ops_links.open(token, asker(), prover.desk.now + LIFE)


def test_a_link_of_nobody_of_ops_and_one_never_made_open_nothing(prover: Prover) -> None:
    for token in (prover.proving.ops_links.make(new_id(), prover.desk.now), "never-made"):
        with pytest.raises(OpsLinkOver):
            prover.proving.ops_links.open(token, asker(), prover.desk.now)
    assert prover.desk.count("auth_session") == 0


def test_the_first_passkey_of_ops_is_added_on_the_session_of_a_link(prover: Prover) -> None:
    token = prover.proving.ops_links.make(OPS, prover.desk.now)
    holder = prover.holder(prover.proving.ops_links.open(token, asker(), prover.desk.now))
    authenticator, passkeys = prover.with_passkey(holder), prover.proving.passkeys
    ceremony = passkeys.begin_sign_in(prover.desk.now)
    opened = passkeys.sign_in(ceremony.id, authenticator.answer(ceremony.options), asker(), prover.desk.now)
    assert prover.standing(prover.holder(opened)).user_id == OPS


def test_where_links_are_off_none_is_taken(prover: Prover) -> None:
    methods = Methods(party=None, issuers={}, ops_links=False)
    off = put_together(prover.desk.desk, prover.sessions, AuditLog(), methods)
    with pytest.raises(MethodOff):
        _ = off.ops_links
