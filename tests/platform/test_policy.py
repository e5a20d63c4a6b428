"""Default deny: a route nobody reviewed stops the start, and one nobody guards is closed."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from nerava.platform.policy import (
    GuardedRoute,
    Policy,
    Repeats,
    RoutesAndPoliciesDiffer,
    compare,
    guarded,
    render,
    walk,
)

OPEN = Policy(public="a test")
CLOSED = Policy(roles=("driver",), scope="wallet:read", repeats=Repeats.KEY_REQUIRED)


def routed(policy: Policy | None = OPEN, path: str = "/a", methods: list[str] | None = None) -> GuardedRoute:
    async def endpoint() -> None:
        """Do nothing."""

    return GuardedRoute(path, guarded(policy)(endpoint) if policy else endpoint, methods=methods or ["GET"])


def test_a_route_without_a_policy_cannot_even_be_made() -> None:
    with pytest.raises(RoutesAndPoliciesDiffer, match="/a has no policy"):
        routed(policy=None)


@pytest.mark.parametrize(
    "foreign",
    [
        Route("/x", lambda _request: PlainTextResponse("x")),
        Mount("/static", routes=[]),
    ],
)
def test_a_route_of_another_kind_stops_the_start(foreign: Route | Mount) -> None:
    with pytest.raises(RoutesAndPoliciesDiffer, match="no policy"):
        walk([routed(), foreign])


def test_an_ordinary_route_and_a_nested_router_stop_the_start() -> None:
    app, nested = FastAPI(openapi_url=None), APIRouter()

    @nested.get("/hidden")
    async def hidden() -> None:
        """Do nothing."""

    app.include_router(nested)
    with pytest.raises(RoutesAndPoliciesDiffer):
        walk(app.router.routes)


def test_two_routes_for_one_address_stop_the_start() -> None:
    with pytest.raises(RoutesAndPoliciesDiffer, match="GET /a is mounted twice"):
        walk([routed(), routed(CLOSED)])
    assert list(walk([routed(), routed(CLOSED, methods=["POST"])])) == ["GET /a", "POST /a"]


def test_the_reviewed_table_must_say_the_same_as_the_routes() -> None:
    mounted = walk([routed(), routed(CLOSED, "/b", ["POST"])])
    reviewed = render(mounted)
    compare(mounted, "# a comment\n" + reviewed)

    for wrong, told in [
        (reviewed.replace('"driver"', '"driver", "sponsor"'), "POST /b is not mounted as reviewed"),
        (reviewed.replace("key-required", "key-accepted"), "POST /b is not mounted as reviewed"),
        (reviewed.replace("GET /a", "GET /old"), "GET /a is mounted but not reviewed"),
        (
            reviewed + '["GET /gone"]\npublic = "x"\nrepeats = "safe"\n',
            "GET /gone is reviewed but not mounted",
        ),
    ]:
        with pytest.raises(RoutesAndPoliciesDiffer, match=told):
            compare(mounted, wrong)


@pytest.mark.parametrize(
    "half",
    [{}, {"roles": ("driver",)}, {"scope": "x:read"}, {"public": "why", "roles": ("driver",), "scope": "x"}],
)
def test_a_policy_is_public_with_a_reason_or_closed(half: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        Policy(**half)  # type: ignore[arg-type]
