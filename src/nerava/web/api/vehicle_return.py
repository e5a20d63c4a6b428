"""The page to which a provider of vehicle data sends people back: on to the app, with what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.platform.policy import Policy, guarded
from nerava.web.api.return_page import Word, page, sent_on
from nerava.web.api.wiring import Wired, router

if TYPE_CHECKING:
    from starlette.responses import Response

routes: Final = router("vehicles", prefix="")


@routes.get("/vehicles/return", include_in_schema=False)
@guarded(Policy(public="what comes back is worth nothing without the sign-in that went there"))
def come_back(  # noqa: PLR0917 - what providers put into addresses
    wired: Wired,
    state: Word = None,
    code: Word = None,
    user_id: Word = None,
    error: Word = None,
    error_description: Word = None,  # noqa: ARG001 - somebody's text, which nobody is shown
    vin: Word = None,  # noqa: ARG001 - says which car is not compatible
    make: Word = None,  # noqa: ARG001 - as above
    model: Word = None,  # noqa: ARG001 - as above
    year: Word = None,  # noqa: ARG001 - as above
    mode: Word = None,  # noqa: ARG001 - what we asked for
    status_code: Word = None,  # noqa: ARG001 - of an error
    request_id: Word = None,  # noqa: ARG001 - of an error
    virtual_key_url: Word = None,  # noqa: ARG001 - for some makers
) -> Response:
    """Send the driver on to the app, which hands in what came (`/v1/vehicle-connections/return`).

    Nothing is decided here: the state is good once, for 15 minutes, on the sign-in that it began on.
    """
    came = {"state": state, "code": code, "user_id": user_id, "error": error}
    if wired.app_url is not None and state is not None:
        return sent_on(wired.app_url, came)
    if error is not None:
        return page("Your car was not connected", "Go back to the app; you can try again there.")
    if state is None:
        return page("Nothing to do here", "Connect a car in the app.")
    return page("Almost done", "Go back to the app to finish connecting your car.")
