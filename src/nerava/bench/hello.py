"""The peer of the web server: a bare application that says hello, under the server that we ship."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from nerava.serving import server_for
from nerava.settings import ServerSettings

if TYPE_CHECKING:
    import socket


class _NothingToDrain:
    """Stands where the readiness of an installation would."""

    def drain(self) -> None:
        """Do nothing: nobody asks whether this server is ready."""


def hello_app() -> FastAPI:
    """Return an application with one endpoint, as the first page of FastAPI's tutorial has it."""
    app = FastAPI(openapi_url=None)
    app.state.readiness = _NothingToDrain()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"message": "hello"}

    return app


def serve_hello(listening: socket.socket) -> None:
    """Serve it on a listening socket until a signal ends it."""
    server_for(hello_app(), ServerSettings(drain_s=0, grace_s=1)).run(sockets=[listening])
