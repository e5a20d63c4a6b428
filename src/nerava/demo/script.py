"""What one can try in a demo: lines for a shell, each with what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

    from nerava.demo.scene import Scene

CURL: Final = "curl -sw '\\n'"
"""Without a word of its own, and with a line's end after each answer, which has none."""
JSON: Final = '-H "Content-Type: application/json"'
FIELD: Final = """field() { sed -ne "s/.*\\"$1\\":\\"\\([^\\"]*\\)\\".*/\\1/p" -e t -e "w /dev/stderr"; }"""
"""A shell function that takes one field of text out of an answer; without it, the whole answer is shown."""

PLAIN: Final = 'sed -n "s/<[^>]*>//g;/old:/p"'
"""What a till's page says came of it: sold, or not sold and why."""

CASHED_MINOR: Final = 100


class Step(NamedTuple):
    """One thing to try: what it shows, for people, and the lines that do it."""

    what: str
    command: str


def reading(who: str, path: str) -> str:
    """Return a command that shows a page to somebody."""
    return f'{CURL} -H "Authorization: Bearer ${who}" \\\n  "$NERAVA{path}"'


def looks(sponsor: str, driver: str, earned: UUID, refused: UUID | None) -> list[Step]:
    """Return what there is to be looked at."""
    steps = [
        Step("what the driver holds", reading(driver, "/v1/wallet")),
        Step("how it came, line by line", reading(driver, "/v1/wallet/statement")),
        Step("a session that earned, rule by rule", reading(driver, f"/v1/sessions/{earned}/decision")),
        Step("the campaigns of the sponsor, and where their money is", reading(sponsor, "/v1/campaigns")),
        Step("the cash behind every point", reading("OPS", "/v1/ops/accounts/nova:reserve")),
    ]
    if refused is not None:
        path = f"/v1/sessions/{refused}/decision"
        steps.insert(3, Step("a session that earned nothing, and why", reading(driver, path)))
    return steps


def walks() -> list[Step]:
    """Return what there is to be seen in the city."""
    near = "lat=60.1717&lng=24.9391"
    return [
        Step("chargers around the main station of Helsinki", f'{CURL} "$NERAVA/v1/chargers?{near}"'),
        Step(
            "… and where to have a coffee meanwhile: minutes on foot, open or not",
            f'{CURL} "$NERAVA/v1/while-you-charge?{near}&category=cafe"',
        ),
        Step("the map of it, as vector tiles", f'{CURL} "$NERAVA/v1/map"'),
    ]


def sells(till: str) -> list[Step]:
    """Return how the coffee that was redeemed is rung up at the merchant's till, and what that proves."""
    rung_up = f'-d "code=$CODE" -d "name=Coffee&quantity=1&price=450&tip=50" \\\n  "{till}"'
    return [
        Step(
            "ring the coffee up at the till of the merchant (a page for people, too), with the code …",
            f"{CURL} -X POST {rung_up} | {PLAIN}",
        ),
        Step(
            "… and three minutes later the receipt names the order that proves it",
            reading("DRIVER", "/v1/redemptions"),
        ),
    ]


def drives(charge: UUID) -> list[Step]:
    """Return what a connected car has told, and what came of it."""
    return [
        Step("the car that the driver connected, and what it said last", reading("DRIVER", "/v1/vehicles")),
        Step(
            "a charge that the car alone told of: held until a record of the operator proves it",
            reading("DRIVER", f"/v1/sessions/{charge}/decision"),
        ),
    ]


def dry_run(campaign_id: UUID, until: date, gross_minor: int) -> Step:
    """Return how a sponsor asks what a campaign would have cost in the four weeks before a day."""
    path = f"/v1/campaigns/{campaign_id}/dry-run?until={until}&gross_minor={gross_minor}"
    return Step(
        f"what it would have cost in four weeks, with {gross_minor:,} to spend", reading("SPONSOR", path)
    )


def acts(scene: Scene, fee_minor: int) -> list[Step]:
    """Return what there is to be done: a coffee for Nova, and money to a bank."""
    latitude, longitude = scene.place
    payments = reading("SPONSOR", "/v1/sponsor/checkouts")
    offers = f"/v1/offers?lat={latitude}&lng={longitude}"
    cashout = f'{{"method_id":"{scene.method_id}","amount_minor":{CASHED_MINOR},"fee_minor":{fee_minor}}}'
    return [
        Step("what the sponsor paid at the simulated provider", payments),
        Step("what there is for Nova around the chargers", reading("DRIVER", offers)),
        Step(
            "redeem a coffee: show a code …",
            _keeping("CODE", "code", "DRIVER", f"/v1/offers/{scene.coffee_id}/redemptions", None),
        ),
        Step(
            "… and take it as the register",
            _posting(
                "REGISTER",
                "/v1/merchant/redemptions/capture",
                f'{{"code":"$CODE","register_id":"{scene.register_id}"}}',
            ),
        ),
        Step(
            "cash out: what it costs",
            reading("DRIVER", f"/v1/payout-quote?amount_minor={CASHED_MINOR}"),
        ),
        Step("ask for it …", _keeping("PAYOUT", "id", "DRIVER", "/v1/payouts", cashout)),
        Step(
            "… one person of finance proposes it (their passkeys count for 5 minutes after the start) …",
            _keeping("BATCH", "id", "OPS", "/v1/ops/payout-batches", '{"payout_ids":["$PAYOUT"]}'),
        ),
        Step(
            "… another one lets it go",
            _posting("FINANCE", "/v1/ops/payout-batches/$BATCH/approve", None),
        ),
        Step("… and within seconds it is paid", reading("DRIVER", "/v1/payouts/$PAYOUT")),
    ]


def _posting(who: str, path: str, body: str | None) -> str:
    sent = "" if body is None else f" {JSON} \\\n  -d {_quoted(body)}"
    # By the path, too: two requests of one person within a second are two.
    name = path.split("/")[-1 if body is None else 2]
    key = f'-H "Idempotency-Key: {name}-$(date +%s)"'
    return f'{CURL} -X POST -H "Authorization: Bearer ${who}" \\\n  {key}{sent} \\\n  "$NERAVA{path}"'


def _keeping(variable: str, name: str, who: str, path: str, body: str | None) -> str:
    """Return a command that keeps a field of the answer in a variable and shows it."""
    return f"{variable}=$({_posting(who, path, body)} | field {name}); echo ${variable}"


def _quoted(body: str) -> str:
    """Return JSON as a shell takes it that puts variables in."""
    return '"' + body.replace('"', '\\"') + '"'
