"""Breaks providers in every way and writes down what people see: `python -m tests.chaos.resilience`.

Real adapters, simulated providers over real HTTP, a house on SQLite. What is written holds nothing that differs
from run to run.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from redis import Redis

from nerava import migrations
from nerava.identity.roles import Role
from nerava.integrations.nlr.api import NlrApi
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome, Unknown
from nerava.platform.cache import Answer, Cache
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.provider_calls import NLR_NEAREST
from nerava.simulators.serving import running_simulators
from tests.chaos.till_resilience import till_facts
from tests.helpers.stations import NOON, QUERY, Stations
from tests.http.flows import as_driver, cash_out, let_go, sponsor
from tests.http.paying import Counter, opened_counter
from tests.http.test_payouts_at_stripe import payee, row, transfers, until_over

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "RESILIENCE.md"

MONEY_FAULTS: Final[Mapping[str, dict[str, Any]]] = {
    "answers 500": {"kind": "status", "status": 500, "stored": False},
    "answers 503": {"kind": "status", "status": 503},
    "answers 429, come back in a minute": {"kind": "rate", "seconds": 60},
    "refuses our key (401)": {"kind": "auth"},
    "does it, the answer is lost": {"kind": "answer_lost"},
    "the answer is cut": {"kind": "cut"},
    "a login page with 200": {"kind": "wrong_type", "how": "login_page"},
    "an error inside a 200": {"kind": "wrong_type", "how": "error_inside"},
    "redirects to an address inside": {"kind": "redirect"},
    "never answers": {"kind": "black_hole", "times": 1},
    "one byte a second": {"kind": "drip", "times": 1},
    "100 MB": {"kind": "huge", "how": "sized"},
}
QUICK: Final = "does it, the answer is lost"
DIRECTORY_FAULTS: Final[Mapping[str, dict[str, Any]]] = {
    **{name: {**fault, "times": None} for name, fault in MONEY_FAULTS.items()},
    "lacks what we need (drift)": {"kind": "drift", "field": "fuel_stations", "how": "missing"},
    "answers 404": {"kind": "status", "status": 404},
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One row: what people did, what they saw at once, while it lasted, and after it was over."""

    fault: str
    did: str
    at_once: str
    meanwhile: str
    afterwards: str


@contextmanager
def _counter(template: Path) -> Iterator[Counter]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "house.sqlite3"
        shutil.copy(template, file)
        with opened_counter(f"sqlite:///{file}", Path(folder)) as counter:
            counter.world.stripe.deposit(1_000_000)
            yield counter


def money_rows(template: Path, fault: str) -> list[Seen]:
    """Return what sponsors and drivers see while Stripe does something to all its calls.

    Args:
        template: A migrated SQLite file.
        fault: A name in `MONEY_FAULTS`.
    """
    with _counter(template) as counter:
        rows = [_sponsor_pays(counter, fault)]
    with _counter(template) as counter:
        return [*rows, _driver_is_paid(counter, fault)]


def _break(counter: Counter, fault: str) -> None:
    counter.world.faults.add(**{"provider": "stripe", "method": "POST", **MONEY_FAULTS[fault]})


def _sponsor_pays(counter: Counter, fault: str) -> Seen:
    owner = sponsor(counter.house)
    _break(counter, fault)
    asked = owner.post("/v1/sponsor/checkouts", {"gross_minor": 10_000}, key=str(new_id()))
    counter.work(1)
    path = f"/v1/sponsor/checkouts/{asked.json()['id']}"
    meanwhile = owner.get(path)
    books = owner.get("/v1/sponsor").status_code
    counter.world.faults.heal()
    counter.wait(hours=2)
    counter.wait(hours=2)
    owner = counter.house.caller(Role.SPONSOR, owner.tenant_id)
    pages = counter.world.stripe.objects("checkout.session")
    if pages:
        counter.world.stripe.pay_checkout(pages[-1]["id"])
        counter.bring()
        counter.work(2)
    after = owner.get(path).json()["state"]
    prepaid = owner.get("/v1/sponsor").json()["prepaid_minor"]
    clean = "books clean" if counter.house.findings() == [] else "books NOT clean"
    return Seen(
        fault,
        "a sponsor pays in",
        f"{asked.status_code} `asked`",
        f"`{meanwhile.json()['state']}`; other pages {books}",
        f"{len(pages)} page, `{after}`, {prepaid} prepaid, {clean}",
    )


def _driver_is_paid(counter: Counter, fault: str) -> Seen:
    owner, method_id, _ = payee(counter)
    _break(counter, fault)
    asked = cash_out(owner, method_id)
    payout_id = UUID(asked.json()["id"])
    let_go(counter.house, str(payout_id))
    counter.work(1)
    meanwhile = owner.get(f"/v1/payouts/{payout_id}").json()["state"]
    wallet = owner.get("/v1/wallet").status_code
    counter.world.faults.heal()
    until_over(counter, payout_id, days=6)
    again = as_driver(counter.house, owner.tenant_id)
    after = again.get(f"/v1/payouts/{payout_id}").json()["state"]
    clean = "books clean" if counter.house.findings() == [] else "books NOT clean"
    assert row(counter, payout_id).state == after
    return Seen(
        fault,
        "a driver cashes out",
        f"{asked.status_code} `{asked.json()['state']}`",
        f"`{meanwhile}`; wallet {wallet}",
        f"{len(transfers(counter, payout_id))} transfer, `{after}`, {clean}",
    )


