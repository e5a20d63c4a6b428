"""Webhook endpoints over HTTP: a secret is shown once, and what arrived can be seen and sent again."""

from __future__ import annotations

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import TOLD
from tests.http.conftest import House
from tests.http.webhook_examples import WANTED, endpoint_of

PATH = "/v1/webhook-endpoints"


def test_a_secret_is_shown_once_and_the_list_never_tells_it(sqlite_house: House) -> None:
    owner, key = sqlite_house.caller(Role.SPONSOR), str(new_id())
    first = owner.post(PATH, WANTED, key=key)
    again = owner.post(PATH, WANTED, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == first.json() | {"secret": None}
    listed = owner.get(PATH)
    assert [one["id"] for one in listed.json()["endpoints"]] == [first.json()["endpoint"]["id"]]
    assert "whsec_" not in listed.text


def test_an_address_inside_and_a_type_that_is_not_are_refused(sqlite_house: House) -> None:
    owner = sqlite_house.caller(Role.MERCHANT_OWNER)
    inside = owner.post(PATH, {"url": "https://169.254.169.254/latest"})
    assert (inside.status_code, inside.json()["code"]) == (422, "url-refused")
    assert owner.post(PATH, WANTED | {"types": ["consent.given"]}).status_code == 422
    assert owner.post(PATH, WANTED | {"types": list(TOLD)}).status_code == 201


def test_a_disabled_endpoint_is_enabled_and_replayed(sqlite_house: House) -> None:
    example = endpoint_of(sqlite_house, Role.PARTNER)
    owner, path = example.owner, f"{PATH}/{example.names['endpoint_id']}"
    assert owner.post(f"{path}/disable").json()["disabled_because"] == "owner"
    assert owner.post(f"{path}/test").json()["code"] == "webhook-endpoint-disabled"
    assert owner.post(f"{path}/enable").json()["state"] == "enabled"
    sent = owner.post(f"{path}/test")
    assert sent.status_code == 200
    [told] = owner.get(f"{path}/deliveries", params={"state": "waiting"}).json()["items"]
    assert told == sent.json()
    detail = owner.get(f"{path}/deliveries/{told['id']}").json()
    assert (detail["log"], detail["type"]) == ([], "webhook_endpoint.tested")
    replayed = owner.post(f"{path}/replay", {"since": "2020-01-01T00:00:00Z"})
    assert (replayed.status_code, replayed.json()) == (200, {"replayed": 0})
