"""Codes are uniform, kept as keyed hashes, and worth nothing anywhere else."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter
from datetime import UTC, datetime

import pytest

from nerava.identity.one_time import WORK_BITS, Bound, Guess, Pepper, digest, new_code, new_token
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.platform.secrets import SecretKind, Secrets

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD, NEW = "b2xk" * 12, "bmV3" * 12


def pepper(text: str = OLD) -> Pepper:
    """Return a pepper with these versions, the first in use."""
    return Pepper(Secrets({SecretKind.CODE_PEPPER: text}, FixedClock(NOON)))


def bound() -> Bound:
    """Return what a code may be bound to."""
    return Bound(new_id(), "sign-in", digest("contact"), digest("client"))


def test_codes_are_six_digits_and_no_digit_is_liked_better() -> None:
    codes = [new_code() for _ in range(6_000)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    for place in range(6):
        counts = Counter(code[place] for code in codes)
        # 600 expected, standard deviation 23: six of them is once in many million runs.
        assert max(abs(counts[str(digit)] - 600) for digit in range(10)) < 140


def test_tokens_have_256_bits_and_never_repeat() -> None:
    tokens = {new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert {len(token) for token in tokens} == {43}


def test_a_code_matches_itself_and_nothing_else() -> None:
    keys, where = pepper(), bound()
    kept = keys.keep(where, "123456")
    assert keys.matches(kept, where, "123456")
    assert not keys.matches(kept, where, "123457")


@pytest.mark.parametrize("part", ["challenge_id", "purpose", "contact_ix", "client_hash"])
def test_a_code_is_bound_to_its_challenge_purpose_contact_and_client(part: str) -> None:
    keys, where = pepper(), bound()
    kept = keys.keep(where, "123456")
    other = {"challenge_id": new_id(), "purpose": "step-up"}.get(part, digest("another"))
    assert not keys.matches(kept, dataclasses.replace(where, **{part: other}), "123456")


def test_fields_cannot_lend_each_other_their_ends() -> None:
    keys, where = pepper(), bound()
    longer = dataclasses.replace(where, client_hash=where.client_hash + b"1")
    assert not keys.matches(keys.keep(longer, "23456"), where, "123456")


def test_a_code_of_the_old_pepper_works_while_that_is_accepted() -> None:
    where = bound()
    kept = pepper(OLD).keep(where, "123456")
    assert pepper(f"{NEW},{OLD}").matches(kept, where, "123456")
    assert not pepper(NEW).matches(kept, where, "123456")


def test_without_the_pepper_a_code_cannot_be_found_by_trying_them_all() -> None:
    where = bound()
    kept = pepper().keep(where, "000042")
    assert not any(
        hashlib.sha256(where.challenge_id.bytes + f"{code:06d}".encode()).digest() == kept.mac
        for code in range(1_000)
    )
    assert not any(pepper(NEW).matches(kept, where, f"{code:06d}") for code in range(1_000))


def test_what_is_secret_does_not_show_itself() -> None:
    guess = Guess(new_id(), "123456", "token")
    assert "123456" not in repr(guess)
    assert "token" not in repr(guess).replace("client_token", "")
    assert "mac" not in repr(pepper().keep(bound(), "123456"))


def test_work_counts_for_the_one_guess_it_was_done_for() -> None:
    challenge_id = new_id()
    work = next(
        str(number)
        for number in itertools.count()
        if hashlib.sha256(f"{challenge_id}:123456:{number}".encode()).digest()[:2] == b"\0\0"
        and hashlib.sha256(f"{challenge_id}:123456:{number}".encode()).digest()[2] < 1 << (24 - WORK_BITS)
    )
    assert Guess(challenge_id, "123456", "", work).proves_work()
    assert not Guess(challenge_id, "123456", "").proves_work()
    assert not Guess(challenge_id, "123457", "", work).proves_work()
    assert not Guess(new_id(), "123456", "", work).proves_work()
