"""A TCP proxy in front of PostgreSQL that understands its messages and loses some of them.

It frames the protocol, because one COMMIT may be split over packets and one packet may hold several
messages. Both directions of a cut connection are shut down: a bare close leaves a peer hanging.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

Loss = Literal["reply", "request"]
"""What is lost of a COMMIT: the server's answer after it was carried out, or the COMMIT itself."""

_QUERIES: Final = (b"Q", b"P")
"""A simple query, or the parse step of the extended protocol."""

_ASKS_FOR_ENCRYPTION: Final = 8
"""Length of the two messages that a client may send before it opens; the answer is one byte."""


@dataclass(slots=True, eq=False)
class _Connection:
    """What the proxy knows about one client's connection."""

    doomed: bool = False
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def cut(self) -> None:
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            writer.close()


class CommitProxy:
    """Forwards to a PostgreSQL on a unix socket and loses every `every`-th COMMIT. A context manager.

    Attributes:
        port: Where it listens on 127.0.0.1.
        commits: How many COMMITs came by.
        lost: How many of them it lost.
    """

    def __init__(self, server_socket: Path, *, every: int = 3, loss: Loss = "reply") -> None:
        self._server_socket = server_socket
        self._every = every
        self._loss = loss
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="commit-proxy", daemon=True)
        self._open: set[_Connection] = set()
        self.port = 0
        self.commits = 0
        self.lost = 0

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Cut every connection and end."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _end(self) -> None:
        self._listener.close()
        for connection in list(self._open):
            connection.cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 5)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._server_socket)
        connection = _Connection(writers=[to_client, to_server])
        self._open.add(connection)
        try:
            await asyncio.gather(
                self._from_client(client, to_server, connection),
                self._from_server(server, to_client, connection),
            )
        finally:
            connection.cut()
            for writer in connection.writers:
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            self._open.discard(connection)

    async def _from_client(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while len(opening := await _untyped(client)) == _ASKS_FOR_ENCRYPTION:
                connection.writers[0].write(b"N")
            to_server.write(opening)
        async for kind, message in _messages(client):
            if kind in _QUERIES and _is_commit(message):
                self.commits += 1
                if self.commits % self._every == 0:
                    self.lost += 1
                    if self._loss == "request":
                        break
                    connection.doomed = True
            to_server.write(message)
            await to_server.drain()
        connection.cut()

    async def _from_server(
        self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        async for kind, message in _messages(server):
            # Only what says that the COMMIT was carried out is lost; until then all is as usual.
            if connection.doomed and kind == b"C":
                break
            to_client.write(message)
            await to_client.drain()
        connection.cut()


async def _untyped(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length) - 4)


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield the type and the bytes of every message until the stream ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            yield head[:1], head + body


def _is_commit(message: bytes) -> bool:
    text = message[5:]
    if message[:1] == b"P":
        text = text.partition(b"\0")[2]  # After the name of the prepared statement.
    return text.partition(b"\0")[0].strip().upper() == b"COMMIT"
