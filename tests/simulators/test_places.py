"""The simulated Places API wants a mask, bills its dearest field, and knows when a place is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CENTRE = {"latitude": 60.1717, "longitude": 24.9442}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        yield simulators


class Caller:
    def __init__(self, simulators: Simulators, http: httpx2.Client) -> None:
        self.simulators, self.places, self.http = simulators, simulators.places, http

    def headers(self, mask: str | None) -> dict[str, str]:
        return {"x-goog-api-key": self.places.key, **({"x-goog-fieldmask": mask} if mask else {})}

    def details(self, place_id: str, mask: str | None = "id,displayName") -> httpx2.Response:
        return self.http.get(f"/v1/places/{place_id}", headers=self.headers(mask))

    def nearby(self, mask: str | None = "places.id", **body: Any) -> httpx2.Response:
        circle = {"locationRestriction": {"circle": {"center": CENTRE, "radius": 5000.0}}}
        return self.http.post("/v1/places:searchNearby", json={**circle, **body}, headers=self.headers(mask))


@pytest.fixture
def google(running: Simulators) -> Iterator[Caller]:
    running.reset(7)
    with httpx2.Client(base_url=running.url_of("places"), timeout=5) as http:
        yield Caller(running, http)


@pytest.mark.parametrize("mask", [None, "id, displayName", "id,nonsense"])
def test_a_mask_must_be_there_without_spaces_and_of_known_fields(google: Caller, mask: str | None) -> None:
    answer = google.details(google.places.places()[0]["id"], mask)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert google.places.cost_millicents == 0


def test_a_mask_leaves_what_it_names_and_costs_what_its_dearest_field_costs(google: Caller) -> None:
    place = google.places.places()[1]
    shown = google.details(place["id"], "id,displayName.text,location").json()
    assert shown == {
        "id": place["id"],
        "displayName": {"text": place["displayName"]["text"]},
        "location": place["location"],
    }
    assert google.places.cost_millicents == 1_700
    google.details(place["id"], "id,rating")
    assert google.places.cost_millicents == 1_700 + 2_000
    assert google.simulators.state("places")["billed"] == {"details enterprise": 1, "details pro": 1}


def test_twenty_results_are_the_end_and_none_are_an_object_without_a_list(google: Caller) -> None:
    answer = google.nearby().json()
    assert len(answer["places"]) == 20
    assert set(answer) == {"places"}
    assert google.nearby(maxResultCount=21).json()["error"]["status"] == "INVALID_ARGUMENT"
    assert google.nearby(includedTypes=["airport"]).json() == {}
    assert google.nearby(includedTypes=["x"] * 51).status_code == 400


def test_a_text_search_has_pages(google: Caller) -> None:
    body: dict[str, Any] = {"textQuery": "cafe", "pageSize": 8}
    headers = google.headers("places.id,nextPageToken")
    first = google.http.post("/v1/places:searchText", json=body, headers=headers).json()
    again = {**body, "pageToken": first["nextPageToken"]}
    second = google.http.post("/v1/places:searchText", json=again, headers=headers).json()
    assert (len(first["places"]), len(second["places"])) == (8, 4)
    assert "nextPageToken" not in second


def test_ids_die_and_move(google: Caller) -> None:
    dead, moved = (one["id"] for one in google.places.places()[:2])
    google.places.kill(dead)
    assert google.details(dead).json()["error"]["status"] == "NOT_FOUND"
    new = google.places.move(moved, 60.17, 24.94)
    assert google.details(moved, "id,movedPlaceId").json()["movedPlaceId"] == new["id"]


def test_a_photo_redirects_unless_it_is_told_not_to(google: Caller) -> None:
    name = google.details(google.places.places()[0]["id"], "photos.name").json()["photos"][0]["name"]
    plain = google.http.get(f"/v1/{name}/media", params={"maxWidthPx": "400"}, headers=google.headers(None))
    told = {"maxWidthPx": "400", "skipHttpRedirect": "true"}
    kept = google.http.get(f"/v1/{name}/media", params=told, headers=google.headers(None))
    assert (plain.status_code, kept.json()["photoUri"]) == (302, plain.headers["location"])
    assert google.http.get(f"/v1/{name}/media", headers=google.headers(None)).status_code == 400
    google.places.rename_photos()
    assert google.http.get(f"/v1/{name}/media", params=told, headers=google.headers(None)).status_code == 404


def test_a_quota_is_for_one_method_and_one_minute(google: Caller) -> None:
    google.places.quota("details", 1)
    one = google.places.places()[0]["id"]
    assert [google.details(one).status_code for _ in range(2)] == [200, 429]
    assert google.nearby().status_code == 200
    google.simulators.advance(timedelta(minutes=1, seconds=1))
    assert google.details(one).status_code == 200


def test_a_wrong_key_is_denied(google: Caller) -> None:
    answer = google.http.get("/v1/places/x", headers={"x-goog-api-key": "no", "x-goog-fieldmask": "id"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
