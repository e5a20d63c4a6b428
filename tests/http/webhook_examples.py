"""Examples of operations on webhook endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.example import Example

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.http.conftest import House

WANTED: Final = {"url": "https://example.org/hook", "types": ["payout.paid"]}


def endpoint_of(house: House, role: Role = Role.SPONSOR) -> Example:
    """Return an endpoint of somebody with this role."""
    owner = house.caller(role)
    made = owner.post("/v1/webhook-endpoints", WANTED, key=str(new_id()))
    assert made.status_code == 201, made.text
    return Example(owner, {"endpoint_id": made.json()["endpoint"]["id"]}, {"endpoint_id": str(new_id())})


def _with(body: object) -> Callable[[House], Example]:
    def example(house: House) -> Example:
        found = endpoint_of(house)
        return Example(found.owner, found.names, found.missing, body)

    return example


def _delivery(house: House) -> Example:
    found = endpoint_of(house, Role.MERCHANT_OWNER)
    sent = found.owner.post(f"/v1/webhook-endpoints/{found.names['endpoint_id']}/test")
    names = found.names | {"delivery_id": sent.json()["id"]}
    return Example(found.owner, names, {name: str(new_id()) for name in names})


_PATH: Final = "/v1/webhook-endpoints/{endpoint_id}"
WEBHOOK_EXAMPLES: Final[dict[str, Callable[[House], Example]]] = {
    f"PUT {_PATH}": _with(WANTED),
    f"DELETE {_PATH}": endpoint_of,
    f"POST {_PATH}/secret": endpoint_of,
    f"POST {_PATH}/enable": endpoint_of,
    f"POST {_PATH}/disable": endpoint_of,
    f"POST {_PATH}/test": endpoint_of,
    f"POST {_PATH}/replay": _with({"since": "2026-01-01T00:00:00Z"}),
    f"GET {_PATH}/deliveries": endpoint_of,
    f"GET {_PATH}/deliveries/{{delivery_id}}": _delivery,
    f"POST {_PATH}/deliveries/{{delivery_id}}/replay": _delivery,
}
