"""JSON bodies are read strictly: what one reader could take for something else is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.platform.json_body import DEPTH_MAX, INTEGER_MAX, parse_json
from nerava.platform.problem import InvalidInput

SIMPLE = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | st.text('aé€😀\\"/ ')


@given(
    st.recursive(
        SIMPLE, lambda one: st.lists(one) | st.dictionaries(st.text("ab", max_size=3), one), max_leaves=20
    )
)
def test_every_proper_text_is_read_as_what_it_says(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_nesting_is_bounded() -> None:
    deep = b"[" * DEPTH_MAX + b"]" * DEPTH_MAX
    assert parse_json(deep) is not None
    with pytest.raises(InvalidInput, match="nested"):
        parse_json(b"[" + deep + b"]")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"nul",
        b"[1,]",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": 9007199254740992}',
        b'{"a": -9007199254740992}',
        b'{"a": ' + b"9" * 100_000 + b"}",
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'"\\ud800"',
        b'[{"a": ["\\udfff"]}]',
        b"[" * 100_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_another_reader_could_misread_is_refused_without_repeating_it(raw: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_json(raw)
    assert "999" not in refused.value.detail


def test_the_largest_exact_number_is_read() -> None:
    assert parse_json(b"[9007199254740991, -9007199254740991]") == [INTEGER_MAX, -INTEGER_MAX]
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"