def till_rows(template: Path, *faults: str) -> list[Seen]:
    """Return what merchants see while Square does something to all its calls: some of `MONEY_FAULTS`, or all.

    Args:
        template: A migrated SQLite file.
        faults: Names in `MONEY_FAULTS`.
    """
    facts = till_facts(template, MONEY_FAULTS, faults or tuple(MONEY_FAULTS))
    return [Seen(one[0], "a register takes a code, the till sells", *one[1:]) for one in facts]


def directory_rows() -> list[Seen]:
    """Return what is known of stations while NLR does something to all its calls."""
    rows = []
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        for name, fault in DIRECTORY_FAULTS.items():
            simulators.faults.heal()
            simulators.reset(7)
            clock = FixedClock(NOON)
            cache = Cache(now=clock.now, chance=lambda: 0.5)
            nlr = NlrApi(
                simulators.nlr.key, base_url=simulators.url_of("nlr"), now=clock.now, pause=lambda _s: None
            )
            near = partial(_near, cache, nlr)
            known = near("known")
            clock.move_to(NOON + timedelta(days=2))
            simulators.faults.add(
                provider="nlr", **{key: value for key, value in fault.items() if value is not None}
            )
            told = [near("known"), near("unknown")]
            simulators.faults.heal()
            clock.move_to(NOON + timedelta(days=2, hours=2))
            after = near("another")
            assert isinstance(known.outcome, Ok)
            rows.append(Seen(name, "NLR: stations nearby", _told(told[0]), _told(told[1]), _told(after)))
            nlr.close()
            cache.close()
    return rows


def _near(cache: Cache, nlr: NlrApi, place: str) -> Answer:
    def load() -> Outcome[list[int]]:
        outcome = nlr.get(NLR_NEAREST.call, "/v1/nearest.json", QUERY)
        if not isinstance(outcome, Ok):
            return outcome
        found = outcome.value.get("fuel_stations")
        return Unknown("schema-drift") if found is None else Ok([one["id"] for one in found])

    assert NLR_NEAREST.region is not None
    return cache.get(NLR_NEAREST.region, place, load)


def redis_rows() -> list[Seen]:
    """Return what is known of stations while something happens to Redis."""
    rows = []
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators, EmbeddedValkey() as server:
        cache = Cache(now=lambda: NOON, redis_url=server.url(), redis_rest_s=0.1)
        asking = Stations(simulators.url_of("nlr"), simulators.nlr.key, cache=cache)
        asking.near("known")
        with Redis.from_url(server.url()) as redis:
            for name in ("flushed", "full", "frozen", "killed"):
                match name:
                    case "flushed":
                        redis.flushall()
                    case "full":
                        redis.config_set("maxmemory", 1)
                    case "frozen":
                        redis.config_set("maxmemory", 0)
                        os.kill(server.pid, signal.SIGSTOP)
                    case _:
                        os.kill(server.pid, signal.SIGCONT)
                        server.kill()
                told = [asking.near("known"), asking.near(name), asking.near(name)]
                rows.append(Seen(name, "Redis: stations nearby", *(_told(one) for one in told)))
        asking.outbound.close()
        cache.close()
    return rows


def _told(answer: Answer) -> str:
    if isinstance(answer.outcome, Ok):
        return "known, with its age" if answer.stale else "known"
    return f"nothing: `{getattr(answer.outcome, 'code', '')}`"


OPENING: Final = """\
# What people see when others fail

Written by `python -m tests.chaos.resilience`, which breaks each provider and looks; `tests/chaos/test_resilience_page.py`
runs it again and compares. How calls are made and kept: [calls to other machines](outbound.md). What is promised beyond
that: [reliability](RELIABILITY.md).

"""


def page(rows: Mapping[str, list[Seen]]) -> str:
    """Return the text of the page."""
    heads = {
        "Stripe": ("someone does", "answer at once", "while it lasts", "after it is over"),
        "Directories": (
            "someone looks at",
            "what was known 2 days ago",
            "what nobody asked for yet",
            "after it is over",
        ),
        "Redis": ("someone looks at", "what was known", "what nobody asked for yet", "the same again"),
        "Square": ("someone does", "answer at once", "while it lasts", "after it is over"),
    }
    text = OPENING
    for part, found in rows.items():
        text += f"## {part}\n\n| what fails | {' | '.join(heads[part])} |\n|---|---|---|---|---|\n"
        text += "".join(line(one) for one in found) + "\n"
    return text.rstrip() + "\n"


def line(one: Seen) -> str:
    """Return a row as the page has it."""
    return f"| {one.fault} | {one.did} | {one.at_once} | {one.meanwhile} | {one.afterwards} |\n"


def every_row(template: Path) -> dict[str, list[Seen]]:
    """Break everything and return what was seen."""
    return {
        "Stripe": [seen for fault in MONEY_FAULTS for seen in money_rows(template, fault)],
        "Directories": directory_rows(),
        "Redis": redis_rows(),
        "Square": till_rows(template),
    }


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.sqlite3"
        migrations.upgrade(f"sqlite:///{template}")
        PAGE.write_text(page(every_row(template)))


if __name__ == "__main__":
    main()
