"""The ledger on real databases: what is posted stands, what is refused leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from nerava.kernel.ids import fact_id
from nerava.ledger import (
    AccountDiffers,
    AccountSpec,
    Asset,
    Chain,
    Kind,
    LotTerms,
    Status,
    Transfer,
    UnknownAccount,
    capture,
    chain,
    expire,
    hold,
    model,
    release,
    transfer,
)
from nerava.ledger.accounts import AccountState, account_uuid
from nerava.ledger.decide import State, decide
from nerava.ledger.engines import engine_for
from nerava.ledger.posting import new_id as text_id
from nerava.ledger.reads import count_accounts, transaction
from nerava.ledger.store import load
from nerava.ledger.values import AMOUNT_MAX
from tests.helpers.financial_helpers import findings
from tests.helpers.parallel import in_parallel
from tests.ledger.houses import ACCOUNTS, DAY, HOUR, NOON, House

if TYPE_CHECKING:
    from nerava.ledger.decide import OpenHold

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


def deposit(number: object = 1, amount: int = 500, **circumstances: object) -> Chain:
    return chain(f"deposit:{number}", transfer("bank", "till", amount), **circumstances)


# Once, and the same for ever.


def test_a_chain_moves_money_once_however_often_it_is_submitted(house: House) -> None:
    first, again = house.ledger.submit(deposit()), house.ledger.submit(deposit())

    assert (first.status, again.status) == (Status.POSTED, Status.EXISTS)
    assert first.transfers == again.transfers
    assert house.posted("till", "bank") == [500, -500]


def test_a_repetition_is_told_every_word_of_the_first_result(house: House) -> None:
    east = timezone(timedelta(hours=9))
    asked = chain(
        "deposit:2",
        transfer("bank", "till", 1),
        hold("till", "bank", 1, expires_at=NOON.astimezone(east) + HOUR),
        effective_at=(NOON - DAY).astimezone(east),
        actor="job:night",
        metadata={"z": [1, {"ü": None}], "a": True, "n": -(2**53)},
    )
    (first,) = house.must(asked)
    house.clock.move_to(NOON + DAY)
    (again,) = house.post(replace(asked, actor="somebody else", metadata={}, effective_at=None))

    assert again.status is Status.EXISTS
    assert again.transfers == first.transfers
    assert again.transfers[0].metadata == '{"a":true,"n":-9007199254740992,"z":[1,{"ü":null}]}'
    assert [one.posted_at for one in again.transfers] == [NOON, NOON]
    assert {one.effective_at for one in again.transfers} == {NOON - DAY}
    assert house.database.read(lambda session: transaction(session, asked.key))[0] == list(first.transfers)


def test_a_key_with_another_body_is_a_conflict_and_stays_the_first(house: House) -> None:
    house.must(deposit())

    assert house.status(deposit(amount=501)) is Status.CONFLICT
    assert house.status(replace(deposit(), template="other")) is Status.CONFLICT
    assert house.status(replace(deposit(), lane="north")) is Status.CONFLICT
    assert house.posted("till") == [500]


def test_a_refused_chain_leaves_nothing_and_its_key_free(house: House) -> None:
    short = chain("spend", transfer("bank", "till", 5), transfer("till", "bank", 6))

    (refused,) = house.post(short)
    assert (refused.status, refused.failed_at, refused.transfers) == (Status.INSUFFICIENT, 1, ())
    assert house.ledger.balance("till").sequence == 0
    assert house.rows(select(model.batch)) == []

    house.must(deposit(amount=1))
    assert house.status(short) is Status.POSTED


def test_a_chain_is_posted_in_a_session_that_anybody_opened(house: House) -> None:
    def work(session: Session) -> Status:
        with Session(session.connection(), join_transaction_mode="create_savepoint") as inner:
            verdict = house.ledger.post(inner, deposit())
            inner.commit()
        return verdict.status

    assert house.database.run(work) is Status.POSTED
    assert house.posted("till", "bank") == [500, -500]


def test_what_is_posted_and_what_the_session_writes_stand_or_fall_together(house: House) -> None:
    def work(session: Session) -> None:
        house.ledger.post(session, deposit(1))
        house.ledger.open(session, [AccountSpec("till 2", "USD", "till")])
        house.ledger.post(session, deposit(2))
        house.ledger.open(session, [AccountSpec("till", "NOVA", "till")])

    with pytest.raises(AccountDiffers):
        house.database.run(work)
    assert house.posted("till", "bank") == [0, 0]
    with pytest.raises(UnknownAccount):
        house.ledger.balance("till 2")


def test_an_exception_after_an_inline_post_takes_the_posting_back(house: House) -> None:
    def work(session: Session) -> None:
        assert house.ledger.post(session, deposit()).status is Status.POSTED
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        house.database.run(work)

    assert house.posted("till") == [0]
    assert house.status(deposit()) is Status.POSTED


def test_two_posts_in_one_unit_of_work_see_each_other(house: House) -> None:
    def work(session: Session) -> list[Status]:
        chains = (deposit(), chain("spend", transfer("till", "bank", 400)), deposit())
        return [house.ledger.post(session, one).status for one in chains]

    assert house.database.run(work) == [Status.POSTED, Status.POSTED, Status.EXISTS]
    assert house.posted("till") == [100]


def test_chains_of_several_lanes_are_answered_in_the_order_they_were_asked(house: House) -> None:
    north = chain("north:1", transfer("north-bank", "north-till", 7), lane="north")
    stray = chain("stray", transfer("bank", "north-till", 7), lane="north")

    verdicts = house.post(north, deposit(), stray, deposit(2))

    assert [one.status for one in verdicts] == [
        Status.POSTED,
        Status.POSTED,
        Status.WRONG_LANE,
        Status.POSTED,
    ]
    assert {row.lane: row.transfers for row in house.rows(select(model.batch))} == {"north": 1, "main": 2}


def test_nothing_is_asked_and_nothing_answered(house: House) -> None:
    assert house.post() == []


def test_a_chain_may_have_256_transfers_and_is_one_batch(house: House) -> None:
    (verdict,) = house.must(chain("long", *[transfer("bank", "till", 1)] * 256))

    assert [one.position for one in verdict.transfers] == list(range(256))
    assert len({one.key for one in verdict.transfers}) == 256
    assert house.posted("till") == [256]
    assert house.status(chain("long", *[transfer("bank", "till", 1)] * 256)) is Status.EXISTS


@pytest.mark.parametrize("count", [0, 257])
def test_a_chain_that_nobody_should_build_is_an_error(house: House, count: int) -> None:
    bad = Chain(fact_id("bad"), "bad", (transfer("bank", "till", 1),) * count)

    with pytest.raises(ValueError, match=f"1 to 256 transfers, not {count}"):
        house.post(bad)
    with pytest.raises(ValueError, match="1 to 256"):
        decide([bad], State(), NOON, batch_id="b", new_id=text_id)


# Words of every kind survive both databases.

STRANGE = [
    "plain",
    "",
    " ",
    "NULL",
    "null",
    'with "quotes"',
    "with 'quotes'",
    "a,b",
    "{braces}",
    "back\\slash",
    "two\nlines\tand a tab",
    "ünïcödé \N{GRINNING FACE}",
    "%s and :name and ?",
    "'; DROP TABLE ledger_transfer; --",
]


@pytest.mark.parametrize("word", STRANGE, ids=repr)
def test_words_come_back_as_they_were_given(house: House, word: str) -> None:
    owner = AccountSpec(f"of {word}", "NOVA", f"kind {word}", owner=word, keeps_lots=True, floor=None)
    house.database.run(lambda session: house.ledger.open(session, [owner]))
    asked = Chain(
        fact_id(f"word {word}"),
        template=f"t{word}",
        transfers=(transfer("mint", owner.code, 3, lot=LotTerms(word, NOON + DAY)),),
        actor=word,
        metadata={word: word},
    )

    (verdict,) = house.must(asked)

    (line,) = house.ledger.statement(owner.code)
    assert (line.template, line.actor, line.metadata) == (f"t{word}", word, {word: word})
    assert [one.source for one in house.lots(owner.code)] == [word]
    assert house.post(asked)[0].transfers == verdict.transfers
    found = house.rows(select(model.account.c.owner).where(model.account.c.code == owner.code))
    assert [row.owner for row in found] == [word]


@pytest.mark.parametrize("bad", [1.5, [1, {"x": 0.1}], (1.0,), {"a": {"b": 2.5}}], ids=repr)
def test_metadata_with_a_fraction_is_refused(house: House, bad: object) -> None:
    with pytest.raises(TypeError, match="no floats"):
        house.post(deposit(metadata={"rate": bad}))

    assert house.posted("till") == [0]


# Holds.


def test_a_hold_reserves_and_ends_once(house: House) -> None:
    house.must(deposit(), first := chain("h:1", hold("till", "bank", 300, expires_at=NOON + HOUR)))
    balance = house.ledger.balance("till")
    assert (balance.posted, balance.available, balance.debits_pending) == (500, 200, 300)
    assert house.ledger.balance("bank").credits_pending == 300
    assert house.status(chain("spend", transfer("till", "bank", 201))) is Status.INSUFFICIENT

    house.must(chain("c:1", capture(first.key, 120)))

    balance = house.ledger.balance("till")
    assert (balance.posted, balance.available, balance.debits_pending) == (380, 380, 0)
    for end in (capture(first.key), release(first.key), expire(first.key)):
        assert house.status(chain(f"again:{end.kind}", end)) is Status.HOLD_RESOLVED
    assert house.rows(select(model.open_hold)) == []


def test_holds_are_made_captured_and_given_back_inside_one_batch(house: House) -> None:
    house.must(deposit())
    one, two = (chain(f"h:{number}", hold("till", "bank", 100, expires_at=NOON)) for number in (1, 2))

    verdicts = house.post(
        one,
        two,
        chain("c:1", capture(one.key)),
        chain("e:2", expire(two.key)),
        chain("r:2", release(two.key)),
        chain("h:3", kept := hold("till", "bank", 50, expires_at=None)),
    )

    assert [verdict.status for verdict in verdicts] == [
        Status.POSTED,
        Status.POSTED,
        Status.HOLD_EXPIRED,
        Status.POSTED,
        Status.HOLD_RESOLVED,
        Status.POSTED,
    ]
    assert house.status(chain("e:3", expire(fact_id("h:3")))) is Status.HOLD_NOT_DUE
    assert house.ledger.balance("till").debits_pending == 100 + (kept.amount or 0)
    house.must(chain("r:1", release(one.key)))


def test_a_chain_that_fails_after_it_ended_a_hold_gives_the_hold_back(house: House) -> None:
    house.must(deposit(), old := chain("h:1", hold("till", "bank", 100, expires_at=None)))
    inside = chain("h:2", hold("till", "bank", 10, expires_at=None))
    too_much = transfer("till", "bank", 10**6)

    verdicts = house.post(
        chain("bad:1", capture(old.key), too_much),
        inside,
        chain("bad:2", release(inside.key), release(old.key), too_much),
        chain("bad:3", hold("till", "bank", 1, expires_at=None), too_much),
        chain("good", capture(old.key)),
    )

    assert [one.status for one in verdicts] == [
        Status.INSUFFICIENT,
        Status.POSTED,
        Status.INSUFFICIENT,
        Status.INSUFFICIENT,
        Status.POSTED,
    ]
    assert [str(row.key) for row in house.rows(select(model.open_hold))] == [str(inside.key)]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (capture(fact_id("never was")), Status.HOLD_NOT_FOUND),
        (release(fact_id("deposit:1")), Status.HOLD_NOT_FOUND),
        (capture(fact_id("h:1"), 101), Status.EXCEEDS_HOLD),
        (capture(fact_id("h:1"), 0), Status.BAD_AMOUNT),
        (expire(fact_id("h:1")), Status.HOLD_NOT_DUE),
    ],
)
def test_an_end_that_does_not_fit_is_refused(house: House, end: Any, status: Status) -> None:
    house.must(deposit(), chain("h:1", hold("till", "bank", 100, expires_at=NOON + HOUR)))

    assert house.status(chain("end", end)) is status
    assert house.ledger.balance("till").debits_pending == 100


def test_a_hold_of_another_lane_is_not_ended_from_here(house: House) -> None:
    house.must(
        chain("north:1", transfer("north-bank", "north-till", 7), lane="north"),
        held := chain("north:2", hold("north-till", "north-bank", 7, expires_at=None), lane="north"),
    )

    assert house.status(chain("c", capture(held.key))) is Status.WRONG_LANE
    assert house.status(chain("c", capture(held.key), lane="north")) is Status.POSTED


@only_postgresql
def test_a_hold_that_somebody_makes_while_we_look_is_not_there_yet(house: House) -> None:
    house.must(deposit())
    late = chain("h:late", hold("till", "bank", 100, expires_at=None))
    asked = chain("c:late", capture(late.key))

    class Slow:
        """The engine of this session; somebody else posts after its first look at the holds."""

        def __init__(self, session: Session) -> None:
            self._engine = engine_for(session)
            self._looks = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

        def open_holds(self, keys: Sequence[str]) -> list[OpenHold]:
            self._looks += 1
            if self._looks == 2:
                house.must(late)
            return self._engine.open_holds(keys)

    def work(session: Session) -> Status:
        state = load(Slow(session), [asked])
        return decide([asked], state, NOON, batch_id=text_id(), new_id=text_id).verdicts[0].status

    assert house.database.run(work) is Status.HOLD_NOT_FOUND
    assert house.status(asked) is Status.POSTED


# Time.


def test_time_never_runs_back_along_an_account(house: House) -> None:
    house.must(deposit(1))
    house.clock.move_to(NOON - DAY)
    (verdict,) = house.must(deposit(2))
    assert verdict.posted_at == NOON

    house.clock.move_to(NOON + DAY)
    (verdict,) = house.must(deposit(3))
    assert verdict.posted_at == NOON + DAY


def test_an_instant_of_another_zone_is_the_same_instant_in_the_proof_of_history(house: House) -> None:
    east = timezone(timedelta(hours=9))
    lot = LotTerms("x", (NOON + DAY).astimezone(east))
    house.must(
        chain("grant", transfer("mint", "alice", 5, lot=lot), effective_at=NOON.astimezone(east)),
        chain("h", hold("alice", "shop", 5, expires_at=(NOON + HOUR).astimezone(east))),
    )

    assert findings(house.database) == []
    assert [one.expires_at for one in house.lots("alice")] == [NOON + DAY]


@pytest.mark.parametrize(
    "naive",
    [
        deposit(effective_at=NOON.replace(tzinfo=None)),
        chain("h", hold("bank", "till", 1, expires_at=NOON.replace(tzinfo=None))),
        chain("l", transfer("mint", "alice", 1, lot=LotTerms("x", NOON.replace(tzinfo=None)))),
    ],
    ids=["effective_at", "expires_at of a hold", "expires_at of a lot"],
)
def test_a_naive_instant_is_refused(house: House, naive: Chain) -> None:
    with pytest.raises(ValueError, match="naive"):
        house.post(naive)

    assert house.rows(select(model.transfer)) == []


# Accounts.


def test_assets_and_accounts_are_defined_as_often_as_you_like(house: House) -> None:
    def again(session: Session) -> None:
        house.ledger.define(session, [Asset("USD", 2, "cash"), Asset("EUR", 2, "cash")])
        house.ledger.define(session, [])
        house.ledger.open(session, [*ACCOUNTS, AccountSpec("new", "EUR", "x")])
        house.ledger.open(session, [])

    house.database.run(again)
    house.must(deposit())
    house.database.run(again)

    assert house.posted("till", "new") == [500, 0]
    assert {row.code for row in house.rows(select(model.asset.c.code))} == {"USD", "NOVA", "EUR"}


@pytest.mark.parametrize("change", [{"asset": "NOVA"}, {"lane": "north"}, {"keeps_lots": True}])
def test_an_account_is_not_opened_again_as_another_one(house: House, change: dict[str, Any]) -> None:
    spec = replace(AccountSpec("till", "USD", "sponsor_prepaid"), **change)

    with pytest.raises(AccountDiffers, match="'till' is open with other properties"):
        house.database.run(lambda session: house.ledger.open(session, [spec]))


def test_accounts_that_many_open_at_once_are_opened_once(house: House) -> None:
    specs = [AccountSpec(f"crowd:{number}", "USD", "x") for number in range(10)]

    def open_all(index: int) -> None:
        mine = specs if index % 2 else list(reversed(specs))
        house.database.run(lambda session: house.ledger.open(session, mine))

    in_parallel(16, open_all)

    codes = [one.code for one in specs]
    assert house.database.read(lambda session: count_accounts(session, codes)) == 10
    assert house.posted(*codes) == [0] * 10


@pytest.mark.parametrize("change", [{"asset": "NOVA"}, {"lane": "north"}, {"keeps_lots": True}])
def test_of_two_who_open_one_account_at_once_as_different_ones_one_is_refused(
    house: House, change: dict[str, Any]
) -> None:
    for attempt in range(5):
        plain = AccountSpec(f"raced:{attempt}", "USD", "x")
        other = replace(plain, **change)

        def open_one(index: int, specs: tuple[AccountSpec, ...] = (plain, other)) -> bool:
            try:
                house.database.run(lambda session: house.ledger.open(session, [specs[index % 2]]))
            except AccountDiffers:
                return False
            return True

        opened = in_parallel(8, open_one)
        assert opened in ([True, False] * 4, [False, True] * 4)
        house.database.run(
            lambda session, spec=plain if opened[0] else other: house.ledger.open(session, [spec])
        )


def test_a_balance_says_everything_about_its_account(house: House) -> None:
    house.must(deposit(), chain("h", hold("till", "capped", 60, expires_at=None)))

    till, capped = house.ledger.balance("till"), house.ledger.balance("capped")

    assert (till.code, till.asset, till.sequence, till.floor, till.ceiling) == ("till", "USD", 2, 0, None)
    assert (till.credits_posted, till.debits_posted) == (500, 0)
    assert (capped.floor, capped.ceiling, capped.credits_pending, capped.closed) == (None, 100, 60, False)
    assert house.status(chain("h:2", hold("till", "capped", 41, expires_at=None))) is Status.CEILING


def test_a_closed_account_takes_part_in_nothing_but_the_return_of_its_holds(house: House) -> None:
    house.must(
        deposit(),
        one := chain("h:1", hold("till", "bank", 10, expires_at=NOON)),
        two := chain("h:2", hold("till", "bank", 20, expires_at=None)),
    )
    for _ in range(2):
        house.database.run(lambda session: house.ledger.close_account(session, "till"))

    assert house.ledger.balance("till").closed
    assert house.status(deposit(2)) is Status.CLOSED
    assert house.status(chain("spend", transfer("till", "bank", 1))) is Status.CLOSED
    assert house.status(chain("c", capture(two.key))) is Status.CLOSED
    house.must(chain("e", expire(one.key)), chain("r", release(two.key)))
    assert house.ledger.balance("till").available == 500


def test_an_account_that_nobody_opened_is_unknown(house: House) -> None:
    with pytest.raises(UnknownAccount, match="no account 'ghost'"):
        house.database.run(lambda session: house.ledger.close_account(session, "ghost"))
    with pytest.raises(UnknownAccount):
        house.ledger.balance("ghost")
    with pytest.raises(UnknownAccount):
        house.ledger.statement("ghost")
    assert house.status(chain("x", transfer("ghost", "till", 1))) is Status.NO_ACCOUNT
    assert house.status(chain("x", transfer("bank", "ghost", 1))) is Status.NO_ACCOUNT
    assert house.status(chain("x", transfer("ghost", "phantom", 1))) is Status.NO_ACCOUNT


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, True, 1.0, "1", None], ids=repr)
@pytest.mark.parametrize("kind", [Kind.DIRECT, Kind.HOLD])
def test_an_amount_that_cannot_be_is_refused(house: House, kind: Kind, amount: Any) -> None:
    leg = Transfer(kind, "bank", "till", amount)

    assert house.status(chain("x", leg)) is Status.BAD_AMOUNT
    assert house.ledger.balance("till").sequence == 0


def test_the_largest_amount_is_moved(house: House) -> None:
    house.must(deposit(amount=AMOUNT_MAX))
    assert house.posted("till", "bank") == [AMOUNT_MAX, -AMOUNT_MAX]


def test_what_two_accounts_do_not_share_is_refused(house: House) -> None:
    assert house.status(chain("x", transfer("till", "till", 1))) is Status.SAME_ACCOUNT
    assert house.status(chain("x", transfer("bank", "alice", 1))) is Status.ASSET_MISMATCH
    assert house.status(chain("x", transfer("bank", "north-till", 1))) is Status.WRONG_LANE


def test_counters_fill_64_bits_and_no_more(house: House) -> None:
    def full(session: Session) -> Status:
        state = load(engine_for(session), [deposit(amount=10)])
        bank = state.accounts[str(account_uuid("bank"))]
        assert isinstance(bank, AccountState)
        bank.debits_posted = 2**63 - 1 - 9
        return (
            decide([deposit(amount=10)], state, NOON, batch_id=text_id(), new_id=text_id).verdicts[0].status
        )

    assert house.database.run(full) is Status.CEILING


def test_rows_name_their_transaction_and_batch(house: House) -> None:
    (verdict,) = house.must(chain("two", transfer("bank", "till", 1), transfer("till", "bank", 1)))

    rows, codes = house.database.read(lambda session: transaction(session, fact_id("two")))
    assert [row.kind for row in rows] == [Kind.DIRECT, Kind.DIRECT]
    assert {UUID(row.transaction_id) for row in rows} == {verdict.transaction_id}
    assert set(codes.values()) == {"bank", "till"}
    assert house.database.read(lambda session: transaction(session, fact_id("nothing"))) == ([], {})
    second = UUID(verdict.transfers[1].key)
    assert house.database.read(lambda session: transaction(session, second)) == ([], {})
