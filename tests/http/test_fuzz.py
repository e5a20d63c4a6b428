"""Whatever anybody sends, signed in with the right role: no 5xx, and only what the document promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from pydantic import SecretStr
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from nerava.identity.roles import Role
from nerava.platform.policy import ANY_ROLE, walk
from nerava.settings import (
    AppleWalletSettings,
    GoogleWalletSettings,
    IssuerSettings,
    OcpiSettings,
    SmartcarSettings,
    SquareSettings,
)
from nerava.simulators.wallets import keys
from nerava.web.api.routes import openapi_document
from tests.conftest import DIALECTS
from tests.http.conftest import Caller, House, opened_house
from tests.http.flows import campaign, partner_session, sponsor, work_off

pytestmark = pytest.mark.both

FEW, MANY = 4, 60
TAKEN = IssuerSettings(client_ids="a.client", keys_url="http://127.0.0.1:9/keys")
OPEN: Final[dict[str, Any]] = {
    "google": TAKEN,
    "apple": TAKEN,
    "ocpi": OcpiSettings(mode="simulator", country_code="US", party_id="NRV"),
    "smartcar": SmartcarSettings(
        mode="simulator",
        client_id="us",
        client_secret=SecretStr("s" * 36),
        webhook_secrets=SecretStr("w" * 36),
        base_url="http://127.0.0.1:9",
    ),
    "square": SquareSettings(
        mode="simulator",
        client_id="us",
        client_secret=SecretStr("s" * 36),
        webhook_secrets=SecretStr("w" * 36),
        base_url="http://127.0.0.1:9",
    ),
}
"""Everything that can be switched on is: whoever is off answers 503, and nothing else."""


def wallets() -> dict[str, Any]:
    """Return the rest of it, with keys that take a moment to make; nobody is where it would be sent."""
    nowhere, ends_at = "http://127.0.0.1:9", datetime(2036, 1, 1, tzinfo=UTC)
    paper = keys.paper("pass.example.points", ends_at)
    apple = AppleWalletSettings(
        mode="simulator",
        pass_type="pass.example.points",  # noqa: S106 - the name of a kind of pass
        team="A1B2C3D4E5",
        certificate=SecretStr(paper.certificate),
        intermediate=SecretStr(paper.intermediate),
        key=SecretStr(paper.key),
        base_url=nowhere,
    )
    google = GoogleWalletSettings(
        mode="simulator",
        issuer_id="3388000000012345678",
        account="passes@example.org",
        key=SecretStr(paper.key),
        logo_url="https://nerava.example/logo.png",
        base_url=nowhere,
    )
    return {"apple_wallet": apple, "google_wallet": google}


class Fuzzed:
    """A house with people, money and sessions in it, and who calls what there."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", house.app)
        self._policies = walk(house.app.router.routes)
        owner, partner = sponsor(house, 1_000_000), house.caller(Role.PARTNER)
        paying = campaign(owner, 100_000)
        stored = partner.post("/v1/partner/sessions", partner_session()).json()
        work_off(house)
        self._ids = {"campaign_id": paying, "session_id": stored["session_id"], "sponsor_id": owner.tenant_id}
        self._people = {role: house.caller(role) for role in Role}
        self._people |= {Role.SPONSOR: owner, Role.PARTNER: partner, Role.DRIVER: house.driver()}

    def caller_of(self, case: Case[Any]) -> Caller | None:
        """Return somebody who may do this; nobody for a public address."""
        policy = self._policies[f"{case.method} {case.path}"]
        if policy.public:
            return None
        if "/auth/logout" in case.path:
            return self.house.driver()  # Whoever calls this cannot call again.
        return self._people[Role.DRIVER if policy.roles == ANY_ROLE else Role(policy.roles[0])]

    def aim(self, case: Case[Any]) -> None:
        """Put ids of things that exist where the fuzzer made up good ones, so that it gets somewhere."""
        for name in case.path_parameters:
            if name in self._ids and _is_uuid(case.path_parameters[name]):
                case.path_parameters[name] = str(self._ids[name])


def _is_uuid(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def houses(
    database_url_of_module: Callable[[str], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Fuzzed]]:
    """Return the house on a database. Both stay open: tests take turns on them."""
    opened: dict[str, Fuzzed] = {}
    with ExitStack() as stack:

        def house_on(dialect: str) -> Fuzzed:
            if dialect not in opened:
                url = stack.enter_context(database_url_of_module(dialect))
                folder = tmp_path_factory.mktemp("fuzz")
                opened[dialect] = Fuzzed(stack.enter_context(opened_house(url, folder, **OPEN, **wallets())))
            return opened[dialect]

        yield house_on
        assert [one.house.findings() for one in opened.values()] == [[]] * len(opened)


@pytest.fixture
def fuzzed(request: pytest.FixtureRequest, houses: Callable[[str], Fuzzed]) -> Fuzzed:
    return houses(request.param)


RUNS = [
    (method, path, mode)
    for path, item in openapi_document()["paths"].items()
    if path != "/readyz"  # Its 503 is an answer, and nobody has started the checks here.
    for method, operation in item.items()
    for mode in GenerationMode
    # Without any input there is nothing that could be wrong with it.
    if mode is GenerationMode.POSITIVE or "parameters" in operation or "requestBody" in operation
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every run one of the two databases, in turn; in the long form, both."""
    if "mode" not in metafunc.fixturenames:
        return
    long = _is_long(metafunc.config)
    runs = [
        pytest.param(dialect, *run, id=f"{dialect} {run[0]} {run[1]} {run[2].value}", marks=marks)
        for at, run in enumerate(RUNS)
        for dialect, marks in ((DIALECTS[at % 2], ()), (DIALECTS[1 - at % 2], (pytest.mark.chaos,)))
    ]
    if long:
        runs = [pytest.param(*run.values, id=run.id, marks=pytest.mark.chaos) for run in runs]
    metafunc.parametrize(("fuzzed", "method", "path", "mode"), runs, indirect=["fuzzed"])


def _is_long(config: pytest.Config) -> bool:
    return "chaos" in config.option.markexpr


def test_every_answer_is_one_that_the_document_promises(
    fuzzed: Fuzzed, method: str, path: str, mode: GenerationMode, pytestconfig: pytest.Config
) -> None:
    long = _is_long(pytestconfig)
    operation = fuzzed.schema[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=MANY if long else FEW,
        deadline=None,
        database=None,
        derandomize=not long,  # The same requests every time; the long form draws new ones.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Case[Any]) -> None:
        # An empty list is not sent, so what was to be wrong about it does not arrive.
        assume(all(value not in ([], {}) for value in (case.query or {}).values()))
        caller = fuzzed.caller_of(case)
        fuzzed.aim(case)
        # What a schema cannot say is still refused: 1.0 as an amount, a cursor of another list.
        case.call_and_validate(
            headers=caller.headers() if caller else {}, excluded_checks=[positive_data_acceptance]
        )

    send()
