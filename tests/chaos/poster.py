"""A process that posts as fast as it can and tells what was acknowledged, until it is killed.

Run as `python -m tests.chaos.poster` it is a nursery: for every order on its standard input it forks
a child that does the work, prints the child's process id and, when the child has ended, how. So a
child starts in milliseconds instead of the second that the imports take.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, get_args
from uuid import UUID

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger import Ledger
from nerava.ledger.effects import Effect
from nerava.outbox.catalogue import SessionEvent
from nerava.outbox.publishing import publish
from nerava.platform.db import EngineOptions
from tests.chaos.broken_builds import Build, database_of
from tests.chaos.life import Life, Town
from tests.helpers.financial_helpers import Books, Note, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger import Verdict

SUBMITTERS: Final = 4
INLINERS: Final = 2
LIFETIME_S: Final = 30
"""An orphan ends by itself after this."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one child is to do.

    Attributes:
        name: Opens the names of its residents, which are the actors of its chains.
        acknowledgements: A named pipe; the key of each chain goes into it once it was acknowledged.
    """

    url: str
    town: Town
    name: str
    seed: int
    build: Build
    acknowledgements: str

    def to_json(self) -> str:
        """Return the order as one line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> Order:
        """Return the order that a line describes."""
        body = json.loads(line)
        body["town"] = Town(**{name: tuple(map(UUID, ids)) for name, ids in body["town"].items()})
        return cls(**body)


@dataclass(frozen=True, slots=True)
class Telling(Effect):
    """An event that belongs to a chain, and names it."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    key: UUID

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Publish the events of a batch."""
        told = [
            SessionEvent(state="verified", session_id=new_id(), reference=str(one.key)) for one, _ in items
        ]
        publish(session, told, SystemClock().now())


def work(order: Order) -> None:
    """Post from several threads by both ways; acknowledge each key after its answer."""
    pipe = os.open(order.acknowledgements, os.O_WRONLY)
    database = database_of(order.build)(order.url, EngineOptions(pool_wait_ms=20_000, lock_timeout_ms=20_000))
    ledger = Ledger(database, SystemClock())
    books = {way: Books(database, ledger, way) for way in get_args(Way)}

    def reside(way: Way, number: int) -> None:
        resident = f"{order.name}-{way}-{number}"
        life = Life(order.town, resident, Random(f"{order.seed} {resident}"))
        try:
            while True:
                chain = life.chain()
                if books[way].post(chain, [Note(chain.key), Telling(chain.key)]).ok:
                    os.write(pipe, f"{chain.key}\n".encode())
                else:
                    life.refused()
        except BrokenPipeError:
            return  # Nobody listens any more.
        except BaseException as error:
            os.write(pipe, f"! {error!r}\n".encode()[:400])
            raise

    ways: Sequence[Way] = ["submit"] * SUBMITTERS + ["inline"] * INLINERS
    for number, way in enumerate(ways):
        threading.Thread(target=reside, args=(way, number), daemon=True).start()
    time.sleep(LIFETIME_S)


def main() -> None:
    """Fork a child for every line that comes in, one at a time."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                work(Order.from_json(line))
            finally:
                os._exit(1)
        print(child, flush=True)  # noqa: T201 - its answer
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()
