"""The layer in the memory of a process: bytes by key, the least used ones go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from dogpile.cache import register_backend
from dogpile.cache.api import NO_VALUE, BytesBackend

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dogpile.cache.api import SerializedReturnType

NAME: Final = "nerava.memory"


class BoundedMemory(BytesBackend):
    """A dogpile backend with an upper limit for entries and bytes, which its own memory backend lacks."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Take `entries_max` and `bytes_max`."""
        self._entries_max: int = arguments["entries_max"]
        self._bytes_max: int = arguments["bytes_max"]
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get_serialized(self, key: str) -> SerializedReturnType:
        """Return what is kept, and note that it was used."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return NO_VALUE
            self._kept.move_to_end(key)
            return found

    def set_serialized(self, key: str, value: bytes) -> None:
        """Keep a text, and drop those used longest ago while there is too much."""
        with self._lock:
            self._drop(key)
            self._kept[key] = value
            self._bytes += len(value)
            while len(self._kept) > self._entries_max or self._bytes > self._bytes_max:
                self._drop(next(iter(self._kept)))

    def get_serialized_multi(self, keys: Iterable[str]) -> Sequence[SerializedReturnType]:
        """Return what is kept under each key."""
        return [self.get_serialized(key) for key in keys]

    def set_serialized_multi(self, mapping: Mapping[str, bytes]) -> None:
        """Keep several."""
        for key, value in mapping.items():
            self.set_serialized(key, value)

    def delete(self, key: str) -> None:
        """Drop one. Repeats safely."""
        with self._lock:
            self._drop(key)

    def delete_multi(self, keys: Iterable[str]) -> None:
        """Drop several."""
        for key in keys:
            self.delete(key)

    def _drop(self, key: str) -> None:
        gone = self._kept.pop(key, None)
        self._bytes -= 0 if gone is None else len(gone)


register_backend(NAME, __name__, BoundedMemory.__name__)  # type: ignore[no-untyped-call]
