"""JSON whose numbers stay as they were written: read as `Decimal`, written without rounding."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 32
_DIGITS_MAX: Final = 30
_EXPONENT_MAX: Final = 30


class Unreadable(Exception):
    """The text is not JSON, or holds what no database and no other reader could keep."""


def read(raw: bytes | str) -> Any:  # noqa: ANN401 - whatever JSON it is
    """Return the value of a JSON text, numbers with a fraction as `Decimal`.

    Raises:
        Unreadable: Not JSON in UTF-8, nested deeper than 32, a number beyond 30 digits, U+0000, or
            half a surrogate pair.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        value = json.loads(text, parse_float=_fraction, parse_int=_whole, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None
    _check(value, 0)
    return value


def write(value: Any) -> str:  # noqa: ANN401 - what `read` returns
    """Return the JSON text of what `read` returned, every number with the digits that it came with."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(name)}:{write(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return _text(value)


def canonical_hash(value: Any) -> bytes:  # noqa: ANN401 - what `read` returns
    """Return 32 bytes that are the same for the same value: names in order, 8.50 as 8.5, 8.0 as 8."""
    return hashlib.sha256(write(_canonical(value)).encode()).digest()


def _canonical(value: Any) -> Any:  # noqa: ANN401 - the same
    if isinstance(value, dict):
        return {name: _canonical(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if isinstance(value, Decimal):
        whole = value.to_integral_value()
        return int(whole) if whole == value else value.normalize()
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - a scalar
    return json.dumps(value, ensure_ascii=False)


def _fraction(digits: str) -> Decimal:
    value = Decimal(digits)
    exponent = value.as_tuple().exponent
    if len(digits) > _DIGITS_MAX or not isinstance(exponent, int) or abs(exponent) > _EXPONENT_MAX:
        message = "a number is longer than anybody needs"
        raise ValueError(message)
    return value


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        message = "a number is longer than anybody needs"
        raise ValueError(message)
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _check(value: Any, depth: int) -> None:  # noqa: ANN401 - whatever was read
    if depth > DEPTH_MAX:
        message = "nested too deeply"
        raise Unreadable(message)
    if isinstance(value, dict):
        for name, one in value.items():
            _check(name, depth)
            _check(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check(one, depth + 1)
    elif isinstance(value, str) and ("\0" in value or any("\ud800" <= one <= "\udfff" for one in value)):
        message = "a text holds what cannot be kept"
        raise Unreadable(message)
