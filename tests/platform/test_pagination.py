"""Cursors say where a list goes on, and nothing else gets through them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.platform.pagination import POSITION_MAX, decode_cursor, encode_cursor
from nerava.platform.problem import InvalidInput


def opaque(value: object) -> str:
    """Return any JSON value in the dress of a cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(st.integers(0, POSITION_MAX), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_a_cursor_leads_back_to_where_it_was_made(number: int, name: str) -> None:
    text = encode_cursor(number, name)
    assert decode_cursor(text, int, str) == (number, name)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_cursor_is_the_first_page() -> None:
    assert decode_cursor(None, int) is None


@pytest.mark.parametrize(
    "value",
    [1, None, {}, [], [1, 2], ["1"], [1.0], [True], [-1], [POSITION_MAX + 1], [[1]], "1"],
)
def test_a_place_that_this_list_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(opaque(value), int)


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\x7f", "\u202e"])
def test_text_that_a_database_could_choke_on_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(opaque([text]), str)


@given(st.text(max_size=50))
def test_nothing_that_was_not_made_here_gets_through(text: str) -> None:
    try:
        place = decode_cursor(text, int)
    except InvalidInput:
        return
    assert place is not None
    assert isinstance(place[0], int)
