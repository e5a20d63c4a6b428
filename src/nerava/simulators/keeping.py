"""Writes down what the simulated Stripe believes and reads it again, so that a demo goes on where it was.

What is due and every object is kept. Webhooks that were not delivered are not: they are hints. Nor
are idempotency keys: whoever is unsure what became of a call reads before it calls again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from nerava.simulators.errors import NotPossible
from nerava.simulators.stripe.state import StripeState
from nerava.simulators.timeline import Due

if TYPE_CHECKING:
    from nerava.simulators.world import World


def put_down(world: World) -> str:
    """Return the simulated Stripe as JSON."""
    with world.lock:
        state = world.stripe.state
        kept = {
            "platform": state.platform,
            "key": state.key,
            "tables": state.tables,
            "owners": state.owners,
            "links": state.links,
            "fates": state.fates,
            "deauthorised": sorted(state.deauthorised),
            "secrets": {
                name: one.secrets
                for name, one in world.webhooks.endpoints.items()
                if one.provider == world.stripe.name
            },
            "due": [
                [one.at.isoformat(), one.number, one.action, one.subject]
                for one in world.timeline.waiting()
                if one.provider == world.stripe.name
            ],
        }
        return json.dumps(kept)


def take_up(world: World, text: str) -> None:
    """Let the simulated Stripe believe what it believed when it was put down; time went on meanwhile.

    Raises:
        NotPossible: The text is not what `put_down` wrote (409).
    """
    name = world.stripe.name
    try:
        kept = json.loads(text)
        state = StripeState(
            kept["platform"],
            kept["key"],
            kept["tables"],
            kept["owners"],
            links=kept["links"],
            fates=kept["fates"],
            deauthorised=set(kept["deauthorised"]),
        )
        waiting = [
            Due(datetime.fromisoformat(at), number, name, action, subject)
            for at, number, action, subject in kept["due"]
        ]
        secrets = {str(endpoint): list(map(str, some)) for endpoint, some in kept["secrets"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotPossible("this is not what a simulated Stripe was put down as") from error
    with world.lock:
        world.stripe.state = state
        world.timeline.put_back(waiting)
        for endpoint, some in secrets.items():
            world.webhooks.endpoints[endpoint].secrets = some
