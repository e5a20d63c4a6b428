"""The HTTP API as clients see it: over ASGI, and over real sockets where that matters."""
