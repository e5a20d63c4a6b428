"""A disk that fails as it is told to, under SQLite alone: its calls to sync and to write are answered by us.

SQLite reaches its files through a table of functions (VFS). A copy of the default one is put before it, whose
files sync and write through here; everything else is SQLite's own. Nothing has to be installed or compiled.
"""

from __future__ import annotations

import ctypes
import sqlite3
import threading
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

SQLITE_OK: Final = 0
SQLITE_FULL: Final = 13
SQLITE_IOERR_FSYNC: Final = 10 | 4 << 8
NAME: Final = b"failing-disk"

# The name as an address: SQLite keeps it, and more than a text stands there.
_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)
_Size = CFUNCTYPE(c_int, c_void_p, POINTER(c_int64))


class _Vfs(Structure):
    _fields_ = (
        ("version", c_int),
        ("size_of_file", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _Open),
        ("others", c_void_p * 15),
    )


class _Methods(Structure):
    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", _Write),
        ("truncate", c_void_p),
        ("sync", _Sync),
        ("file_size", _Size),
        ("others", c_void_p * 12),
    )


class Disk:
    """What the disk does wrong, which may change at any time.

    Attributes:
        sync_fails: The share of syncs that fail; the data may or may not be there.
        write_fails: The share of writes that find no space.
        is_full: Whether no file can grow.
        failed: How many calls were made to fail.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self.sync_fails = 0.0
        self.write_fails = 0.0
        self.is_full = False
        self.failed = 0

    def heal(self) -> None:
        """Let it do everything again."""
        self.sync_fails, self.write_fails, self.is_full = 0.0, 0.0, False

    def breaks(self, share: float) -> bool:
        """Say whether this call fails, and count it."""
        with self._lock:
            broken = self._rng.random() < share
            self.failed += broken
            return broken

    def no_room(self) -> bool:
        """Say whether a file cannot grow, and count it."""
        with self._lock:
            self.failed += self.is_full
            return self.is_full


@contextmanager
def failing_disk(rng: Random) -> Iterator[Disk]:
    """Put a disk that can fail under every SQLite file that is opened from now on in this process."""
    library = _library()
    original = cast(library.sqlite3_vfs_find(None), POINTER(_Vfs))
    disk = Disk(rng)
    kept: dict[int, tuple[_Methods, Any, Any]] = {}

    @_Open
    def open_file(_vfs: int, name: int, file: int, flags: int, out: Any) -> int:
        code = int(original.contents.open(ctypes.addressof(original.contents), name, file, flags, out))
        place = cast(file, POINTER(c_void_p))
        if code == SQLITE_OK and place[0]:
            address = int(place[0])
            if address not in kept:
                kept[address] = _breakable(cast(address, POINTER(_Methods)).contents, disk)
            place[0] = ctypes.addressof(kept[address][0])
        return code

    copy = _Vfs.from_buffer_copy(original.contents)
    copy.name, copy.open = NAME, open_file
    assert library.sqlite3_vfs_register(ctypes.byref(copy), 1) == SQLITE_OK
    try:
        yield disk
    finally:
        disk.heal()
        library.sqlite3_vfs_unregister(ctypes.byref(copy))
        library.sqlite3_vfs_register(original, 1)
        # Connections that are still open go on through these functions.
        _KEPT.append((copy, open_file, kept))


_KEPT: Final[list[object]] = []


def _breakable(real: _Methods, disk: Disk) -> tuple[_Methods, Any, Any]:
    @_Write
    def write(file: int, content: int, amount: int, offset: int) -> int:
        if disk.write_fails and disk.breaks(disk.write_fails):
            return SQLITE_FULL
        if disk.is_full:
            size = c_int64()
            real.file_size(file, ctypes.byref(size))
            if offset + amount > size.value and disk.no_room():
                return SQLITE_FULL
        return int(real.write(file, content, amount, offset))

    @_Sync
    def sync(file: int, flags: int) -> int:
        if disk.sync_fails and disk.breaks(disk.sync_fails):
            return SQLITE_IOERR_FSYNC
        return int(real.sync(file, flags))

    changed = _Methods.from_buffer_copy(real)
    changed.write, changed.sync = write, sync
    return changed, write, sync


def _library() -> Any:
    """Return the library that Python's sqlite3 works with, which is open already."""
    sqlite3.connect(":memory:").close()
    lines = Path("/proc/self/maps").read_text("utf-8", errors="replace").splitlines()
    paths = {line.split()[-1] for line in lines if "libsqlite3" in line}
    if not paths:
        pytest.skip("this Python has SQLite inside itself, where its files cannot be reached")
    library = ctypes.CDLL(paths.pop())
    library.sqlite3_vfs_find.restype = c_void_p
    library.sqlite3_vfs_find.argtypes = [c_char_p]
    return library
