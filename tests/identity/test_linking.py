"""Google and Apple are linked by who is signed in, on that session, to one account each, and never locked out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nerava.identity.factors import Holder, LastPasskey
from nerava.identity.issuer_keys import IssuerKeys
from nerava.identity.linking import IdentityTaken, LastWayIn, Linked, ProviderLinked
from nerava.identity.oidc import Answer, Begun, InvalidIdToken, Issuer, Provider
from nerava.identity.user_store import NoAccount
from nerava.integrations.issuer_keys import IssuerKeysOverHttp
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.problem import NotFound
from tests.helpers.issuer import CLIENT, FakeIssuer, open_issuer
from tests.helpers.parallel import in_parallel
from tests.identity.desk import ANN, MAIL, asker
from tests.identity.prover import Prover, open_prover


@pytest.fixture
def google() -> Iterator[FakeIssuer]:
    with open_issuer() as opened:
        yield opened


@pytest.fixture
def prover(database: Database, tmp_path: Path, google: FakeIssuer) -> Iterator[Prover]:
    keys = IssuerKeys(IssuerKeysOverHttp(google.url))
    with open_prover(
        database, tmp_path, {Provider.GOOGLE: Issuer(Provider.GOOGLE, frozenset({CLIENT}), keys)}
    ) as opened:
        yield opened


def answered(prover: Prover, google: FakeIssuer, begun: Begun, **claims: Any) -> Answer:
    """Return an ID token that answers a nonce."""
    token = google.token(begun.nonce, prover.desk.now.timestamp(), **claims)
    return Answer(begun.state_id, begun.client_token, token)


def link(prover: Prover, google: FakeIssuer, holder: Holder, **claims: Any) -> Linked:
    """Link a Google account to somebody."""
    begun = prover.proving.identities.begin(holder, Provider.GOOGLE, prover.desk.now)
    return prover.proving.identities.link(holder, answered(prover, google, begun, **claims), prover.desk.now)


def enter(prover: Prover, google: FakeIssuer, **claims: Any) -> Holder:
    """Sign in by Google."""
    tokens, now = prover.proving.id_tokens, prover.desk.now
    begun = tokens.begin(Provider.GOOGLE, now)
    return prover.holder(tokens.enter(answered(prover, google, begun, **claims), asker(9), now))


def own(prover: Prover, holder: Holder) -> list[Linked]:
    """Return what is linked to somebody."""
    return prover.desk.database.read(lambda session: prover.proving.identities.of(session, holder.user_id))


def test_who_links_google_comes_in_by_google_and_is_told_so(prover: Prover, google: FakeIssuer) -> None:
    ann = prover.holder()
    prover.desk.wait(minutes=1)
    prover.desk.enter(ANN, 3)
    assert prover.open_sessions() == 2
    linked = link(prover, google, ann)

    assert own(prover, ann) == [linked]
    assert prover.open_sessions() == 1
    assert enter(prover, google).user_id == ann.user_id
    assert link(prover, google, ann, email="other@example.org") == linked
    prover.desk.deliver()
    told = [text for _, _, text in prover.desk.pigeon.brought if text.startswith("Google was linked")]
    assert len(told) == 1
    found = prover.desk.rows("SELECT reason FROM audit_entry WHERE action = 'identity.link'")
    assert [tuple(row) for row in found] == [("google",)]


def test_what_is_somebody_elses_is_a_plain_refusal_and_one_of_a_provider_is_enough(
    prover: Prover, google: FakeIssuer
) -> None:
    bob, ann = enter(prover, google), prover.holder()
    with pytest.raises(IdentityTaken):
        link(prover, google, ann)
    assert own(prover, ann) == []
    link(prover, google, ann, sub="2290")
    with pytest.raises(ProviderLinked):
        link(prover, google, ann, sub="3310")
    assert len(own(prover, ann)) == len(own(prover, bob)) == 1


def test_a_nonce_is_good_for_its_own_session_and_purpose_only(prover: Prover, google: FakeIssuer) -> None:
    identities, tokens, now = prover.proving.identities, prover.proving.id_tokens, prover.desk.now
    ann, bob = prover.holder(), prover.holder(prover.desk.enter(MAIL, 2))
    prover.desk.wait(minutes=1)
    again = prover.holder(prover.desk.enter(ANN, 3))
    now = prover.desk.now
    anns = answered(prover, google, identities.begin(ann, Provider.GOOGLE, now))
    for other in (bob, again):
        with pytest.raises(InvalidIdToken):
            identities.link(other, anns, now)
    with pytest.raises(InvalidIdToken):
        tokens.enter(anns, asker(4), now)
    with pytest.raises(InvalidIdToken):
        identities.link(ann, answered(prover, google, tokens.begin(Provider.GOOGLE, now)), now)
    assert prover.desk.count("external_identity") == 0
    identities.link(ann, anns, now)
    with pytest.raises(InvalidIdToken):
        identities.link(ann, anns, now)


def test_of_eight_accounts_that_link_one_subject_at_once_one_has_it(
    prover: Prover, google: FakeIssuer
) -> None:
    people = [
        prover.holder(prover.desk.enter(f"p{number}@example.org", 256 * number + 7)) for number in range(8)
    ]

    def attempt(number: int) -> Linked | NeravaError:
        try:
            return link(prover, google, people[number])
        except IdentityTaken as taken:
            return taken

    outcomes = in_parallel(8, attempt)
    assert sum(isinstance(one, Linked) for one in outcomes) == 1
    assert prover.desk.count("external_identity") == 1


def test_the_last_way_in_is_kept_whichever_it_is(prover: Prover, google: FakeIssuer) -> None:
    carl, now = enter(prover, google), prover.desk.now
    [linked] = own(prover, carl)
    with pytest.raises(LastWayIn):
        prover.proving.identities.unlink(carl, linked.id, now)
    prover.with_passkey(carl)
    [passkey] = prover.desk.database.read(lambda session: prover.proving.factors.of(session, carl.user_id))

    def give_up(number: int) -> bool:
        try:
            if number:
                prover.proving.identities.unlink(carl, linked.id, now)
            else:
                prover.desk.change("UPDATE auth_session SET strong_at = authenticated_at")
                prover.proving.factors.remove(carl, passkey.id, now)
        except (LastWayIn, LastPasskey):
            return False
        return True

    prover.desk.change("UPDATE auth_session SET strong_at = authenticated_at")
    assert sorted(in_parallel(2, give_up)) == [False, True]
    assert prover.desk.count("external_identity") + prover.desk.count("factor_passkey") == 1


def test_what_was_unlinked_lets_nobody_in_and_is_nobody_elses_to_unlink(
    prover: Prover, google: FakeIssuer
) -> None:
    ann, bob = prover.holder(), prover.holder(prover.desk.enter(MAIL, 2))
    linked = link(prover, google, ann)
    with pytest.raises(NotFound):
        prover.proving.identities.unlink(bob, linked.id, prover.desk.now)
    prover.proving.identities.unlink(ann, linked.id, prover.desk.now)
    assert own(prover, ann) == []
    assert enter(prover, google).user_id != ann.user_id


def test_who_acts_without_an_account_links_nothing(prover: Prover) -> None:
    nobody = Holder(new_id(), new_id(), "ops:support", asker())
    with pytest.raises(NoAccount):
        prover.proving.identities.begin(nobody, Provider.GOOGLE, prover.desk.now)
