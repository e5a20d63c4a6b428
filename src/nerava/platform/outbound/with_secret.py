"""A call that carries a secret: refused because of it, it is made once more with a newer one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.platform.outbound.answers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.live_secrets import LiveSecret
    from nerava.platform.outbound.answers import Result

_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def ask_with(secret: LiveSecret, ask: Callable[[str], Result]) -> Result:
    """Ask with the secret as it is now, and after a 401 or 403 with the one that has taken its place.

    Whoever refuses a secret has done nothing else, so that a write may be asked for again, too.
    """
    text = secret.reveal()
    result = ask(text)
    if isinstance(result, Reply) and result.status in _REFUSED:
        newer = secret.newer_than(text)
        if newer is not None:
            return ask(newer)
    return result
