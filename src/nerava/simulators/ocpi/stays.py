"""What becomes of a car at a simulated operator: it comes, leaves, is billed, and may be credited later."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from nerava.simulators.ocpi.charging import instant_text, price, session

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.ocpi.state import Operator
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.wire import Json

STAY: Final = timedelta(minutes=40)
BILLED_AFTER: Final = timedelta(hours=2)
KWH_LEAST, KWH_MOST = 8, 28


class Network(Protocol):
    """What keeps the objects of operators and lets them leave."""

    timeline: Timeline

    def plan(self, after: timedelta, action: str, operator: Operator, subject: str) -> None:
        """Put something that happens at an operator on the timeline."""

    def happened(self, operator: Operator, module: str, made: Json) -> Json:
        """Keep an object as it is now and return it as it leaves."""

    def bill(self, operator: Operator, session_id: str, **more: object) -> Json:
        """Write the record of a session that is over."""


def come(ocpi: Network, operator: Operator, token: Json, place: str, at: str | None) -> Json:
    """Let a car come with a token; `at` is now unless given."""
    operator.serial += 1
    began = ocpi.timeline.now() if at is None else datetime.fromisoformat(at)
    made = session(operator, f"S-{operator.number}-{operator.serial}", place, token, began)
    return ocpi.happened(operator, "sessions", made)


def leave(ocpi: Network, operator: Operator, session_id: str, kwh: float, at: str | None = None) -> Json:
    """Let a car leave with so many kilowatt-hours; `at` is now unless given."""
    told = copy.deepcopy(operator.objects["sessions"][session_id])
    now = ocpi.timeline.now()
    ended = instant_text(now if at is None else datetime.fromisoformat(at))
    told |= {"kwh": kwh, "end_date_time": ended, "status": "COMPLETED"}
    told["last_updated"] = instant_text(now)
    return ocpi.happened(operator, "sessions", told)


def credit(ocpi: Network, operator: Operator, record_id: str) -> Json:
    """Take a record back: everything again, and only the cost negative."""
    original = operator.objects["cdrs"][record_id]
    cost = original["total_cost"]
    net = cost.get("excl_vat", cost.get("before_taxes", 0))
    made = copy.deepcopy(original) | {
        "id": f"{record_id}-C",
        "credit": True,
        "credit_reference_id": record_id,
        "total_cost": price(operator, -Decimal(str(net))),
        "last_updated": instant_text(ocpi.timeline.now()),
    }
    return ocpi.happened(operator, "cdrs", made)


def due(ocpi: Network, chance: Chance, action: str, operator: Operator, subject: str) -> None:
    """Let happen what was planned for a token, a session or a record of an operator."""
    match action:
        case "come":
            begun = come(ocpi, operator, operator.tokens[subject], "L1", None)
            ocpi.plan(STAY, "leave", operator, begun["id"])
        case "leave":
            leave(ocpi, operator, subject, round(chance.between(KWH_LEAST, KWH_MOST), 1))
            ocpi.plan(BILLED_AFTER, "bill", operator, subject)
        case "bill":
            ocpi.bill(operator, subject)
        case "credit":
            credit(ocpi, operator, subject)
        case _:
            message = f"nothing is called {action}"
            raise AssertionError(message)


def without_zones(told: Json) -> Json:
    """Return an object whose instants say no zone, which in OCPI means UTC."""
    instants = {name: one for name, one in told.items() if name.endswith(("_date_time", "last_updated"))}
    return told | {name: one.removesuffix("Z") for name, one in instants.items() if isinstance(one, str)}
