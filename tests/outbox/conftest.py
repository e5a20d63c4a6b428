"""A relay with endpoints that exist, on a clock that tests move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.kernel.clock import FixedClock, SystemClock
from nerava.kernel.ids import new_id
from nerava.outbox import deliveries
from nerava.outbox.catalogue import RedemptionEvent
from nerava.outbox.endpoints import Endpoints, Owner, Wanted
from nerava.outbox.publishing import give_positions, publish
from nerava.outbox.relay import HttpSender, Relay, RelayTools
from nerava.outbox.webhook_store import OwnerKind, WebhookDelivery, WebhookEndpoint
from nerava.platform.db import Database
from nerava.platform.secrets import Secrets
from nerava.platform.vault import Vault
from tests.outbox.post_office import PostOffice, opened_post_office

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def post_office_server() -> Iterator[PostOffice]:
    """One server for all tests of a process."""
    with opened_post_office() as office:
        yield office


@pytest.fixture
def post_office(post_office_server: PostOffice) -> PostOffice:
    """Endpoints that have got nothing yet."""
    office = post_office_server
    for one in (office.letters, office.answers, office.slow, office.busy, office.most_at_once):
        one.clear()
    return office


@dataclass
class Desk:
    """Everything that webhooks out consist of, for one merchant unless another is named."""

    database: Database
    endpoints: Endpoints
    relay: Relay
    clock: FixedClock
    office: PostOffice
    owner: Owner = field(default_factory=lambda: Owner(OwnerKind.MERCHANT, new_id()))
    notices: list[tuple[UUID, str | None]] = field(default_factory=list)

    def endpoint(self, path: str = "/a", *types: str, owner: Owner | None = None) -> tuple[UUID, str]:
        """Make an endpoint and return its id and its secret."""
        wanted = Wanted(self.office.url(path), types)
        new = self.database.run(
            lambda session: self.endpoints.make(session, owner or self.owner, wanted, self.clock.now())
        )
        return new.endpoint.id, new.text

    def happen(self, count: int = 1, *, state: str = "captured", owner: Owner | None = None) -> list[UUID]:
        """Let redemptions be taken and return their ids, in order."""
        ids = [new_id() for _ in range(count)]
        merchant = (owner or self.owner).id
        events = [
            RedemptionEvent.model_validate(
                {"state": state, "redemption_id": one, "points": 5, "merchant_id": merchant}
            )
            for one in ids
        ]
        self.database.run(lambda session: publish(session, events, self.clock.now()))
        self.queue()
        return ids

    def queue(self) -> None:
        """Order what happened and queue it for the endpoints."""
        self.database.run(give_positions)
        while self.database.run(lambda session: deliveries.fan_out(session, self.clock.now())):
            pass

    def bring(self, rounds: int = 100) -> int:
        """Bring what is due until nothing is, and return how many messages were sent."""
        sent = 0
        for _ in range(rounds):
            begun = self.relay.run(self.clock.now())
            self.relay.wait(30)
            sent += begun
            if begun == 0:
                break
        return sent

    def later(self, by: timedelta) -> None:
        """Move the clock."""
        self.clock.move_to(self.clock.now() + by)

    def states(self, endpoint_id: UUID) -> list[tuple[str, int]]:
        """Return state and attempts of everything for an endpoint, in order."""
        query = select(WebhookDelivery.state, WebhookDelivery.attempts).where(
            WebhookDelivery.endpoint_id == endpoint_id
        )
        ordered = query.order_by(WebhookDelivery.position)
        return self.database.read(lambda session: [(row[0], row[1]) for row in session.execute(ordered)])

    def row(self, endpoint_id: UUID) -> Any:
        """Return the row of an endpoint."""
        table = WebhookEndpoint.__table__
        query = select(table).where(table.c.id == endpoint_id)
        return self.database.read(lambda session: session.execute(query).one())

    def run(self, work: Any) -> Any:
        """Run a unit of work."""
        return self.database.run(work)


@pytest.fixture
def desk(database: Database, post_office: PostOffice, tmp_path: Path) -> Iterator[Desk]:
    """Webhooks out on both databases."""
    clock = FixedClock(NOW)
    endpoints = Endpoints(Vault(Secrets({}, SystemClock(), made_in=tmp_path)), allows_local=True)
    notices: list[tuple[UUID, str | None]] = []
    tools = RelayTools(
        database=database,
        endpoints=endpoints,
        clock=clock,
        sender=HttpSender(endpoints.is_local, clock.now),
        notice=lambda _session, owner, endpoint, _now: notices.append((owner.id, endpoint.disabled_because)),
    )
    relay = Relay(tools)
    yield Desk(database, endpoints, relay, clock, post_office, notices=notices)
    relay.close()
