"""Reads a vector tile as its specification says, sharing nothing with what writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def read_tile(body: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return features by layer: `kind`, `tags`, and `parts` of whole coordinates."""
    layers: dict[str, list[dict[str, Any]]] = {}
    for number, layer in _fields(body):
        assert number == 3
        name, keys, values, features, extent, version = "", [], [], [], 0, 0
        for field, value in _fields(layer):
            if field == 1:
                name = value.decode()
            elif field == 2:
                features.append(dict(_features(value)))
            elif field == 3:
                keys.append(value.decode())
            elif field == 4:
                [(kind, inner)] = _fields(value)
                values.append(inner.decode() if kind == 1 else inner)
            elif field == 5:
                extent = value
            elif field == 15:
                version = value
        assert (extent, version) == (4096, 2)
        for one in features:
            tags = one["tags"]
            one["tags"] = {keys[k]: values[v] for k, v in zip(tags[::2], tags[1::2], strict=True)}
        assert name not in layers
        layers[name] = features
    return layers


def _features(body: bytes) -> Iterator[tuple[str, Any]]:
    found = dict(_fields(body))
    yield "kind", found[3]
    yield "tags", list(_numbers(found.get(2, b"")))
    yield "parts", _parts(list(_numbers(found[4])), found[3])


def _parts(numbers: list[int], kind: int) -> list[list[tuple[int, int]]]:
    parts: list[list[tuple[int, int]]] = []
    x = y = at = 0
    while at < len(numbers):
        command, count = numbers[at] & 7, numbers[at] >> 3
        at += 1
        if command == 7:
            assert (kind, count) == (3, 1)
            assert len(parts[-1]) >= 3
            continue
        if command == 1:
            assert count == 1
            parts.append([])
        else:
            assert (command, len(parts[-1])) == (2, 1)
        for _ in range(count):
            x += (numbers[at] >> 1) ^ -(numbers[at] & 1)
            y += (numbers[at + 1] >> 1) ^ -(numbers[at + 1] & 1)
            parts[-1].append((x, y))
            at += 2
    return parts


def _fields(body: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(body):
        key, at = _number(body, at)
        if key & 7 == 0:
            value, at = _number(body, at)
            yield key >> 3, value
            continue
        assert key & 7 == 2
        length, at = _number(body, at)
        yield key >> 3, body[at : at + length]
        at += length


def _numbers(body: bytes) -> Iterator[int]:
    at = 0
    while at < len(body):
        value, at = _number(body, at)
        yield value


def _number(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
