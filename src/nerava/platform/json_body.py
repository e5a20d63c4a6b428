"""Reading a JSON body: strictly, within limits, and only what I-JSON (RFC 7493) can carry everywhere."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, NoReturn

from starlette.requests import Request

from nerava.platform.problem import BodyTooLarge, InputError, InvalidInput, UnsupportedMediaType

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

BODY_BYTES_MAX: Final = 1_000_000
DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 7493)."""


class JsonRequest(Request):
    """A request whose JSON body has been read and checked already."""

    def __init__(self, scope: Scope, receive: Receive, raw: bytes, parsed: object) -> None:
        super().__init__(scope, receive)
        self._body = raw
        self._json = parsed


async def read_json(request: Request) -> JsonRequest:
    """Read the body once and return the request with its parsed form.

    An empty body is left empty, so that the schema can say which part of it is missing.

    Raises:
        UnsupportedMediaType: Not `application/json`, or compressed (415).
        BodyTooLarge: More than 1 MB, declared or sent (413).
        InvalidInput: Not JSON, or not within the limits of `parse_json` (422).
    """
    _refuse_other_forms(request)
    raw = await read_body(request)
    parsed = parse_json(raw) if raw else None
    return JsonRequest(request.scope, request.receive, raw, parsed)


def parse_json(raw: bytes) -> object:
    """Return the value of a JSON text.

    Refused beside broken syntax: NaN and infinities, a name twice in one object, whole numbers
    beyond 2^53 - 1, nesting deeper than 32, the character U+0000 and halves of surrogate pairs:
    what PostgreSQL, a canonical form or the next reader could not represent.

    Raises:
        InvalidInput: With the reason, without the text (422).
    """
    try:
        value = _decode(raw)
    except _Refused as refused:
        raise _invalid(str(refused), "json_limit") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _invalid(_where(error), "json_invalid") from None
    except (RecursionError, ValueError):  # ValueError: thousands of digits in one number
        raise _invalid("the body is nested too deeply or holds a number too long", "json_limit") from None
    if _depth(value) > DEPTH_MAX:
        raise _invalid(f"the body is nested deeper than {DEPTH_MAX}", "json_limit")
    if b"\\u" in raw and not _storable(value):
        raise _invalid("the body holds U+0000 or half of a surrogate pair", "json_limit")
    return value


class _Refused(Exception):
    """The reader met something that is JSON but not acceptable."""


def _decode(raw: bytes) -> object:
    return json.loads(
        raw.decode("utf-8"),
        parse_constant=_no_constant,
        parse_int=_whole,
        parse_float=_fraction,
        object_pairs_hook=_object,
    )


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not a JSON number"
    raise _Refused(message)


def _whole(digits: str) -> int:
    # 17 characters hold every number in range with its sign; int() of more is work for nothing.
    if len(digits) > len(str(-INTEGER_MAX)) or abs(value := int(digits)) > INTEGER_MAX:
        message = "a whole number is beyond 2^53 - 1"
        raise _Refused(message)
    return value


def _fraction(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        message = "a number is beyond the range of a double"
        raise _Refused(message)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "an object has the same name twice"
        raise _Refused(message)
    return found


def _depth(value: object) -> int:
    """Count the levels, breadth first: recursion would be the caller's to exhaust."""
    depth = 0
    level = [value] if isinstance(value, (dict, list)) else []
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
    return depth


def _storable(value: object) -> bool:
    match value:
        case str():
            return "\x00" not in value and not any("\ud800" <= one <= "\udfff" for one in value)
        case dict():
            return all(_storable(name) and _storable(child) for name, child in value.items())
        case list():
            return all(_storable(child) for child in value)
        case _:
            return True


def _where(error: json.JSONDecodeError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the body is not UTF-8"
    return f"the body is not JSON at line {error.lineno}, column {error.colno}"


def _invalid(message: str, kind: str) -> InvalidInput:
    return InvalidInput(message, errors=[InputError(pointer="body", message=message, kind=kind)])


def _refuse_other_forms(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() not in {"identity", ""}:
        message = "compressed bodies are not accepted"
        raise UnsupportedMediaType(message)
    stated = request.headers.get("content-type")
    if stated is None and request.headers.get("content-length", "0") == "0":
        return
    if (stated or "").partition(";")[0].strip().lower() != "application/json":
        message = "the body must be application/json"
        raise UnsupportedMediaType(message)


async def read_body(request: Request) -> bytes:
    """Return the body as it was sent; whoever reads it from this request again gets it again.

    Raises:
        BodyTooLarge: More than 1 MB, declared or sent (413).
    """
    stated = request.headers.get("content-length", "0")
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > BODY_BYTES_MAX:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        parts.append(part)
    # Where Starlette keeps a body that it has read, and looks for it.
    request._body = b"".join(parts)  # noqa: SLF001 - there is no public place for it
    return request._body  # noqa: SLF001 - the same


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"at most {BODY_BYTES_MAX} bytes are accepted")
