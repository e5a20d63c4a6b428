"""The page to which a provider of points of sale sends people back: on to the app, with what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.platform.policy import Policy, guarded
from nerava.web.api.return_page import Word, page, sent_on
from nerava.web.api.wiring import Wired, router

if TYPE_CHECKING:
    from starlette.responses import Response

routes: Final = router("merchant: tills", prefix="")


@routes.get("/tills/return", include_in_schema=False)
@guarded(Policy(public="what comes back is worth nothing without the sign-in that went there"))
def come_back(  # noqa: PLR0917 - what Square puts into addresses
    wired: Wired,
    state: Word = None,
    code: Word = None,
    error: Word = None,
    response_type: Word = None,  # noqa: ARG001 - Square's, always the same
    error_description: Word = None,  # noqa: ARG001 - somebody's text, which nobody is shown
) -> Response:
    """Send people of a merchant on to the app, which hands in what came (`/v1/merchant/tills/return`).

    Nothing is decided here: the state is good once, for 10 minutes, on the sign-in that it began on.
    """
    if wired.till_app_url is not None and state is not None:
        return sent_on(wired.till_app_url, {"state": state, "code": code, "error": error})
    if error is not None:
        return page("Your point of sale was not linked", "Go back to the app; you can try again there.")
    if state is None:
        return page("Nothing to do here", "Link a point of sale in the app.")
    return page("Almost done", "Go back to the app to finish linking your point of sale.")
