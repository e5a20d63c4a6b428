"""Codes are read as people type them, mistyped ones are told apart, and nobody keeps them."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.merchants.code_text import ALPHABET, BITS, in_groups, read, spell
from nerava.merchants.codes import CodeKind, SecretCodes
from nerava.merchants.errors import CodeMistyped
from nerava.platform.secrets import SecretKind, Secrets

numbers = st.integers(0, 2**BITS - 1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def codes_with(*secrets: bytes) -> SecretCodes:
    """Return codes under these versions of the secret, the first in use."""
    text = ",".join(base64.b64encode(one).decode() for one in secrets)
    return SecretCodes(Secrets({SecretKind.CODE_PEPPER: text}, FixedClock(NOON)))


@given(numbers)
def test_every_code_is_read_as_it_was_spelt(number: int) -> None:
    code = spell(number)

    assert len(code) == 11
    assert set(code) <= set(ALPHABET)
    assert read(code) == read(in_groups(code)) == read(f" {code.lower()} ") == code


@given(numbers, st.integers(0, 10), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_seen(number: int, place: int, letter: str) -> None:
    code = spell(number)
    if code[place] == letter:
        return
    with pytest.raises(CodeMistyped):
        read(code[:place] + letter + code[place + 1 :])


def test_nearly_all_swapped_neighbours_are_seen() -> None:
    pairs = missed = 0
    for number in range(0, 2**BITS, 2**BITS // 997):
        code = spell(number)
        for place in range(10):
            if code[place] == code[place + 1]:
                continue
            pairs += 1
            try:
                read(code[:place] + code[place + 1] + code[place] + code[place + 2 :])
                missed += 1
            except CodeMistyped:
                pass

    assert pairs > 8_000
    assert missed / pairs < 0.005


def test_what_looks_alike_is_read_alike() -> None:
    code = spell(int("0" + "1" * 9, 32))

    assert code.startswith("0111111111")
    assert read("oIlIlIlIlI" + code[10:]) == code


@pytest.mark.parametrize(
    "text", ["", "-", "0000000000", "000000000000", "U0000000000", "0000000000é", "💥" * 11]
)
def test_what_no_code_can_be_is_called_mistyped(text: str) -> None:
    with pytest.raises(CodeMistyped):
        read(text)


def test_a_code_is_made_again_and_is_another_for_every_owner_kind_and_number() -> None:
    codes, owner = codes_with(os.urandom(32)), new_id()
    made = codes.make(CodeKind.REDEMPTION, owner)

    assert codes.again(CodeKind.REDEMPTION, owner, made.key_id) == made.text
    others = {
        codes.make(CodeKind.OFFER, owner).text,
        codes.make(CodeKind.REDEMPTION, new_id()).text,
        codes.make(CodeKind.REDEMPTION, owner, 1).text,
        codes_with(os.urandom(32)).make(CodeKind.REDEMPTION, owner).text,
    }
    assert made.text not in others
    assert len(others) == 4
    assert codes.hashes(CodeKind.OFFER, made.text) != [made.hash]
    assert made.text not in repr(made)


def test_codes_outlive_a_new_version_of_the_secret_and_end_with_the_old_one() -> None:
    old, new, owner = os.urandom(32), os.urandom(32), new_id()
    made = codes_with(old).make(CodeKind.REDEMPTION, owner)
    both = codes_with(new, old)

    assert made.hash in both.hashes(CodeKind.REDEMPTION, made.text)
    assert both.again(CodeKind.REDEMPTION, owner, made.key_id) == made.text
    assert both.make(CodeKind.REDEMPTION, owner).text != made.text
    assert codes_with(new).again(CodeKind.REDEMPTION, owner, made.key_id) is None
