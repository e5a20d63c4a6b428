"""The pictures of a pass: a bolt in two colours, drawn here so that the bytes are the same everywhere."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Colour = tuple[int, int, int]

GROUND: Final[Colour] = (11, 61, 46)
BOLT: Final[Colour] = (255, 255, 255)
_POINTS: Final = ((58, 8), (22, 58), (46, 58), (40, 92), (78, 40), (53, 40))
"""The corners of the bolt, in hundredths of the picture."""


@cache
def picture(side: int) -> bytes:
    """Return a square PNG with so many pixels a side.

    Stored, not deflated: how a library deflates is its own affair, and a pass has one hash.
    """
    rows = b"".join(b"\x00" + _row(side, y) for y in range(side))
    head = struct.pack(">IIBBBBB", side, side, 1, 3, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        (b"PLTE", bytes((*GROUND, *BOLT))),
        (b"IDAT", zlib.compress(rows, level=0)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _row(side: int, y: int) -> bytes:
    packed = bytearray((side + 7) // 8)
    for x in range(side):
        if _is_inside(100 * (2 * x + 1) // (2 * side), 100 * (2 * y + 1) // (2 * side)):
            packed[x // 8] |= 128 >> x % 8
    return bytes(packed)


def _is_inside(x: int, y: int) -> bool:
    """Say whether a ray to the right crosses the outline an odd number of times."""
    return sum(1 for _ in _crossings(x, y)) % 2 == 1


def _crossings(x: int, y: int) -> Iterator[None]:
    for (ax, ay), (bx, by) in zip(_POINTS, (*_POINTS[1:], _POINTS[0]), strict=True):
        if (ay > y) != (by > y):
            low, high = ((ax, ay), (bx, by)) if by > ay else ((bx, by), (ax, ay))
            if (x - low[0]) * (high[1] - low[1]) < (high[0] - low[0]) * (y - low[1]):
                yield None
